//! Probes, hooks and stop signals.

use super::*;

const PLAIN: &str = "Forbidden: may not be set for init containers without restartPolicy=Always";

#[test]
fn a_container_that_runs_to_its_end_has_neither_probes_nor_hooks() {
    let probe = json!({"exec": {"command": ["true"]}});
    for (field, value) in [
        ("lifecycle", json!({"preStop": {"sleep": {"seconds": 1}}})),
        ("livenessProbe", probe.clone()),
        ("readinessProbe", probe.clone()),
        ("startupProbe", probe),
    ] {
        let words = format!("spec.initContainers[0].{field}: {PLAIN}");
        table(&[
            (
                &format!("/spec/initContainers/0/{field}"),
                value.clone(),
                &[&words],
            ),
            (&format!("/spec/initContainers/1/{field}"), value, &[]),
        ]);
    }
}

#[test]
fn probes() {
    let at = "/spec/containers/0/livenessProbe";
    table(&[
        (
            at,
            json!({"grpc": {"port": 1}, "terminationGracePeriodSeconds": 1}),
            &[],
        ),
        (
            "/spec/containers/0/readinessProbe",
            json!({"tcpSocket": {"port": "http"}, "successThreshold": 3}),
            &[],
        ),
        (
            at,
            json!({}),
            &["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
        ),
        (
            at,
            json!({"exec": {"command": ["true"]}, "grpc": {"port": 1}}),
            &[
                "spec.containers[0].livenessProbe.grpc: Forbidden: may not specify more than 1 handler type",
            ],
        ),
        (
            at,
            json!({"exec": {}}),
            &["spec.containers[0].livenessProbe.exec.command: Required value"],
        ),
        (
            at,
            json!({"httpGet": {"port": 0, "path": "", "scheme": "http", "httpHeaders": [{"name": "X Y", "value": ""}]}, "successThreshold": 2}),
            &[
                "spec.containers[0].livenessProbe.httpGet.path: Required value",
                "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: \"http\": supported values: \"HTTP\", \"HTTPS\"",
                "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].name: Invalid value: \"X Y\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
        ),
        (
            at,
            json!({"grpc": {"port": 1}, "periodSeconds": -1, "terminationGracePeriodSeconds": 0}),
            &[
                "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
                "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
            ],
        ),
        (
            "/spec/containers/0/readinessProbe",
            json!({"grpc": {"port": 1}, "terminationGracePeriodSeconds": 5}),
            &[
                "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
            ],
        ),
    ]);
}

#[test]
fn hooks_and_stop_signals() {
    let sleep = |seconds: i64| json!({"preStop": {"sleep": {"seconds": seconds}}});
    let at = "/spec/containers/0/lifecycle";
    let words = |seconds: i64| {
        format!(
            "spec.containers[0].lifecycle.preStop.sleep.seconds: Invalid value: {seconds}: must be non-negative and less than terminationGracePeriodSeconds (30)"
        )
    };
    table(&[
        (at, sleep(0), &[]),
        (at, sleep(30), &[]),
        (at, sleep(31), &[&words(31)]),
        (at, sleep(-1), &[&words(-1)]),
        (
            at,
            json!({"postStart": {}}),
            &[
                "spec.containers[0].lifecycle.postStart: Required value: must specify a handler type",
            ],
        ),
        (
            at,
            json!({"stopSignal": "SIGUSR1"}),
            &[
                "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`",
            ],
        ),
    ]);
    let stopped_by = |signal: &str| {
        let mut value = base();
        value["spec"]["os"] = json!({"name": "linux"});
        value["spec"]["containers"][0]["lifecycle"] = json!({"stopSignal": signal});
        pod(&serde_json::from_value(value).unwrap()).len()
    };
    for signal in [
        "SIGUSR1",
        "SIGRTMIN",
        "SIGRTMIN+15",
        "SIGRTMAX-14",
        "SIGPOLL",
        "SIGCLD",
    ] {
        assert_eq!(stopped_by(signal), 0, "{signal}");
    }
    for signal in ["USR1", "10", "SIGRTMIN+16", "SIGRTMAX-15", "", "SIGRTMAX-0"] {
        assert_eq!(stopped_by(signal), 1, "{signal}");
    }
}
