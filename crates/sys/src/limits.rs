//! Which resource limits does this process have?

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One resource's limits; `u64::MAX` is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Which.
    pub resource: Resource,
    /// The limit that counts.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// Sets a limit. Child-safe.
///
/// # Errors
/// `EPERM` when the limit that counts is beyond the present hard limit and `CAP_SYS_RESOURCE` is
/// missing; it is then set as near as that allows. A hard limit that cannot be raised, and need not
/// be for the other, stays as it is without a word.
pub fn set(limit: Limit) -> Result<(), Errno> {
    match write(limit.resource, limit.soft, limit.hard) {
        Err(Errno::PERM) => {
            let hard = getrlimit(limit.resource)
                .maximum
                .unwrap_or(u64::MAX)
                .min(limit.hard);
            write(limit.resource, limit.soft.min(hard), hard)?;
            if hard < limit.soft {
                Err(Errno::PERM)
            } else {
                Ok(())
            }
        }
        result => result,
    }
}

fn write(resource: Resource, soft: u64, hard: u64) -> Result<(), Errno> {
    let bound = |value| (value != u64::MAX).then_some(value);
    setrlimit(
        resource,
        Rlimit {
            current: bound(soft),
            maximum: bound(hard),
        },
    )
}
