use std::collections::BTreeMap;

use super::*;
use crate::seccomp::Confinement;
use crate::user::User;
use crate::{HostFacts, ImageConfig, Namespaces, Paths, VolumeMount, fixture};
use outrigger_pod::{Pod, Slot};

const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  volumes: [{name: data, emptyDir: {}}]
  containers:
  - name: c
    image: i
    volumeMounts: [{name: data, mountPath: /data}]
";

/// The config of a Pod that `change` has spoilt after validation.
fn made(image: &ImageConfig, change: impl FnOnce(&mut Pod)) -> Result<Spec, BundleError> {
    let (mut pod, _) = fixture::pod(POD);
    change(&mut pod);
    let user = User {
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        home: "/root".to_owned(),
    };
    let data = VolumeMount {
        path: "/volumes/data".into(),
        ..VolumeMount::default()
    };
    config(&Request {
        pod: &pod,
        slot: Slot(0),
        attempt: 2,
        image,
        user: &user,
        env: &[("A".to_owned(), "1".to_owned())],
        volumes: &BTreeMap::from([("data".to_owned(), data)]),
        paths: &Paths::default(),
        hostname: "p",
        host: &HostFacts::default(),
        namespaces: &Namespaces::default(),
        confinement: Confinement::Unconfined,
        cgroup: "/outrigger/pod/c",
    })
}

fn image() -> ImageConfig {
    ImageConfig {
        cmd: vec!["/bin/true".to_owned()],
        ..ImageConfig::default()
    }
}

fn refusal(change: impl FnOnce(&mut Pod)) -> String {
    made(&image(), change).unwrap_err().to_string()
}

#[test]
fn nothing_to_run_is_refused() {
    let error = made(&ImageConfig::default(), |_| {}).unwrap_err();
    assert!(matches!(error, BundleError::NoCommand), "{error}");
}

#[test]
fn a_mount_is_of_a_known_volume_at_a_place_below_the_root() {
    let mount = |pod: &mut Pod, path: &str| {
        pod.containers[0].spec.volume_mounts.as_mut().unwrap()[0].mount_path = path.to_owned();
    };
    for path in ["/a/../../etc", "/", "..", "", "/a\0"] {
        assert!(
            refusal(|pod| mount(pod, path)).contains("must be absolute"),
            "{path:?}"
        );
    }
    let text = refusal(|pod| {
        pod.containers[0].spec.volume_mounts.as_mut().unwrap()[0].name = "none".to_owned();
    });
    assert_eq!(
        text,
        "cannot find volume \"none\" to mount into container \"c\""
    );
    let text = refusal(|pod| {
        pod.containers[0].spec.volume_mounts.as_mut().unwrap()[0].sub_path = Some("x".to_owned());
    });
    assert!(text.contains("subPath"), "{text}");
}

#[test]
fn no_text_for_the_kernel_holds_a_nul() {
    let text = refusal(|pod| pod.containers[0].spec.command = Some(vec!["a\0b".to_owned()]));
    assert!(text.contains("NUL"), "{text}");
    let text = refusal(|pod| pod.containers[0].spec.working_dir = Some("relative".to_owned()));
    assert!(text.contains("not an absolute path"), "{text}");
}

#[test]
fn the_environment_always_has_a_path_a_home_and_a_host_name() {
    let spec = made(&image(), |_| {}).unwrap();
    let env = spec.process().as_ref().unwrap().env().clone().unwrap();
    assert_eq!(
        env,
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "HOSTNAME=p",
            "A=1"
        ]
    );
    assert_eq!(spec.hostname(), &None);
}

#[test]
fn a_volume_may_take_the_place_of_shared_memory() {
    let shm = made(&image(), |pod| {
        pod.containers[0].spec.volume_mounts.as_mut().unwrap()[0].mount_path =
            "/dev/shm".to_owned();
    });
    let mounts = shm.unwrap().mounts().clone().unwrap();
    let at: Vec<_> = mounts
        .iter()
        .filter(|it| it.destination().ends_with("shm"))
        .collect();
    assert_eq!(at.len(), 1);
    assert_eq!(at[0].source().as_deref(), Some("/volumes/data".as_ref()));
}

#[test]
fn a_terminal_comes_with_a_term_that_image_and_manifest_may_change() {
    let with = |tty: bool, env: &[&str]| {
        let image = ImageConfig {
            env: env.iter().map(|&pair| pair.to_owned()).collect(),
            ..image()
        };
        let spec = made(&image, |pod| pod.containers[0].spec.tty = Some(tty)).unwrap();
        let process = spec.process().clone().unwrap();
        let terms = process.env().clone().unwrap_or_default();
        let terms = terms.into_iter().filter(|pair| pair.starts_with("TERM="));
        (process.terminal(), terms.collect::<Vec<_>>())
    };
    assert_eq!(with(true, &[]), (Some(true), vec!["TERM=xterm".to_owned()]));
    let own = vec!["TERM=linux".to_owned()];
    assert_eq!(with(true, &["TERM=linux"]), (Some(true), own));
    assert_eq!(with(false, &[]), (Some(false), Vec::new()));
}
