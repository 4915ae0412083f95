//! Which filter of system calls does a container get, and how often is it compiled?
//!
//! A profile (`linux.seccomp` of the specification) is compiled once and kept by its hash: in memory
//! as long as a container has it, and in a folder for all who come later.

mod compile;
mod kept;
mod newer;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::{Rc, Weak};

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag};
use outrigger_sys::seccomp::{self, Instruction};
use outrigger_sys::{Errno, process};

use crate::compile::SpecError;
use kept::Key;

/// The compiled profiles of containers, each once.
#[derive(Debug, Default)]
pub struct Filters {
    folder: Option<PathBuf>,
    used: RefCell<Vec<(Key, Weak<Filter>)>>,
}

impl Filters {
    /// None yet. Those that are compiled are kept in `folder` too, if one is given; it is made when it
    /// is needed, and who can write to it can loosen what containers are confined to.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Filters {
        Filters {
            folder,
            used: RefCell::default(),
        }
    }

    /// The filter of a profile. What could not be kept is compiled again next time, with a warning.
    pub(crate) fn of(
        &self,
        profile: &LinuxSeccomp,
        warnings: &mut Vec<String>,
    ) -> Result<Rc<Filter>, SpecError> {
        let key = Key::of(profile)?;
        let mut used = self.used.borrow_mut();
        used.retain(|(_, filter)| filter.strong_count() > 0);
        let known = used.iter().find(|(other, _)| *other == key);
        if let Some(filter) = known.and_then(|(_, filter)| filter.upgrade()) {
            return Ok(filter);
        }
        let flags = flags(profile)?;
        let kept = self
            .folder
            .as_deref()
            .and_then(|folder| kept::read(folder, &key));
        let program = match kept {
            Some(program) => program,
            None => {
                let program = compiled(profile)?;
                if let Some(folder) = &self.folder
                    && let Err(error) = kept::write(folder, &key, &program)
                {
                    let folder = folder.display();
                    warnings.push(format!(
                        "could not keep a compiled seccomp profile in {folder}: {error}"
                    ));
                }
                program
            }
        };
        let filter = Rc::new(Filter { program, flags });
        used.push((key, Rc::downgrade(&filter)));
        Ok(filter)
    }
}

/// Compiles, which takes half a megabyte, in a process of its own. Where that does not work out it is done
/// here, and says why if it is the profile's fault.
fn compiled(profile: &LinuxSeccomp) -> Result<Vec<Instruction>, SpecError> {
    let apart = process::apart(|| {
        let program = compile::compile(profile).ok()?;
        Some(
            program
                .into_iter()
                .flat_map(Instruction::to_bytes)
                .collect(),
        )
    });
    match apart {
        Ok(Some(bytes)) => {
            let (program, _) = bytes.as_chunks::<{ Instruction::BYTES }>();
            Ok(program
                .iter()
                .map(|one| Instruction::from_bytes(*one))
                .collect())
        }
        Ok(None) | Err(_) => compile::compile(profile),
    }
}

/// A compiled profile.
#[derive(Debug)]
pub(crate) struct Filter {
    program: Vec<Instruction>,
    flags: u32,
}

impl Filter {
    /// Puts it on this process. Child-safe.
    pub(crate) fn load(&self) -> Result<(), Errno> {
        seccomp::load(&self.program, self.flags)
    }
}

/// The kernel's flags. Without any it is as with runc: no mitigation against speculation that the
/// process did not ask for.
fn flags(profile: &LinuxSeccomp) -> Result<u32, SpecError> {
    const LOG: u32 = 1 << 1;
    const SPEC_ALLOW: u32 = 1 << 2;
    let Some(flags) = profile.flags() else {
        return Ok(SPEC_ALLOW);
    };
    flags.iter().try_fold(0, |bits, flag| match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => Ok(bits | LOG),
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => Ok(bits | SPEC_ALLOW),
        // There is one thread.
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => Ok(bits),
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => Err(SpecError::invalid(
            "linux.seccomp.flags",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV goes with SCMP_ACT_NOTIFY, which is not supported yet",
        )),
    })
}

#[cfg(test)]
mod tests;
