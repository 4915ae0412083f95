//! As whom does a container run?
//!
//! The image's account files are an attacker's text: they are read as text, never through the
//! system's own look-up, and an all-digit user is a number and never a name, or an image could
//! name its root account `4294967296` and pass for somebody else.

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::{Pod, Slot};

mod accounts;

pub use accounts::Accounts;

/// As whom a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups, sorted.
    pub groups: Vec<u32>,
    /// Home directory, for `HOME`.
    pub home: String,
}

/// Why it cannot be said as whom a container runs, in the kubelet's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// `runAsNonRoot` with `runAsUser: 0`.
    #[error("container's runAsUser breaks non-root policy (pod: {pod:?}, container: {container})")]
    RunAsUserIsRoot {
        /// `name_namespace(uid)`
        pod: String,
        /// The container.
        container: String,
    },
    /// `runAsNonRoot` with an image that names its user by a name.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root (pod: {pod:?}, container: {container})"
    )]
    NotNumeric {
        /// The image's user.
        user: String,
        /// `name_namespace(uid)`
        pod: String,
        /// The container.
        container: String,
    },
    /// `runAsNonRoot` with an image that runs as root.
    #[error(
        "container has runAsNonRoot and image will run as root (pod: {pod:?}, container: {container})"
    )]
    ImageIsRoot {
        /// `name_namespace(uid)`
        pod: String,
        /// The container.
        container: String,
    },
    /// A number beyond 2147483647, which some programs take for a negative one or for 0.
    #[error("{what} {number:?} is not between 0 and 2147483647")]
    Range {
        /// Which number.
        what: &'static str,
        /// As it was written.
        number: String,
    },
    /// The image has no such user.
    #[error("unable to find user {name}: no matching entries in the image's passwd file")]
    NoUser {
        /// Its name.
        name: String,
    },
    /// The image has no such group.
    #[error("unable to find group {name}: no matching entries in the image's group file")]
    NoGroup {
        /// Its name.
        name: String,
    },
}

/// Resolves a container's user from the manifest, the image's `User` and its account files.
///
/// # Errors
/// When the user is unknown, out of range, or root against `runAsNonRoot`.
pub fn resolve(
    pod: &Pod,
    slot: Slot,
    image_user: &str,
    accounts: Accounts<'_>,
) -> Result<User, UserError> {
    let asked = Asked::of(pod, slot);
    let (user_part, group_part) = match image_user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (image_user, None),
    };
    check_non_root(&asked, pod, &pod[slot].name.0, user_part)?;
    let account = match asked.user {
        Some(number) => accounts.by_uid(in_range("runAsUser", number)?),
        None if user_part.is_empty() => accounts.by_uid(0),
        None => match numeric("image user", user_part)? {
            Some(uid) => accounts.by_uid(uid),
            None => accounts
                .by_name(user_part)
                .ok_or_else(|| UserError::NoUser {
                    name: user_part.to_owned(),
                })?,
        },
    };
    let gid = match (asked.group, group_part) {
        (Some(number), _) => in_range("runAsGroup", number)?,
        (None, Some(group)) if asked.user.is_none() && !group.is_empty() => {
            match numeric("image group", group)? {
                Some(gid) => gid,
                None => accounts.group(group).ok_or_else(|| UserError::NoGroup {
                    name: group.to_owned(),
                })?,
            }
        }
        _ => account.gid,
    };
    let mut groups = Vec::new();
    for number in asked.groups {
        groups.push(in_range("supplemental group", number)?);
    }
    if asked.merge {
        groups.extend(
            account
                .name
                .iter()
                .flat_map(|name| accounts.groups_of(name)),
        );
    }
    groups.sort_unstable();
    groups.dedup();
    if account.uid == 0 && asked.non_root {
        return Err(UserError::ImageIsRoot {
            pod: full_name(pod),
            container: pod[slot].name.0.clone(),
        });
    }
    Ok(User {
        uid: account.uid,
        gid,
        groups,
        home: account.home,
    })
}

/// What the manifest asks for; the container's word goes before the Pod's.
struct Asked {
    user: Option<i64>,
    group: Option<i64>,
    non_root: bool,
    groups: Vec<i64>,
    merge: bool,
}

impl Asked {
    fn of(pod: &Pod, slot: Slot) -> Asked {
        let spec = pod.manifest.spec.as_ref();
        let whole = spec.and_then(|spec| spec.security_context.as_ref());
        let own = pod[slot].spec.security_context.as_ref();
        fn either<T>(
            own: Option<&core::SecurityContext>,
            whole: Option<&core::PodSecurityContext>,
            of_own: fn(&core::SecurityContext) -> Option<T>,
            of_whole: fn(&core::PodSecurityContext) -> Option<T>,
        ) -> Option<T> {
            own.and_then(of_own).or_else(|| whole.and_then(of_whole))
        }
        let groups = whole
            .and_then(|it| it.supplemental_groups.clone())
            .unwrap_or_default();
        let policy = whole.and_then(|it| it.supplemental_groups_policy.as_deref());
        Asked {
            user: either(own, whole, |it| it.run_as_user, |it| it.run_as_user),
            group: either(own, whole, |it| it.run_as_group, |it| it.run_as_group),
            non_root: either(own, whole, |it| it.run_as_non_root, |it| it.run_as_non_root)
                .unwrap_or(false),
            groups: groups
                .into_iter()
                .chain(whole.and_then(|it| it.fs_group))
                .collect(),
            merge: policy != Some("Strict"),
        }
    }
}

fn check_non_root(
    asked: &Asked,
    pod: &Pod,
    container: &str,
    image_user: &str,
) -> Result<(), UserError> {
    let (pod, container) = (full_name(pod), container.to_owned());
    match asked.user {
        _ if !asked.non_root => Ok(()),
        Some(0) => Err(UserError::RunAsUserIsRoot { pod, container }),
        Some(_) => Ok(()),
        None => match numeric("image user", image_user)? {
            Some(0) => Err(UserError::ImageIsRoot { pod, container }),
            Some(_) => Ok(()),
            None if image_user.is_empty() => Err(UserError::ImageIsRoot { pod, container }),
            None => Err(UserError::NotNumeric {
                user: image_user.to_owned(),
                pod,
                container,
            }),
        },
    }
}

/// The Pod as the kubelet's messages call it.
fn full_name(pod: &Pod) -> String {
    format!("{}_{}({})", pod.name, pod.namespace, pod.uid)
}

/// The number that a text of digits is; `None` for every other text.
fn numeric(what: &'static str, text: &str) -> Result<Option<u32>, UserError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let bad = || UserError::Range {
        what,
        number: text.chars().take(24).collect(),
    };
    if digits.len() != text.len() {
        return Err(bad());
    }
    let number = text.parse::<u32>().map_err(|_| bad())?;
    if number > i32::MAX as u32 {
        Err(bad())
    } else {
        Ok(Some(number))
    }
}

fn in_range(what: &'static str, number: i64) -> Result<u32, UserError> {
    let bad = || UserError::Range {
        what,
        number: number.to_string(),
    };
    i32::try_from(number)
        .map_err(|_| bad())
        .and_then(|small| u32::try_from(small).map_err(|_| bad()))
}

#[cfg(test)]
mod tests;
