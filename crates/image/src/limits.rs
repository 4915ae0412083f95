//! How much may a stranger's image ask of this machine before it is refused?

/// The limits that loading and unpacking keep. All of them count what comes *out* of a decoder, because a bomb is small
/// on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one unpacked layer, tar framing included.
    pub layer_bytes: u64,
    /// How many times larger than its compressed form a layer may become (a floor of 64 MiB is always granted).
    pub expansion_factor: u64,
    /// Bytes that must stay free on the store's file system.
    pub reserve_bytes: u64,
    /// Entries in one layer or archive: each costs an inode.
    pub entries: u64,
    /// Bytes of one path inside a layer.
    pub path_bytes: usize,
    /// Bytes of one extended header: long names, PAX records, extended attributes.
    pub extension_bytes: u64,
    /// Bytes of all names of directories and whiteouts in a layer, which stay in memory until its end.
    pub directory_names_bytes: usize,
    /// Bytes of a manifest or an index.
    pub manifest_bytes: u64,
    /// Bytes of an image's config.
    pub config_bytes: u64,
    /// Layers in one image.
    pub layers: usize,
    /// Bytes of an archive that arrives as a stream or compressed, and is spooled to disk first.
    pub archive_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            layer_bytes: 64 << 30,
            expansion_factor: 1000,
            reserve_bytes: 64 << 20,
            entries: 1_000_000,
            path_bytes: 4096,
            extension_bytes: 1 << 20,
            directory_names_bytes: 32 << 20,
            manifest_bytes: 4 << 20,
            config_bytes: 8 << 20,
            layers: 512,
            archive_bytes: 128 << 30,
        }
    }
}

/// What a layer may grow to whatever its compressed size, so that small layers of zeros stay legal.
const EXPANSION_FLOOR_BYTES: u64 = 64 << 20;

impl Limits {
    /// The bytes that a decoder may put out for a blob of `compressed_bytes` with `free_bytes` left on the disk.
    pub(crate) fn decoded_bytes(&self, compressed_bytes: u64, free_bytes: u64) -> u64 {
        let expanded = compressed_bytes
            .saturating_mul(self.expansion_factor)
            .max(EXPANSION_FLOOR_BYTES);
        self.layer_bytes
            .min(expanded)
            .min(free_bytes.saturating_sub(self.reserve_bytes))
    }
}
