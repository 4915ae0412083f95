//! How many files may the node have open? As many as the machine allows: each Pod takes four, and the soft
//! limit that a shell gives is used up by 250 Pods. Containers have limits of their own, in their bundles.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this many the daemon says so when it starts.
const MODEST: u64 = 2048;
/// What a Pod takes while it starts; its record, its lock, its shim and the connection to it stay.
const A_POD: u64 = 8;
/// Kept free for clients and the daemon's own files when the Pods are counted.
const OTHERS: u64 = 64;

/// Raises the soft limit of this process to the hard one.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn raise() -> Result<(), String> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all)
        .map_err(|errno| format!("raise the limit of open files: {errno}"))
}

/// Warns if there are few.
pub(crate) fn tell_if_few() {
    let files = getrlimit(Resource::Nofile).maximum;
    if let Some(text) = files.and_then(sentence) {
        tracing::warn!("{text}");
    }
}

fn sentence(files: u64) -> Option<String> {
    let pods = files.saturating_sub(OTHERS) / A_POD;
    (files < MODEST).then(|| {
        format!(
            "only {files} files may be open at once, enough for about {pods} pods; \
             raise the hard limit (`ulimit -Hn`, or LimitNOFILE= of the service)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_told_with_the_number_of_pods_and_many_are_not() {
        assert!(sentence(256).is_some_and(|text| text.contains("about 24 pods")));
        assert!(sentence(8).is_some_and(|text| text.contains("about 0 pods")));
        assert_eq!(sentence(MODEST), None);
    }
}
