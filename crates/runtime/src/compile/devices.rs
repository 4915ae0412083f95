//! Which device files and links stand in a container's `/dev`?

use std::ffi::CString;
use std::path::Path;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount};
use rustix::fs::{FileType, makedev};

use super::{SpecError, c_string, paths};
use crate::init::{Device, Step};

/// Every container has these: name, major, minor.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// And these links: name, target.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// The steps. A `/dev` that is bound from elsewhere is left as it is.
pub(super) fn compile(mounts: &[Mount], asked: &[LinuxDevice]) -> Result<Vec<Step>, SpecError> {
    let dev = mounts.iter().rfind(|mount| is_dev(mount));
    if dev.is_some_and(|mount| mount.typ().as_deref() == Some("bind") || has_bind(mount)) {
        return Ok(Vec::new());
    }
    let mut devices = Vec::with_capacity(DEFAULT.len() + asked.len());
    for (name, major, minor) in DEFAULT {
        devices.push(Device {
            parent: c_string("linux.devices", "dev")?,
            name: c_string("linux.devices", name)?,
            host: c_string("linux.devices", format!("/dev/{name}"))?,
            kind: FileType::CharacterDevice,
            mode: 0o666,
            number: makedev(major, minor),
            owner: None,
        });
    }
    for device in asked {
        let compiled = one(device)?;
        let known = devices
            .iter_mut()
            .find(|other| other.parent == compiled.parent && other.name == compiled.name);
        match known {
            Some(known) => *known = compiled,
            None => devices.push(compiled),
        }
    }
    let links = LINKS.iter().map(|(name, target)| {
        Ok::<_, SpecError>((
            c_string("linux.devices", name)?,
            c_string("linux.devices", target)?,
        ))
    });
    let links: Vec<(CString, CString)> = links.collect::<Result<_, _>>()?;
    Ok(vec![Step::Devices(devices), Step::DeviceLinks(links)])
}

/// Whether this is what stands at `/dev`.
pub(super) fn is_dev(mount: &Mount) -> bool {
    mount
        .destination()
        .components()
        .eq(Path::new("/dev").components())
}

fn has_bind(mount: &Mount) -> bool {
    mount
        .options()
        .iter()
        .flatten()
        .any(|option| option == "bind" || option == "rbind")
}

fn one(device: &LinuxDevice) -> Result<Device, SpecError> {
    let field = "linux.devices";
    let path = device.path();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(SpecError::invalid(
            field,
            format!("{} is no path of a device", path.display()),
        ));
    };
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
        LinuxDeviceType::B => FileType::BlockDevice,
        LinuxDeviceType::P => FileType::Fifo,
        LinuxDeviceType::A => {
            return Err(SpecError::invalid(
                field,
                "type \"a\" is for cgroup rules only",
            ));
        }
    };
    let number = |value: i64| {
        u32::try_from(value)
            .map_err(|_| SpecError::invalid(field, format!("{value} is no device number")))
    };
    let number = if kind == FileType::Fifo {
        0
    } else {
        makedev(number(device.major())?, number(device.minor())?)
    };
    let owner = (device.uid().unwrap_or(0), device.gid().unwrap_or(0));
    Ok(Device {
        parent: paths::below_root(field, parent)?,
        name: c_string(field, name)?,
        host: c_string(field, path)?,
        kind,
        mode: device.file_mode().unwrap_or(0o666) & 0o7777,
        number,
        owner: (owner != (0, 0)).then_some(owner),
    })
}
