//! How is a path put together where nothing may be allocated?

use std::ffi::CStr;

use rustix::io::Errno;

/// The longest path, with its nul.
pub(super) const PATH_BYTES: usize = 4096;

/// A path in a fixed place, because a forked child must not allocate. Always ends with a nul.
pub(super) struct Text {
    pub(super) bytes: [u8; PATH_BYTES],
    pub(super) length: usize,
}

impl Text {
    pub(super) fn new() -> Text {
        Text {
            bytes: [0; PATH_BYTES],
            length: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn as_c_str(&self) -> Result<&CStr, Errno> {
        CStr::from_bytes_with_nul(&self.bytes[..=self.length]).map_err(|_| Errno::INVAL)
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.bytes[length..self.length].fill(0);
        self.length = length;
    }

    pub(super) fn append(&mut self, more: &[u8]) -> Result<(), Errno> {
        let end = self.length + more.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(Errno::NAMETOOLONG)?
            .copy_from_slice(more);
        if end >= PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        self.length = end;
        Ok(())
    }
}
