//! What tests of this crate share: a folder of their own, and writers of archives good and bad.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::Digest;
use crate::manifest::architecture;

/// A folder that is removed after the test.
pub(crate) struct Folder(PathBuf);

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let number = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "outrigger-image-{name}-{}-{number}",
            std::process::id()
        ));
        crate::tree::remove(&path).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = crate::tree::remove(&self.0) {
            eprintln!("{error}");
        }
    }
}

/// Owners, whiteouts and mounts need root. `false`, and loudly so, without it.
pub(crate) fn is_root(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    if std::env::var_os("OUTRIGGER_SKIPS_FAIL").is_some_and(|value| value == "1") {
        panic!("{test} needs root, and skipping is not allowed");
    }
    eprintln!("SKIPPED {test}: it needs root");
    false
}

/// One entry for [`tar`].
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) name: Vec<u8>,
    pub(crate) flag: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) pax: Vec<(String, Vec<u8>)>,
}

pub(crate) fn item(flag: u8, name: impl AsRef<[u8]>) -> Item {
    Item {
        name: name.as_ref().to_vec(),
        flag,
        link: Vec::new(),
        data: Vec::new(),
        mode: if flag == b'5' { 0o755 } else { 0o644 },
        uid: 0,
        pax: Vec::new(),
    }
}

pub(crate) fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Item {
    Item {
        data: data.as_ref().to_vec(),
        ..item(b'0', name)
    }
}

pub(crate) fn folder(name: impl AsRef<[u8]>) -> Item {
    item(b'5', name)
}

pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item {
        link: target.as_ref().to_vec(),
        ..item(b'2', name)
    }
}

pub(crate) fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item {
        link: target.as_ref().to_vec(),
        ..item(b'1', name)
    }
}

impl Item {
    pub(crate) fn mode(self, mode: u32) -> Item {
        Item { mode, ..self }
    }

    pub(crate) fn owner(self, uid: u64) -> Item {
        Item { uid, ..self }
    }

    pub(crate) fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Item {
        self.pax.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }
}

/// The time that every entry gets.
pub(crate) const MTIME_S: u64 = 1_600_000_000;

/// A header exactly as it is asked for, however bad.
pub(crate) fn header(item: &Item, size_bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    let raw = header.as_old_mut();
    let length = item.name.len().min(100);
    raw.name[..length].copy_from_slice(&item.name[..length]);
    let length = item.link.len().min(100);
    raw.linkname[..length].copy_from_slice(&item.link[..length]);
    header.set_entry_type(tar::EntryType::new(item.flag));
    header.set_mode(item.mode);
    header.set_uid(item.uid);
    header.set_gid(item.uid);
    header.set_mtime(MTIME_S);
    header.set_size(size_bytes);
    header.set_cksum();
    header
}

/// A tar stream of these entries; long names and extra records become PAX headers.
pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in items {
        let mut records = entry.pax.clone();
        if entry.name.len() > 100 {
            records.push(("path".into(), entry.name.clone()));
        }
        if entry.link.len() > 100 {
            records.push(("linkpath".into(), entry.link.clone()));
        }
        if !records.is_empty() {
            let data: Vec<u8> = records
                .iter()
                .flat_map(|(key, value)| record(key, value))
                .collect();
            builder
                .append(
                    &header(&item(b'x', "pax"), data.len() as u64),
                    data.as_slice(),
                )
                .unwrap();
        }
        builder
            .append(
                &header(entry, entry.data.len() as u64),
                entry.data.as_slice(),
            )
            .unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let body = key.len() + value.len() + 3;
    let mut length = body;
    while length != body + length.to_string().len() {
        length = body + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Packed {
    Plain,
    Gzip,
    Zstd,
}

pub(crate) fn pack(bytes: &[u8], packed: Packed) -> Vec<u8> {
    match packed {
        Packed::Plain => bytes.to_vec(),
        Packed::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Packed::Zstd => zstd::encode_all(bytes, 1).unwrap(),
    }
}

/// An image's config document for these layers.
pub(crate) fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    serde_json::to_vec(&serde_json::json!({
        "os": "linux", "architecture": architecture(),
        "config": {
            "Env": ["PATH=/bin", "A=b"], "Cmd": ["/bin/app"], "Entrypoint": null, "User": "1:2", "WorkingDir": "/srv",
            "StopSignal": "SIGUSR1", "Volumes": {"/data": {}}, "ExposedPorts": {"80/tcp": {}}, "Labels": {"k": "v"},
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap()
}

/// The files of an OCI layout with one image of these uncompressed layers. A `name` of a tag or a full name.
pub(crate) fn oci_files(
    name: Option<&str>,
    layers: &[Vec<u8>],
    packed: Packed,
) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut blob = |bytes: Vec<u8>, media_type: &str| {
        let digest = Digest::of(&bytes);
        let descriptor = serde_json::json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()});
        files.push((format!("blobs/sha256/{}", digest.hex()), bytes));
        descriptor
    };
    let config = blob(config(layers), "application/vnd.oci.image.config.v1+json");
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            blob(
                pack(layer, packed),
                "application/vnd.oci.image.layer.v1.tar",
            )
        })
        .collect();
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers});
    let mut manifest = blob(
        serde_json::to_vec(&manifest).unwrap(),
        "application/vnd.oci.image.manifest.v1+json",
    );
    if let Some(name) = name {
        manifest["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": name});
    }
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
    files.push(("index.json".into(), serde_json::to_vec(&index).unwrap()));
    files.push((
        "oci-layout".into(),
        br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
    ));
    files
}

/// The same as `docker save` writes it.
pub(crate) fn docker_files(names: &[&str], layers: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let config = config(layers);
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let paths: Vec<String> = (0..layers.len())
        .map(|number| format!("{number}/layer.tar"))
        .collect();
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": names, "Layers": paths}]);
    let mut files: Vec<_> = paths.into_iter().zip(layers.iter().cloned()).collect();
    files.push((config_name, config));
    files.push((
        "manifest.json".into(),
        serde_json::to_vec(&manifest).unwrap(),
    ));
    files
}

/// These files as a tar stream.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    tar(&files
        .iter()
        .map(|(name, data)| file(name, data))
        .collect::<Vec<_>>())
}

/// These files as a folder.
pub(crate) fn lay_out(files: &[(String, Vec<u8>)], folder: &Path) {
    for (name, data) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }
}

/// Small numbers from a seed, the same on every machine.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
