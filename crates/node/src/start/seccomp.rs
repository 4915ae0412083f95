//! Which system calls may a container make, by a profile of this machine perhaps?

use std::io::Read;
use std::path::Path;

use outrigger_bundle::seccomp::{self, Asked, Confinement};
use outrigger_lifecycle::StartFailure;
use outrigger_pod::{Pod, Slot};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use crate::start::create_error;

/// No profile that the kernel takes is longer.
const MAX_BYTES: u64 = 1 << 20;

/// What a container is confined to, with what that is made of.
pub(super) enum Profile {
    Default,
    Unconfined,
    /// The profile, boxed for it is rare and long.
    Own(Box<OwnProfile>),
}

/// A profile of this machine.
pub(super) struct OwnProfile {
    profile: outrigger_bundle::seccomp::Profile,
    /// Where it stands, for messages.
    path: String,
}

impl Profile {
    /// Finds it; `folder` has this machine's own.
    pub(super) fn of(pod: &Pod, slot: Slot, folder: &Path) -> Result<Profile, StartFailure> {
        let file = match seccomp::asked(pod, slot) {
            Asked::RuntimeDefault => return Ok(Profile::Default),
            Asked::Unconfined => return Ok(Profile::Unconfined),
            Asked::Localhost(file) => file,
        };
        let path = folder.join(file).display().to_string();
        let profile = read(folder, file)
            .and_then(|text| seccomp::read(&text))
            .map_err(|why| create_error(format!("cannot load seccomp profile {path:?}: {why}")))?;
        Ok(Profile::Own(Box::new(OwnProfile { profile, path })))
    }

    /// For the container's config, from a shim that can confine it or cannot; and whether something is left out.
    /// The Pod ran without it before, and goes on rather than not to come back.
    pub(super) fn by(&self, shim_confines: bool) -> (Confinement<'_>, bool) {
        match self.confinement() {
            Confinement::Unconfined => (Confinement::Unconfined, false),
            wanted if shim_confines => (wanted, false),
            _ => (Confinement::Unconfined, true),
        }
    }

    fn confinement(&self) -> Confinement<'_> {
        match self {
            Profile::Default => Confinement::RuntimeDefault,
            Profile::Unconfined => Confinement::Unconfined,
            Profile::Own(own) => Confinement::Localhost(&own.profile),
        }
    }

    /// A refusal of the shim, with the file that it is about: there the profile is a part of the config.
    pub(super) fn told(&self, message: String) -> String {
        match self {
            Profile::Own(own) if message.contains("seccomp") => {
                format!("seccomp profile {:?}: {message}", own.path)
            }
            _ => message,
        }
    }
}

/// The text of a profile. Whoever may write into the folder is root; that a name leads out of it, or to
/// something that never ends, is a mistake all the same.
fn read(folder: &Path, file: &str) -> Result<Vec<u8>, String> {
    let said = |errno: Errno| std::io::Error::from(errno).to_string();
    let beneath = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = open(folder, beneath, Mode::empty())
        .map_err(|errno| format!("open {}: {}", folder.display(), said(errno)))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened =
        openat2(&opened, file, flags, Mode::empty(), resolve).map_err(|errno| match errno {
            Errno::XDEV => "it leads out of its folder".to_owned(),
            errno => format!("open: {}", said(errno)),
        })?;
    let stat = fstat(&opened).map_err(said)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("it is no regular file".to_owned());
    }
    let mut text = Vec::new();
    std::fs::File::from(opened)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("read: {error}"))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_shim_that_cannot_confine_is_not_asked_to_and_that_is_known() {
        let default = Confinement::RuntimeDefault;
        assert_eq!(Profile::Default.by(true), (default, false));
        let unconfined = Confinement::Unconfined;
        assert_eq!(Profile::Default.by(false), (unconfined, true));
        for confines in [true, false] {
            assert_eq!(Profile::Unconfined.by(confines), (unconfined, false));
        }
        // As an older one greets.
        let greeting = r#"{"Hello":{"pid":1,"prepared":true,"containers":[]}}"#;
        let greeting: outrigger_wire::Reply = serde_json::from_str(greeting).unwrap();
        let outrigger_wire::Reply::Hello { seccomp, .. } = greeting else {
            panic!("{greeting:?}");
        };
        assert!(!seccomp);
    }

    #[test]
    fn a_profile_is_read_beneath_its_folder_and_nowhere_else() {
        let scratch = Scratch::new();
        let folder = scratch.path.join("seccomp");
        let why = |file: &str| read(&folder, file).unwrap_err();
        assert!(why("a.json").ends_with("No such file or directory (os error 2)"));
        std::fs::create_dir_all(folder.join("below")).unwrap();
        std::fs::write(folder.join("below/a.json"), "text").unwrap();
        std::fs::write(scratch.path.join("outside"), "secret").unwrap();
        assert_eq!(read(&folder, "below/a.json").unwrap(), b"text");
        std::os::unix::fs::symlink("below/a.json", folder.join("link")).unwrap();
        assert_eq!(read(&folder, "link").unwrap(), b"text");
        std::os::unix::fs::symlink(scratch.path.join("outside"), folder.join("out")).unwrap();
        std::os::unix::fs::symlink("../../outside", folder.join("below/up")).unwrap();
        for file in ["out", "below/up", "../outside", "/etc/passwd"] {
            assert_eq!(why(file), "it leads out of its folder", "{file}");
        }
        assert!(why("b.json").contains("No such file"));
        assert_eq!(why("below"), "it is no regular file");
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("fifo"), Mode::RUSR).unwrap();
        assert_eq!(why("fifo"), "it is no regular file");
        let long = std::fs::File::create(folder.join("long")).unwrap();
        long.set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(why("long"), "it is longer than 1048576 bytes");
        long.set_len(MAX_BYTES).unwrap();
        assert_eq!(read(&folder, "long").unwrap().len() as u64, MAX_BYTES);
    }
}
