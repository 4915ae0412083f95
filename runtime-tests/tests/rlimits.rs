//! Are the limits of a container's processes (`ulimit`) its own, however the daemon was started?

use std::collections::BTreeMap;
use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, spoken, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};

fn main() -> ExitCode {
    run(tests![
        containers_have_the_same_limits_however_the_daemon_was_started,
    ])
}

/// What the kernel says of each resource: the limit that counts, and how far it may be raised.
type Limits = BTreeMap<String, (String, String)>;

/// Soft limits lower than usual, and none that the daemon itself would miss. In the words of `sh`.
const LOWER: &str = "ulimit -Sn 64; ulimit -Ss 1024; ulimit -St 9999; ulimit -Sf 4194304; ulimit -Sd 8388608; \
                     ulimit -Sv 1073741824; ulimit -Sm 8388608; ulimit -Sl 64; ulimit -Sp 4000";
/// Hard limits too, which only who may raise limits can have other ones in its containers.
const LOWER_FOR_GOOD: &str =
    "ulimit -Hn 1500; ulimit -Hs 4096; ulimit -Ht 99999; ulimit -Hl 64; ulimit -Hp 4000";

/// Whether this machine lets us raise hard limits.
fn may_raise() -> Result<bool, Failure> {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.ok_or_else(|| failed("no CapEff"))?.trim();
    Ok(u64::from_str_radix(bits, 16)? >> CAP_SYS_RESOURCE & 1 == 1)
}

/// As /proc/PID/limits tells them.
fn parsed(text: &str) -> Limits {
    let limit = |line: &str| {
        let (name, rest) = line.split_at_checked(26)?;
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some((name.trim().to_owned(), (words.next()?, words.next()?)))
    };
    text.lines().skip(1).filter_map(limit).collect()
}

/// Of a container's first process, and of a command that runs in it, under a daemon that is started like this.
fn of_containers(world: &World, name: &str, before: &str) -> Result<[Limits; 2], Failure> {
    let mut daemon = Daemon::one_of(world, name)?;
    if !before.is_empty() {
        let script = format!("{before}; exec \"$@\"");
        daemon.before = ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    }
    daemon.up()?;
    daemon.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {terminationGracePeriodSeconds: 1, containers: [\
         {name: main, image: 'host:/', command: [sh, -c, 'cat /proc/self/limits; exec sleep 1000']}]}}",
    )?;
    let mut first = Limits::new();
    until(20.0, || {
        let said = spoken(&mut daemon.outrigger(&["logs", "web"]), None)?;
        first = parsed(&said.out);
        Ok(first.len() == 16)
    })?;
    let command = ["exec", "web", "--", "cat", "/proc/self/limits"];
    let said = spoken(&mut daemon.outrigger(&command), None)?.ended(0)?;
    let log = daemon.log_text();
    ensure!(!log.contains("set resource limits"), "{log}");
    daemon.finish()?;
    Ok([first, parsed(&said)])
}

fn containers_have_the_same_limits_however_the_daemon_was_started(world: &World) -> Verdict {
    let [usual, of_command] = of_containers(world, "usual", "")?;
    ensure!(usual.len() == 16, "{usual:?}");
    ensure!(usual == of_command, "{of_command:?} is not {usual:?}");
    let files = usual["Max open files"].0.as_str();
    ensure!(files == "1024", "{files} files");
    let mut starts = vec![("lower", LOWER.to_owned())];
    if may_raise()? {
        starts.push(("lowest", format!("{LOWER}; {LOWER_FOR_GOOD}")));
    }
    for (name, before) in starts {
        let [first, of_command] = of_containers(world, name, &before)?;
        for (resource, limits) in &usual {
            ensure!(
                (&first[resource], &of_command[resource]) == (limits, limits),
                "{resource}: {limits:?}, and under a daemon of {name} limits {:?}, in a command {:?}",
                first[resource],
                of_command[resource]
            );
        }
    }
    Ok(())
}
