//! What do the calls mean? A field that is new is written out here with what an earlier revision's frame says of it, and
//! what is wholly new stands last, because the numbers of calls follow the order.

use outrigger_wire::{
    Call, Connect, Exec, Family, Interact, Lease, Lent, LogFile, PodCgroup, Prepare, Request,
    RootFs, SharedNamespaces, Stamp, Start, Stdio, Tmpfs,
};
use serde_json::json;

const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

pub(crate) fn at(ms: u64) -> Stamp {
    Stamp {
        boot_ns: 86_400_000_000_000 + ms * 1_000_000,
        wall_ns: 1_795_000_000_000_000_000 + ms * 1_000_000,
    }
}

pub(crate) fn container() -> String {
    ID.to_owned()
}

/// A Pod with everything that one can have.
fn prepare() -> Prepare {
    Prepare {
        hostname: Some("web-0".to_owned()),
        namespaces: SharedNamespaces {
            net: true,
            ipc: true,
            uts: true,
            pid: false,
        },
        cgroup: PodCgroup {
            path: "/outrigger/burstable/pod0f5a".to_owned(),
            resources: json!({"cpu": {"shares": 512, "quota": 50_000, "period": 100_000}, "memory": {"limit": 134_217_728}}),
        },
        tmpfs: vec![
            Tmpfs {
                path: "/run/outrigger/pods/0f5a/shm".into(),
                size_bytes: Some(67_108_864),
                mode: 0o1777,
                gid: Some(2000),
            },
            Tmpfs {
                path: "/run/outrigger/pods/0f5a/volumes/cache".into(),
                size_bytes: None,
                mode: 0o777,
                gid: None,
            },
        ],
        sysctls: vec![("net.core.somaxconn".to_owned(), "512".to_owned())],
        lease: Lease::Forever,
        lent: None,
        filters: None,
    }
}

/// One that is the host's in everything.
fn prepare_on_host() -> Prepare {
    Prepare {
        hostname: None,
        namespaces: SharedNamespaces {
            net: false,
            ipc: false,
            uts: false,
            pid: true,
        },
        cgroup: PodCgroup {
            path: "/outrigger/besteffort/pod1".to_owned(),
            resources: json!({}),
        },
        tmpfs: Vec::new(),
        sysctls: Vec::new(),
        lease: Lease::Connection,
        lent: None,
        filters: None,
    }
}

fn start() -> Start {
    Start {
        container: container(),
        bundle: "/run/outrigger/pods/0f5a/containers/web-0".into(),
        rootfs: RootFs {
            lower: vec![
                "/var/lib/outrigger/layers/b".into(),
                "/var/lib/outrigger/layers/a".into(),
            ],
            writable: "/var/lib/outrigger/pods/0f5a/web-0".into(),
        },
        log: LogFile {
            path: "/var/log/pods/default_web_0f5a/web/0.log".into(),
            max_bytes: 10_485_760,
            max_files: 5,
        },
        stdio: Stdio::default(),
        join_pid_of: None,
        message: None,
    }
}

/// An ephemeral container with a terminal.
fn start_joined() -> Start {
    Start {
        stdio: Stdio {
            stdin: true,
            stdin_once: true,
            tty: true,
        },
        join_pid_of: Some("ff".repeat(32)),
        ..start()
    }
}

fn exec() -> Exec {
    Exec {
        container: container(),
        args: vec!["sh".to_owned(), "-c".to_owned(), "echo \"ü\"".to_owned()],
        timeout_ms: Some(1_000),
        output_limit: 10_240,
        token: None,
    }
}

fn hook() -> Exec {
    Exec {
        timeout_ms: None,
        token: Some("preStop".to_owned()),
        ..exec()
    }
}

fn interact() -> Interact {
    Interact {
        container: container(),
        args: vec!["/bin/sh".to_owned()],
        stdin: true,
        stdout: true,
        stderr: false,
        tty: true,
    }
}

/// What a Pod's life is made of.
fn requests() -> Vec<(&'static str, Request)> {
    let (signal, container) = (15, container());
    vec![
        (
            "hello",
            Request::Hello {
                version: 2,
                resume_after: 0,
            },
        ),
        (
            "hello-again",
            Request::Hello {
                version: 2,
                resume_after: 86_400_000_000_007,
            },
        ),
        ("prepare", Request::Prepare(Box::new(prepare()))),
        (
            "prepare-on-host",
            Request::Prepare(Box::new(prepare_on_host())),
        ),
        ("start", Request::Start(Box::new(start()))),
        ("start-joined", Request::Start(Box::new(start_joined()))),
        (
            "signal",
            Request::Signal {
                container: container.clone(),
                signal,
            },
        ),
        ("kill", Request::Kill { container }),
        ("exec", Request::Exec(exec())),
        ("exec-hook", Request::Exec(hook())),
        ("interact", Request::Interact(interact())),
    ]
}

/// What is asked of it while it lives, and at its end.
fn more_requests() -> Vec<(&'static str, Request)> {
    let container = container();
    let resources = json!({"cpu": {"shares": 1_024}});
    vec![
        (
            "attach",
            Request::Attach {
                container: container.clone(),
                stdin: true,
            },
        ),
        (
            "update",
            Request::Update {
                container: Some(container.clone()),
                resources: resources.clone(),
            },
        ),
        (
            "update-pod",
            Request::Update {
                container: None,
                resources,
            },
        ),
        ("stats", Request::Stats),
        ("cancel-exec", Request::CancelExec { call: 9 }),
        ("connect", Request::Connect(Connect { family: Family::V4 })),
        (
            "connect-v6",
            Request::Connect(Connect { family: Family::V6 }),
        ),
        (
            "remove",
            Request::Remove {
                container,
                recorded: 86_400_000_000_007,
            },
        ),
        ("release", Request::Release),
    ]
}

/// What b1e0b9e did not know.
fn newer_requests() -> Vec<(&'static str, Request)> {
    let lent = Lent {
        files: "/run/outrigger/pods/0f5a/files".into(),
        messages: "/run/outrigger/pods/0f5a/messages".into(),
        size_bytes: 1 << 20,
    };
    let prepare = Prepare {
        lent: Some(lent),
        filters: Some("/run/outrigger/filters".into()),
        ..prepare()
    };
    let start = Start {
        message: Some("/run/outrigger/pods/0f5a/messages/web.0".into()),
        ..start()
    };
    vec![
        ("prepare-lent", Request::Prepare(Box::new(prepare))),
        ("start-message", Request::Start(Box::new(start))),
    ]
}

pub(crate) fn calls() -> Vec<(&'static str, Call)> {
    let requests = requests().into_iter().chain(more_requests());
    let requests = requests.chain(newer_requests());
    requests
        .zip(1..)
        .map(|((name, request), id)| (name, Call { id, request }))
        .collect()
}
