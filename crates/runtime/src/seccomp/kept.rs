//! Where does a compiled profile wait for the next container that has it?
//!
//! In a file named by the hash of the profile, that ends in a hash of name and program: one that was
//! cut or damaged is as good as none, for a wrong program could let calls pass.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxSeccomp;
use outrigger_sys::seccomp::Instruction;
use sha2::{Digest, Sha256};

use crate::compile::SpecError;

/// Raised with every change of what a profile is compiled to.
const FORM: &str = concat!("outrigger seccomp 1 ", env!("CARGO_PKG_VERSION"));
const HASH_BYTES: usize = 32;
/// The longest program that the kernel takes, and the hash.
const MAX_BYTES: u64 = (4096 * Instruction::BYTES + HASH_BYTES) as u64;

/// What a program is compiled from, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u8; HASH_BYTES]);

impl Key {
    pub(super) fn of(profile: &LinuxSeccomp) -> Result<Key, SpecError> {
        let text = serde_json::to_vec(profile)
            .map_err(|error| SpecError::invalid("linux.seccomp", error.to_string()))?;
        let mut hash = Sha256::new();
        hash.update(FORM);
        hash.update(text);
        Ok(Key(hash.finalize().into()))
    }

    fn file(&self, folder: &Path) -> PathBuf {
        use std::fmt::Write;
        let mut name = String::with_capacity(2 * HASH_BYTES);
        for byte in self.0 {
            // Nothing is written to but memory.
            let _ = write!(name, "{byte:02x}");
        }
        folder.join(name)
    }

    fn seal(&self, program: &[u8]) -> [u8; HASH_BYTES] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(program);
        hash.finalize().into()
    }
}

/// The program, if it is there and whole. What is not is written anew, so that the reason matters to
/// nobody.
pub(super) fn read(folder: &Path, key: &Key) -> Option<Vec<Instruction>> {
    ours(folder).ok()?;
    let mut options = OpenOptions::new();
    // Whatever else stands there must not let us wait.
    options
        .read(true)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32);
    let file = options.open(key.file(folder)).ok()?;
    let stat = file.metadata().ok()?;
    if !stat.is_file() || stat.len() > MAX_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.len()).ok()?);
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let (program, seal) = bytes.split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?;
    if program.is_empty() || key.seal(program) != seal {
        return None;
    }
    let (instructions, rest) = program.as_chunks::<{ Instruction::BYTES }>();
    rest.is_empty().then(|| {
        instructions
            .iter()
            .map(|one| Instruction::from_bytes(*one))
            .collect()
    })
}

/// Keeps a program. Not on the disk at once: a file that is not whole is as good as none.
pub(super) fn write(folder: &Path, key: &Key, program: &[Instruction]) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => ours(folder)?,
    }
    let program: Vec<u8> = program.iter().flat_map(|one| one.to_bytes()).collect();
    let path = key.file(folder);
    let fresh = path.with_extension(std::process::id().to_string());
    let written = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let mut file: File = options.open(&fresh)?;
        file.write_all(&program)?;
        file.write_all(&key.seal(&program))?;
        std::fs::rename(&fresh, &path)
    };
    written().inspect_err(|_| drop(std::fs::remove_file(&fresh)))
}

/// Whether nobody else may write here.
fn ours(folder: &Path) -> io::Result<()> {
    let stat = folder.symlink_metadata()?;
    let own = rustix::process::geteuid().as_raw();
    if stat.is_dir() && stat.uid() == own && stat.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::other(
        "it is no folder that only its owner may write to",
    ))
}
