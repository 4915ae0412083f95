use super::*;

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

const V2: &str = "\
22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
99 98 0:26 / /var/lib/x/rootfs/sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate
";

const V1: &str = "\
36 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:14 - cgroup cgroup rw,cpu,cpuacct
37 31 0:31 / /sys/fs/cgroup/with\\040space rw,nosuid shared:15 - cgroup cgroup rw,pids
";

fn set(text: &str) -> Controllers {
    Controllers::parse(text, ',')
}

#[test]
fn a_hybrid_machine_has_v1_trees_and_a_unified_one() {
    let mounted = parse(HYBRID);
    assert_eq!(mounted.unified.as_deref(), Some("/sys/fs/cgroup/unified"));
    let points: Vec<&str> = mounted.v1.iter().map(|(point, _)| point.as_str()).collect();
    assert_eq!(
        points,
        [
            "/sys/fs/cgroup/cpu",
            "/sys/fs/cgroup/cpuacct",
            "/sys/fs/cgroup/memory"
        ]
    );
}

#[test]
fn a_bind_of_the_v2_tree_in_a_container_is_not_taken_for_it() {
    assert_eq!(
        parse(V2),
        Mounted {
            v1: vec![],
            unified: Some("/sys/fs/cgroup".to_owned())
        }
    );
}

#[test]
fn controllers_mounted_together_are_one_tree() {
    let mounted = parse(V1);
    assert_eq!(mounted.unified, None);
    assert_eq!(
        mounted.v1,
        [
            ("/sys/fs/cgroup/cpu,cpuacct".to_owned(), set("cpu,cpuacct")),
            ("/sys/fs/cgroup/with space".to_owned(), set("pids")),
        ]
    );
}

#[test]
fn text_that_is_no_mount_table_mounts_nothing() {
    assert_eq!(parse("rubbish\n - \n1 2 3 - cgroup2"), Mounted::default());
}
