//! What does one entry of `mounts` ask of the kernel?

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount as Described;
use outrigger_sys::mount::{Change, Propagation, attr};

use super::{SpecError, c_string, paths};
use crate::cgroup::is_in_use;
use crate::init::{Hierarchy, Mount, Source};

/// What the options of one mount add up to.
#[derive(Debug, Default)]
struct Options {
    bind: Option<Bind>,
    top: Change,
    below: Change,
    propagation: Option<(Propagation, bool)>,
    data: Vec<(CString, Option<CString>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bind {
    Single,
    Tree,
}

/// Compiles the mount at `index` of the list.
pub(super) fn compile(index: usize, mount: &Described, bundle: &Path) -> Result<Mount, SpecError> {
    let field = format!("mounts[{index}]");
    let options = parse(&field, mount.options().as_deref().unwrap_or_default())?;
    let at = paths::below_root(&format!("{field}.destination"), mount.destination())?;
    let kind = mount.typ().as_deref().unwrap_or_default();
    let (top, below, propagation) = (options.top, options.below, options.propagation);
    let named = mount
        .source()
        .clone()
        .unwrap_or_else(|| PathBuf::from(kind));
    let source = if options.bind.is_some() || kind == "bind" {
        if let Some((key, _)) = options.data.first() {
            return Err(SpecError::invalid(
                field,
                format!("a bind mount has no option {}", key.to_string_lossy()),
            ));
        }
        let path = c_string(&format!("{field}.source"), bundle.join(named))?;
        Source::Bind {
            path,
            recursive: options.bind == Some(Bind::Tree),
        }
    } else if kind == "cgroup" {
        cgroups(&hierarchies()?)?
    } else {
        let name = c_string(&format!("{field}.source"), named)?;
        Source::New {
            kind: c_string(&format!("{field}.type"), kind)?,
            name,
            data: options.data,
        }
    };
    // What the image put in the place of these would be taken for the kernel's own files.
    let links = !matches!(kind, "proc" | "sysfs");
    Ok(Mount {
        source,
        at,
        links,
        top,
        below,
        propagation,
    })
}

fn parse(field: &str, list: &[String]) -> Result<Options, SpecError> {
    let mut options = Options::default();
    for option in list {
        if plain(&mut options, option)
            || recursive(&mut options, option)
            || spreading(&mut options, option)
        {
            continue;
        }
        if option == "tmpcopyup" || option == "idmap" || option == "ridmap" {
            return Err(SpecError::invalid(
                field,
                format!("the option {option} is not supported yet"),
            ));
        }
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(c_string(field, value)?)),
            None => (option.as_str(), None),
        };
        options.data.push((c_string(field, key)?, value));
    }
    Ok(options)
}

/// Options that make a bind, or change the mount itself.
fn plain(options: &mut Options, option: &str) -> bool {
    match option {
        "bind" => options.bind = options.bind.or(Some(Bind::Single)),
        "rbind" => options.bind = Some(Bind::Tree),
        "defaults" | "" => {}
        _ => match attribute(option) {
            Some(change) => add(&mut options.top, change),
            None => return false,
        },
    }
    true
}

/// The same with an `r` before it changes the mounts below, too.
fn recursive(options: &mut Options, option: &str) -> bool {
    match option.strip_prefix('r').and_then(attribute) {
        Some(change) => {
            add(&mut options.below, change);
            true
        }
        None => false,
    }
}

fn spreading(options: &mut Options, option: &str) -> bool {
    let (name, tree) = match option {
        "rshared" | "rslave" | "rprivate" | "runbindable" => (&option[1..], true),
        _ => (option, false),
    };
    options.propagation = match name {
        "shared" => Some((Propagation::Shared, tree)),
        "slave" => Some((Propagation::Slave, tree)),
        "private" => Some((Propagation::Private, tree)),
        "unbindable" => Some((Propagation::Unbindable, tree)),
        _ => return false,
    };
    true
}

/// What an attribute's name sets and clears.
fn attribute(name: &str) -> Option<Change> {
    let (set, clear) = match name {
        "ro" => (attr::RDONLY, 0),
        "rw" => (0, attr::RDONLY),
        "nosuid" => (attr::NOSUID, 0),
        "suid" => (0, attr::NOSUID),
        "nodev" => (attr::NODEV, 0),
        "dev" => (0, attr::NODEV),
        "noexec" => (attr::NOEXEC, 0),
        "exec" => (0, attr::NOEXEC),
        "noatime" => (attr::NOATIME, attr::ATIME),
        "strictatime" => (attr::STRICTATIME, attr::ATIME),
        "relatime" | "atime" | "norelatime" => (0, attr::ATIME),
        "nodiratime" => (attr::NODIRATIME, 0),
        "diratime" => (0, attr::NODIRATIME),
        "nosymfollow" => (attr::NOSYMFOLLOW, 0),
        "symfollow" => (0, attr::NOSYMFOLLOW),
        _ => return None,
    };
    Some(Change {
        set,
        clear,
        propagation: None,
    })
}

/// The later option wins.
fn add(all: &mut Change, more: Change) {
    all.set = (all.set & !more.clear) | more.set;
    all.clear = (all.clear & !more.set) | more.clear;
}

/// The trees of the machine, as `/proc/self/cgroup` names them: the controllers of each, and none
/// for the v2 tree.
fn hierarchies() -> Result<Vec<String>, SpecError> {
    let text = fs::read_to_string("/proc/self/cgroup").map_err(|source| {
        SpecError::invalid(
            "mounts[].type",
            format!("cannot read /proc/self/cgroup: {source}"),
        )
    })?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(':').nth(1))
        .map(str::to_owned)
        .collect())
}

/// On a v2 machine the one tree. Otherwise each tree in which containers have groups, in a directory
/// of its name. In the others a container stands at the machine's root and would see its groups.
fn cgroups(trees: &[String]) -> Result<Source, SpecError> {
    let mut hierarchies = Vec::new();
    let beside_v2 = trees.iter().any(String::is_empty);
    for tree in trees.iter().filter(|tree| is_in_use(tree, beside_v2)) {
        let controllers: Vec<&str> = tree.split(',').collect();
        let aliases = if controllers.len() > 1 {
            controllers.as_slice()
        } else {
            &[]
        };
        hierarchies.push(Hierarchy {
            directory: c_string("mounts", tree)?,
            controllers: controllers
                .iter()
                .map(|name| c_string("mounts", name))
                .collect::<Result<_, _>>()?,
            aliases: aliases
                .iter()
                .map(|name| c_string("mounts", name))
                .collect::<Result<_, _>>()?,
        });
    }
    if hierarchies.is_empty() {
        let name = c_string("mounts", "cgroup")?;
        return Ok(Source::New {
            kind: c_string("mounts", "cgroup2")?,
            name,
            data: Vec::new(),
        });
    }
    Ok(Source::CgroupsV1(hierarchies))
}

#[cfg(test)]
mod tests;
