use crate::manifest::{SourceFile, read};
use crate::{Action, HookAction, Kind, Operator, Pod, RestartPolicy, RuleAction, Scheme, Signal};

fn pod(spec: &str) -> Pod {
    let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n{spec}");
    let file = SourceFile {
        name: "pod.yaml".to_owned(),
        text,
    };
    let manifest = read(&[file], &mut || "given-1".to_owned())
        .unwrap_or_else(|rejected| panic!("{rejected:#?}"));
    manifest.pods.into_iter().next().expect("one Pod")
}

#[test]
fn containers_stand_in_the_order_of_their_start() {
    let pod = pod("
  restartPolicy: OnFailure
  activeDeadlineSeconds: 60
  initContainers:
  - {name: first, image: 'host:/', restartPolicy: Never}
  - {name: beside, image: 'host:/', restartPolicy: Always}
  containers:
  - {name: main, image: 'host:/', restartPolicy: Always}
  - {name: more, image: 'host:/'}
");
    let kinds: Vec<_> = pod
        .containers
        .iter()
        .map(|one| (one.name.0.as_str(), one.kind, one.restart_policy))
        .collect();
    assert_eq!(
        kinds,
        [
            ("first", Kind::Init, Some(RestartPolicy::Never)),
            ("beside", Kind::Sidecar, None),
            ("main", Kind::Main, Some(RestartPolicy::Always)),
            ("more", Kind::Main, None),
        ]
    );
    assert_eq!(
        (pod.namespace.as_str(), pod.uid.0.as_str(), pod.grace_s),
        ("default", "given-1", 30)
    );
    assert_eq!(
        (pod.restart_policy, pod.active_deadline_s),
        (RestartPolicy::OnFailure, Some(60))
    );
}

#[test]
fn a_negative_grace_period_is_one_second_and_none_is_none() {
    let main = "  containers: [{name: a, image: 'host:/'}]\n";
    assert_eq!(
        pod(&format!("  terminationGracePeriodSeconds: -5\n{main}")).grace_s,
        1
    );
    assert_eq!(
        pod(&format!("  terminationGracePeriodSeconds: 0\n{main}")).grace_s,
        0
    );
}

#[test]
fn ports_are_looked_up_by_name_and_probes_are_complete() {
    let pod = pod("
  containers:
  - name: a
    image: 'host:/'
    ports: [{name: web, containerPort: 8080}]
    startupProbe: {exec: {command: [ok]}, failureThreshold: 30, terminationGracePeriodSeconds: 5}
    livenessProbe: {tcpSocket: {port: web}}
    readinessProbe:
      periodSeconds: 2
      httpGet: {port: web, scheme: HTTPS, host: example, httpHeaders: [{name: A, value: b}]}
    lifecycle:
      postStart: {tcpSocket: {port: 1}}
      preStop: {sleep: {seconds: 3}}
");
    let probes = &pod.containers[0].probes;
    let startup = probes.startup.as_ref().expect("a startup probe");
    assert_eq!(
        (
            startup.period_s,
            startup.timeout_s,
            startup.failure_threshold,
            startup.grace_s
        ),
        (10, 1, 30, Some(5))
    );
    let liveness = probes.liveness.as_ref().expect("a liveness probe");
    assert_eq!(
        liveness.action,
        Action::TcpSocket {
            host: None,
            port: 8080
        }
    );
    let Some(Action::HttpGet(get)) = probes.readiness.as_ref().map(|probe| &probe.action) else {
        panic!("{probes:?}")
    };
    assert_eq!(
        (get.port, get.path.as_str(), get.scheme, get.host.as_deref()),
        (8080, "/", Scheme::Https, Some("example"))
    );
    assert_eq!(get.headers, [("A".to_owned(), "b".to_owned())]);
    let lifecycle = &pod.containers[0].lifecycle;
    assert_eq!(lifecycle.post_start, Some(HookAction::TcpSocket));
    assert_eq!(lifecycle.pre_stop, Some(HookAction::Sleep { seconds: 3 }));
}

#[test]
fn exit_rules_and_stop_signals_are_lowered() {
    let pod = pod("
  os: {name: linux}
  containers:
  - name: a
    image: 'host:/'
    lifecycle: {stopSignal: SIGUSR1}
    restartPolicy: Never
    restartPolicyRules:
    - {action: Restart, exitCodes: {operator: In, values: [42]}}
    - {action: RestartAllContainers, exitCodes: {operator: NotIn, values: [0, 1]}}
");
    let one = &pod.containers[0];
    assert_eq!(one.stop_signal, Some(Signal(10)));
    assert_eq!(
        (one.restart_rules[0].action, one.restart_rules[0].operator),
        (RuleAction::Restart, Operator::In)
    );
    assert!(one.restart_rules[0].matches(42) && !one.restart_rules[0].matches(1));
    assert_eq!(
        one.restart_rules[1].action,
        RuleAction::RestartAllContainers
    );
    assert!(one.restart_rules[1].matches(2) && !one.restart_rules[1].matches(1));
}
