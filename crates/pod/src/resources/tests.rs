use serde_json::{Value, json};

use super::*;

fn spec(value: Value) -> core::PodSpec {
    serde_json::from_value(value).unwrap()
}

fn rr(requests: Value, limits: Value) -> Value {
    json!({"name": "c", "resources": {"requests": requests, "limits": limits}})
}

#[test]
fn the_class_of_service_follows_requests_and_limits() {
    let full = || {
        rr(
            json!({"cpu": "1", "memory": "1Gi"}),
            json!({"cpu": "1000m", "memory": "1024Mi"}),
        )
    };
    let nothing = || json!({"name": "c"});
    for (pod, expected) in [
        (json!({"containers": [nothing()]}), Qos::BestEffort),
        (
            json!({"containers": [rr(json!({"cpu": "0"}), json!({}))]}),
            Qos::BestEffort,
        ),
        (
            json!({"containers": [rr(json!({"ephemeral-storage": "1Gi"}), json!({}))]}),
            Qos::BestEffort,
        ),
        (json!({"containers": [full()]}), Qos::Guaranteed),
        (json!({"containers": [full(), nothing()]}), Qos::Burstable),
        (
            json!({"containers": [full()], "initContainers": [nothing()]}),
            Qos::Burstable,
        ),
        (
            json!({"containers": [full()], "initContainers": [full()]}),
            Qos::Guaranteed,
        ),
        (
            json!({"containers": [rr(json!({"cpu": "1"}), json!({"cpu": "1"}))]}),
            Qos::Burstable,
        ),
        (
            json!({"containers": [nothing()], "resources": {"requests": {"cpu": "1", "memory": "1"}, "limits": {"cpu": "1", "memory": "1"}}}),
            Qos::Guaranteed,
        ),
        (
            json!({"containers": [full()], "resources": {"limits": {"cpu": "1"}}}),
            Qos::Burstable,
        ),
        (
            json!({"containers": [nothing()], "resources": {}}),
            Qos::BestEffort,
        ),
    ] {
        assert_eq!(qos(&spec(pod.clone())), expected, "{pod}");
    }
}

#[test]
fn an_init_container_counts_beside_the_sidecars_before_it() {
    let init = |cpu: &str| json!({"name": "i", "resources": {"requests": {"cpu": cpu}}});
    let side = |cpu: &str| json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
    let main = |cpu: &str| json!({"name": "m", "resources": {"requests": {"cpu": cpu}}});
    for (inits, mains, expected) in [
        (json!([]), json!([main("1"), main("2")]), "3"),
        (json!([init("5")]), json!([main("1")]), "5"),
        (json!([side("2"), init("5")]), json!([main("1")]), "7"),
        (json!([init("5"), side("2")]), json!([main("1")]), "5"),
        (
            json!([init("5"), side("2"), init("4"), side("3")]),
            json!([main("1")]),
            "6",
        ),
        (json!([side("2"), init("1")]), json!([main("4")]), "6"),
    ] {
        let pod = spec(json!({"initContainers": inits, "containers": mains}));
        assert_eq!(
            effective(&pod).requests["cpu"].to_string(),
            expected,
            "{inits}"
        );
    }
}

#[test]
fn overhead_is_added_and_the_pods_own_amounts_replace_the_sum() {
    let pod = spec(json!({
        "containers": [rr(json!({"cpu": "1", "memory": "1Gi"}), json!({"cpu": "2"}))],
        "resources": {"requests": {"cpu": "4"}, "limits": {"memory": "8Gi"}},
        "overhead": {"cpu": "500m", "memory": "1Gi"},
    }));
    let whole = effective(&pod);
    let text = |amounts: &Amounts| -> Vec<String> {
        amounts.iter().map(|(k, v)| format!("{k}={v}")).collect()
    };
    assert_eq!(text(&whole.requests), ["cpu=4500m", "memory=2Gi"]);
    assert_eq!(text(&whole.limits), ["cpu=2500m", "memory=9Gi"]);
}

#[test]
fn a_containers_cgroup_gets_shares_quota_and_memory() {
    let of = |container: Value, pod_level: Value| {
        let pod = spec(json!({"containers": [container], "resources": pod_level}));
        let limits = container_limits(&pod, &pod.containers[0]);
        (
            limits.cpu_shares,
            limits.cpu_quota_us,
            limits.cpu_period_us,
            limits.memory_bytes,
        )
    };
    assert_eq!(
        of(json!({"name": "c"}), json!(null)),
        (Some(2), None, None, None)
    );
    assert_eq!(
        of(rr(json!({"cpu": "250m"}), json!({})), json!(null)),
        (Some(256), None, None, None)
    );
    assert_eq!(
        of(
            json!({"name": "c", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}),
            json!(null)
        ),
        (Some(1536), Some(150_000), Some(100_000), Some(67_108_864))
    );
    assert_eq!(
        of(rr(json!({"cpu": "1m"}), json!({"cpu": "1m"})), json!(null)),
        (Some(2), Some(1000), Some(100_000), None)
    );
    assert_eq!(
        of(rr(json!({"cpu": "9999"}), json!({})), json!(null)).0,
        Some(262_144)
    );
    assert_eq!(
        of(
            json!({"name": "c"}),
            json!({"limits": {"cpu": "2", "memory": "1Gi"}})
        ),
        (Some(2048), Some(200_000), Some(100_000), Some(1 << 30))
    );
}

#[test]
fn a_pods_cgroup_is_limited_only_where_every_container_is() {
    let both = || {
        rr(
            json!({"cpu": "1", "memory": "1Mi"}),
            json!({"cpu": "2", "memory": "2Mi"}),
        )
    };
    let cpu_only = || rr(json!({"cpu": "1"}), json!({"cpu": "2"}));
    let of = |value: Value| {
        let limits = pod_limits(&spec(value), None);
        (limits.cpu_shares, limits.cpu_quota_us, limits.memory_bytes)
    };
    assert_eq!(
        of(json!({"containers": [{"name": "c"}]})),
        (Some(2), None, None)
    );
    assert_eq!(
        of(json!({"containers": [both()]})),
        (Some(1024), Some(200_000), Some(2 << 20))
    );
    assert_eq!(
        of(json!({"containers": [both(), cpu_only()]})),
        (Some(2048), Some(400_000), None)
    );
    assert_eq!(
        of(json!({"containers": [both()], "initContainers": [{"name": "i"}]})),
        (Some(1024), None, None)
    );
    assert_eq!(
        of(
            json!({"containers": [{"name": "c"}, both()], "resources": {"limits": {"memory": "9Mi"}}})
        ),
        (Some(1024), None, Some(9 << 20))
    );
    let guaranteed = json!({"containers": [rr(json!({"cpu": "1", "memory": "1Mi"}), json!({"cpu": "1", "memory": "1Mi"}))]});
    assert_eq!(of(guaranteed), (Some(1024), Some(100_000), Some(1 << 20)));
    let bare = spec(json!({"containers": [{"name": "c"}]}));
    assert_eq!(pod_limits(&bare, Some(100)).pids, Some(100));
    assert_eq!(pod_limits(&bare, Some(-1)).pids, None);
}

#[test]
fn huge_pages_are_keyed_by_their_size() {
    let pod = spec(json!({"containers": [
        rr(json!({"cpu": "1", "hugepages-2Mi": "4Mi"}), json!({"hugepages-2Mi": "4Mi"})),
        rr(json!({"cpu": "1", "hugepages-1Gi": "1Gi", "hugepages-2Mi": "2Mi"}), json!({"hugepages-1Gi": "1Gi", "hugepages-2Mi": "2Mi"})),
    ]}));
    assert_eq!(
        Vec::from_iter(container_limits(&pod, &pod.containers[0]).hugepages),
        [(2 << 20, 4 << 20)]
    );
    assert_eq!(
        Vec::from_iter(pod_limits(&pod, None).hugepages),
        [(2 << 20, 6 << 20), (1 << 30, 1 << 30)]
    );
    assert_eq!(
        [64 << 10, 2 << 20, 1 << 30].map(hugepage_name),
        ["64KB", "2MB", "1GB"]
    );
}

#[test]
fn out_of_memory_scores_follow_class_and_request() {
    const GIB: i64 = 1 << 30;
    let adj = |value: Value, slot: usize| {
        let pod = spec(value);
        let all: Vec<_> = containers(&pod).map(|(c, _)| c).collect();
        oom_score_adj(&pod, all[slot], 4 * GIB)
    };
    let named = |name: &str, memory: &str| json!({"name": name, "resources": {"requests": {"memory": memory}}});
    let side = |memory: &str| json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": memory}}});
    let guaranteed = || {
        rr(
            json!({"cpu": "1", "memory": "1Gi"}),
            json!({"cpu": "1", "memory": "1Gi"}),
        )
    };
    assert_eq!(adj(json!({"containers": [{"name": "c"}]}), 0), 1000);
    assert_eq!(adj(json!({"containers": [guaranteed()]}), 0), -997);
    assert_eq!(
        adj(
            json!({"containers": [{"name": "c"}], "priorityClassName": "system-node-critical"}),
            0
        ),
        -997
    );
    assert_eq!(adj(json!({"containers": [named("m", "1Gi")]}), 0), 750);
    assert_eq!(adj(json!({"containers": [named("m", "1Ki")]}), 0), 999);
    assert_eq!(adj(json!({"containers": [named("m", "4Gi")]}), 0), 3);
    assert_eq!(adj(json!({"containers": [named("m", "64Gi")]}), 0), 3);
    // The sidecar requests less than the smallest main, so it takes over that main's score.
    let pod = || json!({"initContainers": [side("1Mi")], "containers": [named("m", "2Gi"), named("n", "1Gi")]});
    assert_eq!(adj(pod(), 0), 750);
    assert_eq!(adj(pod(), 1), 500);
    let greedy = json!({"initContainers": [side("2Gi")], "containers": [named("m", "1Gi")]});
    assert_eq!(adj(greedy, 0), 500);
    let plain = json!({"initContainers": [named("i", "1Mi")], "containers": [named("m", "2Gi")]});
    assert_eq!(adj(plain, 0), 999);
    // 2Gi for the Pod, 1Gi in its containers: each of the two gets 512Mi on top.
    let shared = json!({"containers": [named("m", "1Gi"), {"name": "n"}], "resources": {"requests": {"memory": "2Gi"}}});
    assert_eq!(adj(shared.clone(), 0), 625);
    assert_eq!(adj(shared, 1), 875);
}

#[test]
fn a_resource_field_is_divided_and_rounded_up() {
    let node = NodeAmounts {
        cpu_milli: 2000,
        memory_bytes: 1 << 32,
        storage_bytes: 7,
    };
    let pod = spec(json!({
        "containers": [rr(json!({"cpu": "250m", "memory": "64Mi"}), json!({"cpu": "1500m"})), {"name": "bare"}],
    }));
    let field = |slot: usize, resource: &str, divisor: Option<&str>| {
        let selector =
            serde_json::from_value(json!({"resource": resource, "divisor": divisor})).unwrap();
        resource_field(&pod, &pod.containers[slot], &selector, node)
    };
    for (slot, resource, divisor, expected) in [
        (0, "requests.cpu", None, "1"),
        (0, "requests.cpu", Some("1m"), "250"),
        (0, "requests.cpu", Some("0"), "1"),
        (0, "limits.cpu", None, "2"),
        (0, "requests.memory", Some("1Mi"), "64"),
        (0, "requests.memory", Some("1M"), "68"),
        (0, "limits.memory", None, "4294967296"),
        (1, "requests.cpu", None, "0"),
        (1, "limits.cpu", Some("1m"), "2000"),
        (1, "limits.ephemeral-storage", None, "7"),
        (1, "limits.hugepages-2Mi", None, "0"),
    ] {
        assert_eq!(
            field(slot, resource, divisor),
            expected,
            "{slot} {resource} {divisor:?}"
        );
    }
    let limited =
        spec(json!({"containers": [{"name": "c"}], "resources": {"limits": {"memory": "1Gi"}}}));
    let selector =
        serde_json::from_value(json!({"resource": "limits.memory", "divisor": "1Mi"})).unwrap();
    assert_eq!(
        resource_field(&limited, &limited.containers[0], &selector, node),
        "1024"
    );
}
