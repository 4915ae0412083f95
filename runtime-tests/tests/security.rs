//! Who is a process in a container, what may it do, and what is hidden from it?

use std::process::ExitCode;

use runtime_tests::told::{has_told, tells, told};
use runtime_tests::{Source, Verdict, World, ensure, failed, pod_of, run, status, tests};

fn main() -> ExitCode {
    run(tests![
        nothing_is_inheritable_or_ambient_for_any_user,
        capabilities_are_added_and_dropped_by_name,
        all_means_all_that_the_machine_gives,
        a_privileged_container_may_do_what_the_machine_may,
        root_is_refused_under_run_as_non_root,
        user_nought_is_refused_under_run_as_non_root,
        a_container_overrides_the_pods_user,
        the_group_of_a_user_without_one_is_roots,
        a_user_of_the_image_has_its_home,
        kernel_files_are_masked,
        kernel_settings_are_read_only,
        devices_are_few_and_others_cannot_be_made,
        a_read_only_root_keeps_volumes_writable,
        a_probe_runs_as_its_container,
        a_set_user_id_program_gains_nothing_without_escalation,
    ])
}

const STATUS: &str = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status";
const NONE: &str = "0000000000000000";

fn with(security: &str, script: &str) -> String {
    pod_of("", script) + &format!("    securityContext: {security}\n")
}

fn nothing_is_inheritable_or_ambient_for_any_user(world: &World) -> Verdict {
    for (user, effective) in [("0", "00000000000005fb"), ("1234", NONE)] {
        let manifest = with(&format!("{{runAsUser: {user}}}"), STATUS);
        let wanted = [
            ("main.CapInh", NONE),
            ("main.CapAmb", NONE),
            ("main.CapPrm", effective),
            ("main.CapEff", effective),
            ("main.CapBnd", "00000000000005fb"),
        ];
        tells(world, &manifest, &wanted)?;
    }
    Ok(())
}

fn capabilities_are_added_and_dropped_by_name(world: &World) -> Verdict {
    // SYS_TIME is 25, SYS_PTRACE 19, CHOWN 0; the prefix is as good as none.
    let manifest = with(
        "{capabilities: {add: [SYS_TIME, CAP_SYS_PTRACE], drop: [CHOWN]}}",
        STATUS,
    );
    tells(world, &manifest, &[("main.CapEff", "00000000020805fa")])?;
    let manifest = with("{capabilities: {drop: [ALL]}, runAsUser: 7}", STATUS);
    tells(
        world,
        &manifest,
        &[("main.CapBnd", NONE), ("main.NoNewPrivs", "0")],
    )
}

fn bounding_set() -> Result<u64, runtime_tests::Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let digits = line.ok_or_else(|| failed("no CapBnd"))?.trim();
    Ok(u64::from_str_radix(digits, 16)?)
}

fn all_means_all_that_the_machine_gives(world: &World) -> Verdict {
    let all = bounding_set()?;
    let manifest = with("{capabilities: {add: [ALL]}}", STATUS);
    tells(world, &manifest, &[("main.CapEff", &format!("{all:016x}"))])?;
    let manifest = with("{capabilities: {add: [ALL], drop: [MKNOD]}}", STATUS);
    let without = format!("{:016x}", all & !(1 << 27));
    tells(world, &manifest, &[("main.CapEff", &without)])
}

fn a_privileged_container_may_do_what_the_machine_may(world: &World) -> Verdict {
    let script = format!(
        "{STATUS}; echo masked $(grep -c ' /proc/' /proc/self/mountinfo); mkdir /tmp/m && mount -t tmpfs none /tmp/m && echo mounted yes; \
         test -e /dev/kmsg && echo devices all; echo sys $(grep ' /sys ' /proc/self/mountinfo | cut -d' ' -f6 | cut -d, -f1)"
    );
    let all = format!("{:016x}", bounding_set()?);
    let wanted = [
        ("main.CapEff", all.as_str()),
        ("main.masked", "0"),
        ("main.mounted", "yes"),
        ("main.devices", "all"),
        ("main.sys", "rw"),
    ];
    tells(world, &with("{privileged: true}", &script), &wanted)
}

fn refused(world: &World, spec: &str, words: &str) -> Verdict {
    let manifest = pod_of(spec, "echo it ran");
    let running = world.run_pod(&manifest, &[])?;
    running.wait_until("it says why", |lines| {
        lines.iter().any(|line| line.text.contains(words))
    })?;
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let output = running.finish()?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    ensure!(
        status::containers(pod)[0].starts_with("main: waiting CreateContainerConfigError"),
        "{:?}",
        status::containers(pod)
    );
    ensure!(
        status::message(pod, "main").contains(words),
        "{}",
        status::message(pod, "main")
    );
    ensure!(
        !output.text(Source::Out).contains("it ran"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn root_is_refused_under_run_as_non_root(world: &World) -> Verdict {
    refused(
        world,
        "  securityContext: {runAsNonRoot: true}\n",
        "container has runAsNonRoot and image will run as root",
    )
}

fn user_nought_is_refused_under_run_as_non_root(world: &World) -> Verdict {
    refused(
        world,
        "  securityContext: {runAsNonRoot: true, runAsUser: 0}\n",
        "container's runAsUser breaks non-root policy",
    )
}

fn a_container_overrides_the_pods_user(world: &World) -> Verdict {
    let spec = "  securityContext: {runAsUser: 1, runAsGroup: 2, runAsNonRoot: true}\n";
    let manifest = pod_of(spec, "echo who $(id -u):$(id -g)")
        + "    securityContext: {runAsUser: 5}\n  - name: other\n    image: host:/\n    command: [sh, -c, 'echo who $(id -u):$(id -g)']\n";
    tells(
        world,
        &manifest,
        &[("main.who", "5:2"), ("other.who", "1:2")],
    )
}

fn the_group_of_a_user_without_one_is_roots(world: &World) -> Verdict {
    let manifest = with(
        "{runAsUser: 54321}",
        "echo who $(id -u):$(id -g):$(id -G); echo home $HOME",
    );
    tells(
        world,
        &manifest,
        &[("main.who", "54321:0:0"), ("main.home", "/")],
    )
}

fn a_user_of_the_image_has_its_home(world: &World) -> Verdict {
    let script = "echo home $HOME; echo wanted $(getent passwd $(id -u) | cut -d: -f6)";
    let output = world.ended(&with("{runAsUser: 1}", script), &[], 0)?;
    let told = told(&output);
    ensure!(
        told.get("main.home").is_some_and(|home| !home.is_empty())
            && told.get("main.home") == told.get("main.wanted"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn kernel_files_are_masked(world: &World) -> Verdict {
    // What a kernel does not have cannot be read either; what it has must be empty.
    let script = "for path in asound acpi interrupts kcore keys latency_stats timer_list timer_stats sched_debug scsi; do \
                  path=/proc/$path; test -e $path || continue; \
                  if test -d $path; then n=$(ls -A $path | wc -l); else n=$(head -c 100 $path 2>/dev/null | wc -c); fi; \
                  test $n = 0 || echo open $path; done; \
                  test $(ls -A /sys/firmware 2>/dev/null | wc -l) = 0 || echo open firmware; \
                  ls -A /sys/devices/virtual/powercap 2>/dev/null | grep -q . && echo open powercap; echo looked yes";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    has_told(&output, &[("main.looked", "yes")])?;
    ensure!(
        !told(&output).contains_key("main.open"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn kernel_settings_are_read_only(world: &World) -> Verdict {
    let script = "for path in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do test -e $path || continue; \
                  grep -q \" $path ro,\" /proc/self/mountinfo || echo open $path; done; \
                  grep -q ' /sys ro,' /proc/self/mountinfo || echo open /sys; \
                  grep ' - cgroup' /proc/self/mountinfo | grep -v ' ro,' | sed 's/^/open /'; echo looked yes";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    has_told(&output, &[("main.looked", "yes")])?;
    ensure!(
        !told(&output).contains_key("main.open"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn devices_are_few_and_others_cannot_be_made(world: &World) -> Verdict {
    let script = "echo all $(ls /dev | sort | tr '\\n' ' '); echo null $(stat -c '%t:%T %a' /dev/null); \
                  mknod /tmp/kmsg c 1 11 2>/dev/null && echo made kmsg; (exec 3</dev/tty) 2>/dev/null && echo opened tty; \
                  head -c 3 /dev/zero | wc -c | sed 's/^/zero /'; echo end yes";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    let all = "core fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero";
    // Not every kernel lets /proc/kcore be.
    let told = told(&output);
    let found = told.get("main.all").map(String::as_str).unwrap_or_default();
    ensure!(
        found == all || found == all.trim_start_matches("core "),
        "{found:?}: {}",
        output.shown()
    );
    has_told(
        &output,
        &[
            ("main.null", "1:3 666"),
            ("main.zero", "3"),
            ("main.end", "yes"),
        ],
    )?;
    ensure!(!told.contains_key("main.made"), "{}", output.shown());
    Ok(())
}

fn a_read_only_root_keeps_volumes_writable(world: &World) -> Verdict {
    let manifest = pod_of(
        "  volumes: [{name: data, emptyDir: {}}]\n",
        "touch /data/x && echo data yes; touch /x 2>/dev/null || echo root no; echo bye > /dev/termination-log && echo message yes; \
         echo x 2>/dev/null > /etc/hosts || echo hosts no",
    ) + "    securityContext: {readOnlyRootFilesystem: true}\n    volumeMounts: [{name: data, mountPath: /data}]\n";
    let wanted = [
        ("main.data", "yes"),
        ("main.root", "no"),
        ("main.message", "yes"),
        ("main.hosts", "no"),
    ];
    tells(world, &manifest, &wanted)
}

fn a_probe_runs_as_its_container(world: &World) -> Verdict {
    // A command has a v2 group of its own below the container's, so that it can be ended whole.
    let look = "(grep -E '^(Cap|NoNewPrivs|Groups|Uid|Gid|Seccomp)' /proc/self/status; \
                sed 's,/exec-.*,/,' /proc/self/cgroup; cat /proc/self/oom_score_adj; \
                ls -l /proc/self/ns | sed 's/.* //' | grep -v pid_for; pwd; umask; ulimit -a; echo $VARIABLE)";
    let main = format!(
        "{look} > /data/main; for i in $(seq 80); do test -e /data/done && break; sleep 0.1; done; \
         diff /data/main /data/probe && echo same $(wc -l < /data/probe | sed 's/..*/yes/')"
    );
    let spec = "  securityContext: {runAsUser: 1234, runAsGroup: 2345, supplementalGroups: [77], fsGroup: 88}\n  \
                volumes: [{name: data, emptyDir: {}}]\n";
    let probe = serde_json::Value::from(format!(
        "{look} > /data/probe.new && mv /data/probe.new /data/probe && touch /data/done"
    ));
    let manifest = pod_of(spec, &main)
        + &format!(
            "    env: [{{name: VARIABLE, value: from the manifest}}]\n    workingDir: /usr\n    \
             securityContext: {{allowPrivilegeEscalation: false, capabilities: {{add: [NET_RAW], drop: [CHOWN]}}}}\n    \
             volumeMounts: [{{name: data, mountPath: /data}}]\n    readinessProbe: {{periodSeconds: 1, exec: {{command: [sh, -c, {probe}]}}}}\n"
        );
    tells(world, &manifest, &[("main.same", "yes")])
}

fn a_set_user_id_program_gains_nothing_without_escalation(world: &World) -> Verdict {
    // The copy is made by root in one container; another one's user runs it.
    let init = "  initContainers:\n  - name: first\n    image: host:/\n    command: [sh, -c, 'cp $(command -v id) /data/id && chmod 4755 /data/id']\n    \
                volumeMounts: [{name: data, mountPath: /data}]\n";
    let spec = format!("  volumes: [{{name: data, emptyDir: {{}}}}]\n{init}");
    for (escalation, effective) in [("false", "1234"), ("true", "0")] {
        let manifest = pod_of(&spec, "echo effective $(/data/id -u)")
            + &format!(
                "    securityContext: {{runAsUser: 1234, allowPrivilegeEscalation: {escalation}}}\n    \
                 volumeMounts: [{{name: data, mountPath: /data}}]\n"
            );
        tells(world, &manifest, &[("main.effective", effective)])?;
    }
    Ok(())
}
