//! What do a container's cycle and a further command cost? Needs root. Prints figures and checks
//! that nothing is left; how fast is fast enough is for `scripts/bench` to say.

use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use outrigger_runtime::ExecProcess;
use outrigger_runtime::cgroup::{Layout, Level};
use outrigger_sys::pidfd::{self, Exit};

use crate::bed::{self, Bed, args};
use crate::safe::isolated;

const ROUNDS: u32 = 200;

/// How much slower this machine is, by `OUTRIGGER_TIME_SCALE`: what is repeated is repeated less often.
pub(crate) fn scale() -> u32 {
    let scale = std::env::var("OUTRIGGER_TIME_SCALE");
    scale.map_or(1, |scale| scale.parse().unwrap())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    println!(
        "{what}: min {:?}, median {:?}, p90 {:?}",
        times[0],
        times[times.len() / 2],
        times[times.len() * 9 / 10]
    );
}

/// As long as the node's default profile.
fn profile() -> serde_json::Value {
    let calls = include_str!("../../../bundle/src/seccomp/calls.txt");
    let names = calls.lines().filter(|line| !line.starts_with(['#', '[']));
    let names: Vec<&str> = names.flat_map(str::split_whitespace).collect();
    serde_json::json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}, {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 1, "valueTwo": 1}]}],
    })
}

/// Runs a command in a container to its end; gives how long that took.
fn timed_exec(container: &outrigger_runtime::Container, null: &std::os::fd::OwnedFd) -> Duration {
    use std::os::fd::AsFd;
    let begin = Instant::now();
    let execed = container
        .exec(&ExecProcess {
            args: &args(&["/bin/true"]),
            stdin: None,
            stdout: null.as_fd(),
            stderr: null.as_fd(),
            terminal: false,
            cgroups: &[],
            own: None,
        })
        .unwrap();
    assert_eq!(pidfd::wait(&execed.pidfd).unwrap(), Exit::Code(0));
    begin.elapsed()
}

#[test]
fn a_seccomp_profile_has_its_price() {
    isolated("timing::a_seccomp_profile_has_its_price", |folder| {
        let rounds = ROUNDS / scale();
        let null = crate::null();
        let mut beds = [Bed::new(folder), Bed::new(folder)];
        beds[1].spec["linux"]["seccomp"] = profile();
        beds[1].filters = outrigger_runtime::Filters::new(Some(folder.join("seccomp")));
        let mut cycles = [Vec::new(), Vec::new()];
        let begin = Instant::now();
        let warm = beds[1].launch(&null).unwrap();
        let first = begin.elapsed();
        assert_eq!(pidfd::wait(&warm.pidfd).unwrap(), Exit::Code(0));
        for _ in 0..rounds {
            for (bed, times) in beds.iter_mut().zip(&mut cycles) {
                let begin = Instant::now();
                let container = bed.launch(&null).unwrap();
                assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Code(0));
                times.push(begin.elapsed());
            }
        }
        let containers = beds.map(|bed| bed.command(&["sleep", "1000"]).launch(&null).unwrap());
        let mut execs = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (container, times) in containers.iter().zip(&mut execs) {
                times.push(timed_exec(container, &null));
            }
        }
        println!("the first start with the profile, which compiles it: {first:?}");
        let [without, with] = cycles;
        report("container cycle without seccomp", without);
        report("container cycle with seccomp", with);
        let [without, with] = execs;
        report("exec without seccomp", without);
        report("exec with seccomp", with);
        for container in &containers {
            pidfd::send_signal(&container.pidfd, 9).unwrap();
            pidfd::wait(&container.pidfd).unwrap();
        }
    });
}

#[test]
fn a_cycle_and_an_exec_have_their_price() {
    isolated("timing::a_cycle_and_an_exec_have_their_price", |folder| {
        use std::os::fd::AsFd;
        let rounds = ROUNDS / scale();
        let layout = Layout::detect().unwrap();
        let resources = LinuxResources::default();
        let top = format!("/outrigger-dev-timing-{}", std::process::id());
        let group = layout.create(&top, &resources, Level::Group).unwrap();
        let mut bed = Bed::new(folder);
        let null = crate::null();
        let (mut bare, mut cycles, mut execs, mut floors) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begin = Instant::now();
            let container = bed.launch(&null).unwrap();
            assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Code(0));
            bare.push(begin.elapsed());
        }
        for round in 0..rounds {
            let begin = Instant::now();
            let cgroup = layout
                .create(&format!("{top}/{round}"), &resources, Level::Container)
                .unwrap();
            bed.join = cgroup.join().unwrap();
            let container = bed.launch(&null).unwrap();
            assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Code(0));
            bed.join = bed::no_cgroup();
            cgroup.remove().unwrap();
            cycles.push(begin.elapsed());
        }
        let cgroup = layout
            .create(&format!("{top}/exec"), &resources, Level::Container)
            .unwrap();
        bed.join = cgroup.join().unwrap();
        bed.spec["process"]["args"] = serde_json::json!(["sleep", "1000"]);
        let container = bed.launch(&null).unwrap();
        for _ in 0..rounds {
            let begin = Instant::now();
            assert!(
                std::process::Command::new("/bin/true")
                    .status()
                    .unwrap()
                    .success()
            );
            floors.push(begin.elapsed());
            let begin = Instant::now();
            let join = cgroup.join().unwrap();
            let execed = container
                .exec(&ExecProcess {
                    args: &args(&["/bin/true"]),
                    stdin: None,
                    stdout: null.as_fd(),
                    stderr: null.as_fd(),
                    terminal: false,
                    cgroups: &[&join],
                    own: None,
                })
                .unwrap();
            assert_eq!(pidfd::wait(&execed.pidfd).unwrap(), Exit::Code(0));
            execs.push(begin.elapsed());
        }
        report("posix_spawn of /bin/true", floors);
        report("container cycle without cgroups", bare);
        report("container cycle with cgroups", cycles);
        report("exec", execs);
        pidfd::send_signal(&container.pidfd, 9).unwrap();
        pidfd::wait(&container.pidfd).unwrap();
        cgroup.remove().unwrap();
        group.remove().unwrap();
    });
}
