//! Does each manifest in `golden/` give the OCI configs that stand beside it? `UPDATE_EXPECT=1`
//! writes them anew; read the difference before you keep it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use outrigger_bundle::{
    CgroupMode, DeviceKind, HostDevice, HostFacts, ImageConfig, Namespaces, Paths, PidNamespace,
    Request, VolumeMount, config, env, pod_resources, seccomp, user,
};
use outrigger_pod::manifest::{Manifest, SourceFile, read};
use outrigger_pod::resources::NodeAmounts;
use outrigger_pod::{Pod, Slot};
use serde_json::{Map, Value, json};

fn image() -> ImageConfig {
    ImageConfig {
        entrypoint: vec!["/entry".to_owned()],
        cmd: vec!["serve".to_owned()],
        env: vec![
            "PATH=/image/bin".to_owned(),
            "FROM_IMAGE=1".to_owned(),
            "BOTH=image".to_owned(),
        ],
        user: "app".to_owned(),
        workdir: "/srv".to_owned(),
        ..ImageConfig::default()
    }
}

fn host() -> HostFacts {
    HostFacts {
        memory_bytes: 4 << 30,
        cpus: 2,
        cgroup: CgroupMode::Hybrid,
        huge_page_sizes_bytes: vec![2 << 20, 1 << 30],
        capabilities: [
            "CAP_CHOWN",
            "CAP_SYS_ADMIN",
            "CAP_NET_ADMIN",
            "CAP_SYS_RESOURCE",
        ]
        .map(str::to_owned)
        .to_vec(),
        devices: vec![HostDevice {
            path: "/dev/kvm".into(),
            kind: DeviceKind::Character,
            major: 10,
            minor: 232,
            mode: 0o660,
            uid: 0,
            gid: 104,
        }],
        thermal_throttle: vec!["/sys/devices/system/cpu/cpu0/thermal_throttle".into()],
    }
}

fn paths() -> Paths {
    let pod = Path::new("/state/pod");
    Paths {
        hosts: Some(pod.join("hosts")),
        resolv_conf: Some(pod.join("resolv.conf")),
        hostname: Some(pod.join("hostname")),
        termination: Some(pod.join("termination")),
        shm: Some(pod.join("shm")),
    }
}

fn volumes(pod: &Pod) -> BTreeMap<String, VolumeMount> {
    let spec = pod.manifest.spec.as_ref().unwrap();
    let volume = |volume: &k8s_openapi::api::core::v1::Volume| {
        let path = Path::new("/volumes").join(&volume.name);
        let read_only = volume.config_map.is_some() || volume.secret.is_some();
        (
            volume.name.clone(),
            VolumeMount {
                path,
                options: Vec::new(),
                read_only,
            },
        )
    };
    spec.volumes.iter().flatten().map(volume).collect()
}

/// Sets, which have no order, in alphabetical order.
fn sorted(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::Array(list)
                        if ["bounding", "effective", "permitted"].contains(&key.as_str()) =>
                    {
                        list.sort_by_key(ToString::to_string);
                    }
                    other => sorted(other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(sorted),
        _ => {}
    }
}

/// The long list of system calls is counted; what is in it the unit tests know.
fn counted(mut spec: Value) -> Value {
    if let Some(profile) = spec.pointer_mut("/linux/seccomp") {
        let rules = profile["syscalls"].as_array().unwrap();
        let calls = rules[0]["names"].as_array().unwrap().len();
        *profile = json!(format!(
            "{calls} calls, {} with conditions",
            rules.len() - 1
        ));
    }
    spec
}

fn container(manifest: &Manifest, pod: &Pod, slot: Slot) -> Value {
    let accounts = user::Accounts {
        passwd: "app:x:1000:1000::/home/app:/bin/sh\n",
        group: "extra:x:44:app\n",
    };
    let running = env::Running {
        pod_ips: vec!["10.0.0.2".to_owned()],
        host_ips: vec!["192.0.2.1".to_owned()],
        node_name: "node-1".to_owned(),
        allocatable: NodeAmounts {
            cpu_milli: 2000,
            memory_bytes: 4 << 30,
            storage_bytes: 1 << 30,
        },
    };
    let image = image();
    let user = match user::resolve(pod, slot, &image.user, accounts) {
        Ok(user) => user,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let env = match env::assemble(pod, slot, &manifest.objects, &running) {
        Ok(env) => env.vars,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let shared = pod.manifest.spec.as_ref().unwrap().share_process_namespace == Some(true);
    let request = Request {
        pod,
        slot,
        attempt: 0,
        image: &image,
        user: &user,
        env: &env,
        volumes: &volumes(pod),
        paths: &paths(),
        hostname: "web",
        host: &host(),
        namespaces: &Namespaces {
            pid: if shared {
                PidNamespace::Inherited
            } else {
                PidNamespace::Private
            },
        },
        confinement: match seccomp::asked(pod, slot) {
            seccomp::Asked::Unconfined => seccomp::Confinement::Unconfined,
            _ => seccomp::Confinement::RuntimeDefault,
        },
        cgroup: "/outrigger/pod1/c",
    };
    match config(&request) {
        Ok(spec) => counted(serde_json::to_value(spec).unwrap()),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn configs(text: &str) -> String {
    let file = SourceFile {
        name: "golden.yaml".to_owned(),
        text: text.to_owned(),
    };
    let manifest =
        read(&[file], &mut || "u1".to_owned()).unwrap_or_else(|rejected| panic!("{rejected:?}"));
    let pod = &manifest.pods[0];
    let mut all = Map::new();
    all.insert(
        "pod".to_owned(),
        serde_json::to_value(pod_resources(pod, &host(), Some(1024)).unwrap()).unwrap(),
    );
    for (slot, one) in pod.slots() {
        all.insert(one.name.0.clone(), container(&manifest, pod, slot));
    }
    let mut value = Value::Object(all);
    sorted(&mut value);
    format!("{value:#}\n")
}

#[test]
fn every_manifest_gives_the_configs_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let actual = configs(&fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("json");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&golden, &actual).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(
            actual,
            expected,
            "{}: run again with UPDATE_EXPECT=1 and read the difference",
            path.display()
        );
    }
    assert!(seen >= 5, "only {seen} manifests found");
}
