//! Which devices may a container of a v1 machine use?
//!
//! On v2 the kernel asks for an eBPF program instead of rules. There, a container is kept from
//! devices by a `/dev` of our making and by the want of `CAP_MKNOD`.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

/// What every container has: null, zero, full, random, urandom, tty, console, ptmx and its
/// terminals. None may be made by `mknod`.
const DEFAULT: [&str; 9] = [
    "c 1:3 rw",
    "c 1:5 rw",
    "c 1:7 rw",
    "c 1:8 rw",
    "c 1:9 rw",
    "c 5:0 rw",
    "c 5:1 rw",
    "c 5:2 rw",
    "c 136:* rw",
];

/// One line for `devices.allow` or `devices.deny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Which of the two files.
    pub(super) allow: bool,
    /// The line.
    pub(super) line: String,
}

/// The rules to write, in order. None are needed where all is allowed, for a new group allows what
/// its parent does.
pub(super) fn rules(asked: &[LinuxDeviceCgroup]) -> Vec<Rule> {
    if asked.iter().any(|rule| rule.allow() && is_all(rule)) {
        return Vec::new();
    }
    let mut rules = vec![Rule {
        allow: false,
        line: "a".to_owned(),
    }];
    rules.extend(DEFAULT.iter().map(|line| Rule {
        allow: true,
        line: (*line).to_owned(),
    }));
    for rule in asked.iter().filter(|rule| !is_all(rule)) {
        rules.push(Rule {
            allow: rule.allow(),
            line: line(rule),
        });
    }
    rules
}

fn is_all(rule: &LinuxDeviceCgroup) -> bool {
    let any_kind = matches!(rule.typ(), None | Some(LinuxDeviceType::A));
    let any_number = |number: Option<i64>| number.is_none_or(|number| number < 0);
    any_kind && any_number(rule.major()) && any_number(rule.minor())
}

fn line(rule: &LinuxDeviceCgroup) -> String {
    let kind = match rule.typ() {
        Some(LinuxDeviceType::B) => "b",
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => "c",
        _ => "a",
    };
    let number = |number: Option<i64>| match number {
        Some(number) if number >= 0 => number.to_string(),
        _ => "*".to_owned(),
    };
    let access = rule.access().as_deref().unwrap_or("rwm");
    format!(
        "{kind} {}:{} {access}",
        number(rule.major()),
        number(rule.minor())
    )
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxDeviceCgroupBuilder;

    use super::*;

    fn deny_all() -> LinuxDeviceCgroup {
        LinuxDeviceCgroupBuilder::default()
            .allow(false)
            .access("rwm")
            .build()
            .unwrap()
    }

    #[test]
    fn all_is_denied_but_the_defaults_and_what_was_asked() {
        let kvm = LinuxDeviceCgroupBuilder::default()
            .allow(true)
            .typ(LinuxDeviceType::C)
            .major(10)
            .minor(232)
            .access("rw")
            .build()
            .unwrap();
        let rules = rules(&[deny_all(), kvm]);
        assert_eq!(
            rules[0],
            Rule {
                allow: false,
                line: "a".to_owned()
            }
        );
        assert_eq!(rules.len(), 2 + DEFAULT.len());
        assert_eq!(
            rules.last().unwrap(),
            &Rule {
                allow: true,
                line: "c 10:232 rw".to_owned()
            }
        );
    }

    #[test]
    fn a_privileged_container_needs_no_rules() {
        let all = LinuxDeviceCgroupBuilder::default()
            .allow(true)
            .access("rwm")
            .build()
            .unwrap();
        assert_eq!(rules(&[all]), []);
    }

    #[test]
    fn no_default_lets_a_node_be_made() {
        assert!(DEFAULT.iter().all(|line| !line.ends_with('m')));
    }
}
