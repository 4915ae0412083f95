//! Which control group trees are mounted, and where?

use super::controller::Controllers;

/// What `/proc/self/mountinfo` says of control groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounted {
    /// The v1 trees that hold at least one controller we know: mount point and controllers.
    pub(super) v1: Vec<(String, Controllers)>,
    /// The mount point of the v2 tree.
    pub(super) unified: Option<String>,
}

/// Reads the mount table. The first mount of a tree counts; further ones are binds of it, such as
/// those in the root file systems of containers.
pub(super) fn parse(text: &str) -> Mounted {
    let mut mounted = Mounted::default();
    for line in text.lines() {
        let Some((head, tail)) = line.split_once(" - ") else {
            continue;
        };
        let Some(point) = head.split(' ').nth(4) else {
            continue;
        };
        let mut tail = tail.split(' ');
        let (kind, options) = (
            tail.next().unwrap_or_default(),
            tail.nth(1).unwrap_or_default(),
        );
        match kind {
            "cgroup2" if mounted.unified.is_none() => mounted.unified = Some(unescape(point)),
            "cgroup" => {
                let controllers = Controllers::parse(options, ',');
                let seen = mounted.v1.iter().any(|(_, known)| *known == controllers);
                if !controllers.is_empty() && !seen {
                    mounted.v1.push((unescape(point), controllers));
                }
            }
            _ => {}
        }
    }
    mounted
}

/// Undoes the kernel's octal escapes of space, tab, line feed and backslash.
fn unescape(field: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    escapes
        .iter()
        .fold(field.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests;
