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
/// `EPERM` when the hard limit would have to be raised and `CAP_SYS_RESOURCE` is missing. The
/// limit is then set as near as the present hard limit allows.
pub fn set(limit: Limit) -> Result<(), Errno> {
    match write(limit.resource, limit.soft, limit.hard) {
        Err(Errno::PERM) => {
            let hard = getrlimit(limit.resource)
                .maximum
                .unwrap_or(u64::MAX)
                .min(limit.hard);
            write(limit.resource, limit.soft.min(hard), hard)?;
            Err(Errno::PERM)
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
