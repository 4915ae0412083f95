use oci_spec::runtime::{LinuxResources, LinuxResourcesBuilder};

use super::*;

fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).unwrap()
}

fn written(controller: Controller, unified: bool, json: &str) -> Vec<(String, String)> {
    settings(controller, unified, &resources(json))
        .into_iter()
        .map(|setting| (setting.file.into_owned(), setting.value))
        .collect()
}

fn pair(file: &str, value: &str) -> (String, String) {
    (file.to_owned(), value.to_owned())
}

#[test]
fn weights_go_through_the_three_pairs_that_everyone_knows() {
    for (shares, expected) in [
        (0, 1),
        (2, 1),
        (512, 59),
        (1024, 100),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ] {
        assert_eq!(weight(shares), expected, "{shares}");
    }
}

#[test]
fn limited_memory_never_swaps_unless_asked() {
    let json = r#"{"memory":{"limit":1048576}}"#;
    assert_eq!(
        written(Controller::Memory, false, json),
        [
            pair("memory.limit_in_bytes", "1048576"),
            pair("memory.memsw.limit_in_bytes", "1048576")
        ]
    );
    assert_eq!(
        written(Controller::Memory, true, json),
        [
            pair("memory.oom.group", "1"),
            pair("memory.swap.max", "0"),
            pair("memory.max", "1048576")
        ]
    );
    let json = r#"{"memory":{"limit":1000,"swap":1500}}"#;
    assert!(written(Controller::Memory, true, json).contains(&pair("memory.swap.max", "500")));
    let json = r#"{"memory":{"limit":1000,"swap":-1}}"#;
    assert!(written(Controller::Memory, true, json).contains(&pair("memory.swap.max", "max")));
}

#[test]
fn cpu_is_written_in_the_words_of_each_generation() {
    let json = r#"{"cpu":{"shares":512,"quota":50000,"period":100000}}"#;
    assert_eq!(
        written(Controller::Cpu, false, json),
        [pair("cpu.shares", "512"), pair("cpu.cfs_quota_us", "50000")]
    );
    assert_eq!(
        written(Controller::Cpu, true, json),
        [pair("cpu.weight", "59"), pair("cpu.max", "50000 100000")]
    );
    let json = r#"{"cpu":{"quota":-1,"period":50000}}"#;
    assert_eq!(
        written(Controller::Cpu, false, json),
        [
            pair("cpu.cfs_period_us", "50000"),
            pair("cpu.cfs_quota_us", "-1")
        ]
    );
    assert_eq!(
        written(Controller::Cpu, true, json),
        [pair("cpu.max", "max 50000")]
    );
}

#[test]
fn a_limit_that_is_not_positive_is_no_limit_of_processes() {
    assert_eq!(
        written(Controller::Pids, true, r#"{"pids":{"limit":-1}}"#),
        [pair("pids.max", "max")]
    );
    assert_eq!(
        written(Controller::Pids, false, r#"{"pids":{"limit":9}}"#),
        [pair("pids.max", "9")]
    );
}

#[test]
fn what_is_not_carried_out_is_refused() {
    for json in [
        r#"{"cpu":{"cpus":"0"}}"#,
        r#"{"blockIO":{"weight":10}}"#,
        r#"{"memory":{"kernel":4096}}"#,
    ] {
        assert!(
            matches!(
                check(&resources(json)),
                Err(CgroupError::Unsupported { .. })
            ),
            "{json}"
        );
    }
    check(&LinuxResourcesBuilder::default().build().unwrap()).unwrap();
}

#[test]
fn controllers_are_needed_only_for_real_limits() {
    let json =
        r#"{"memory":{},"pids":{"limit":0},"hugepageLimits":[{"pageSize":"2MB","limit":0}]}"#;
    assert_eq!(needed(&resources(json)).count(), 0);
    let json = r#"{"memory":{"limit":1},"pids":{"limit":7}}"#;
    assert_eq!(
        needed(&resources(json)).collect::<Vec<_>>(),
        [Controller::Memory, Controller::Pids]
    );
}
