//! Which controllers exist for us, and in which set do they come?

use std::fmt;

/// A controller that Outrigger limits or counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// CPU time.
    Cpu,
    /// CPU time counted; v1 only, part of `cpu` on v2.
    Cpuacct,
    /// Memory and swap.
    Memory,
    /// Number of processes.
    Pids,
    /// Device access; v1 only.
    Devices,
    /// Huge pages.
    Hugetlb,
    /// Freezing; v1 only, part of every v2 group.
    Freezer,
}

impl Controller {
    /// All of them.
    pub(super) const ALL: [Controller; 7] = [
        Controller::Cpu,
        Controller::Cpuacct,
        Controller::Memory,
        Controller::Pids,
        Controller::Devices,
        Controller::Hugetlb,
        Controller::Freezer,
    ];

    /// Its name in mount options and in `cgroup.controllers`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Cpuacct => "cpuacct",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Devices => "devices",
            Controller::Hugetlb => "hugetlb",
            Controller::Freezer => "freezer",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A set of controllers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Controllers(u8);

impl Controllers {
    /// Reads names between separators; names of other controllers are skipped.
    pub(super) fn parse(text: &str, separator: char) -> Controllers {
        text.trim()
            .split(separator)
            .filter_map(|word| {
                Controller::ALL
                    .into_iter()
                    .find(|controller| controller.word() == word)
            })
            .collect()
    }

    /// Whether the set holds that controller.
    pub(super) fn has(self, controller: Controller) -> bool {
        self.0 & (1 << controller as u8) != 0
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is here and not there.
    pub(super) fn without(self, other: Controllers) -> Controllers {
        Controllers(self.0 & !other.0)
    }

    /// Its members in the order of [`Controller::ALL`].
    pub(super) fn iter(self) -> impl Iterator<Item = Controller> {
        Controller::ALL
            .into_iter()
            .filter(move |controller| self.has(*controller))
    }
}

impl FromIterator<Controller> for Controllers {
    fn from_iter<I: IntoIterator<Item = Controller>>(members: I) -> Controllers {
        Controllers(
            members
                .into_iter()
                .fold(0, |set, controller| set | 1 << controller as u8),
        )
    }
}
