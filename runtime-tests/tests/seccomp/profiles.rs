//! Which profile does a container get, and what becomes of one that cannot be used?

use std::path::PathBuf;
use std::time::SystemTime;

use runtime_tests::told::tells;
use runtime_tests::{Failure, Verdict, World, ensure, failed, pod_of, status};
use serde_json::json;

const MODE: &str = "grep '^Seccomp:' /proc/self/status";

pub(crate) fn a_container_wins_over_its_pod_and_a_privileged_one_is_unconfined(
    world: &World,
) -> Verdict {
    let unconfined = "{seccompProfile: {type: Unconfined}}";
    let default = "{seccompProfile: {type: RuntimeDefault}}";
    for (pod, container, mode) in [
        ("{}", "{}", "2"),
        (unconfined, "{}", "0"),
        (unconfined, default, "2"),
        (default, unconfined, "0"),
        (default, "{privileged: true}", "0"),
        (
            "{}",
            "{privileged: true, seccompProfile: {type: RuntimeDefault}}",
            "0",
        ),
    ] {
        let manifest = pod_of(&format!("  securityContext: {pod}\n"), MODE)
            + &format!("    securityContext: {container}\n");
        tells(world, &manifest, &[("main.Seccomp", mode)])?;
    }
    Ok(())
}

/// Puts a profile where the machine's own are.
fn profile(world: &World, name: &str, text: &str) -> Verdict {
    let path = world.root.join("seccomp").join(name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, text)?)
}

/// Takes the profiles away with the folders that were made for them.
fn without_profiles(world: &World) -> Verdict {
    std::fs::remove_dir_all(world.root.join("seccomp"))?;
    Ok(std::fs::remove_dir(&world.root)?)
}

fn with_profile(file: &str, rest: &str, script: &str) -> String {
    pod_of("", script)
        + &format!(
            "    securityContext: {{seccompProfile: {{type: Localhost, localhostProfile: {file}}}{rest}}}\n"
        )
}

pub(crate) fn a_profile_of_the_machine_is_obeyed_to_the_letter(world: &World) -> Verdict {
    // All is allowed but two calls, each with an answer of its own.
    let allow = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"},
        ],
    });
    profile(world, "team/some.json", &allow.to_string())?;
    let script = "mkdir /tmp/d 2>&1 | sed 's/.*: /mkdir /'; sync; echo sync $?; keyctl=$(true); grep '^Seccomp:' /proc/self/status";
    let wanted = [
        ("main.mkdir", "No space left on device"),
        ("main.sync", "159"),
        ("main.Seccomp", "2"),
    ];
    for rest in ["", ", allowPrivilegeEscalation: false", ", runAsUser: 1234"] {
        tells(
            world,
            &with_profile("team/some.json", rest, script),
            &wanted,
        )?;
    }
    // Nothing is allowed but what a shell that ends needs; with no privileges to gain only execve is needed to begin.
    let names: Vec<&str> = "execve exit_group brk mmap mprotect munmap openat open read pread64 close fstat newfstatat \
         access faccessat2 arch_prctl set_tid_address set_robust_list rseq prlimit64 getrandom getpid getppid getuid geteuid \
         getgid getegid rt_sigaction rt_sigprocmask write futex statx sysinfo"
        .split_whitespace()
        .collect();
    let strict = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    });
    profile(world, "strict.json", &strict.to_string())?;
    let manifest = with_profile(
        "strict.json",
        ", allowPrivilegeEscalation: false",
        "echo ran yes",
    );
    tells(world, &manifest, &[("main.ran", "yes")])?;
    without_profiles(world)
}

pub(crate) fn a_profile_that_cannot_be_used_is_told_by_its_file(world: &World) -> Verdict {
    profile(world, "text.json", "no profile")?;
    profile(
        world,
        "docker.json",
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": []}"#,
    )?;
    profile(
        world,
        "asks.json",
        r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#,
    )?;
    let folder = world.root.join("seccomp");
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link.json"))?;
    for (file, why) in [
        ("none.json", "No such file or directory"),
        ("text.json", "expected ident at line 1"),
        ("docker.json", "archMap is no field of a profile"),
        (
            "asks.json",
            "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not supported yet",
        ),
        ("link.json", "leads out of its folder"),
    ] {
        let running = world.run_pod(&with_profile(file, "", "echo it ran"), &[])?;
        running.wait_until("it says why", |lines| {
            lines.iter().any(|line| line.text.contains(why))
        })?;
        running.signal(nix::sys::signal::Signal::SIGTERM)?;
        let output = running.finish()?;
        let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
        let message = status::message(pod, "main");
        ensure!(
            status::containers(pod)[0].starts_with("main: waiting CreateContainerError")
                && message.contains(&folder.join(file).display().to_string())
                && message.contains(why),
            "{file}: {:?} {message}",
            status::containers(pod)
        );
    }
    without_profiles(world)
}

pub(crate) fn a_profile_is_compiled_once_for_all_pods(world: &World) -> Verdict {
    let kept = || -> Result<Vec<(PathBuf, SystemTime)>, Failure> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(world.state.join("seccomp"))? {
            let entry = entry?;
            all.push((entry.path(), entry.metadata()?.modified()?));
        }
        Ok(all)
    };
    tells(world, &pod_of("", MODE), &[("main.Seccomp", "2")])?;
    let first = kept()?;
    ensure!(first.len() == 1, "{first:?}");
    tells(world, &pod_of("", MODE), &[("main.Seccomp", "2")])?;
    ensure!(kept()? == first, "{first:?}, then {:?}", kept()?);
    // One that was cut is made anew, and nobody runs unconfined meanwhile.
    std::fs::write(&first[0].0, "")?;
    tells(
        world,
        &pod_of(
            "",
            &format!("{MODE}; unshare -u true 2>/dev/null || echo refused yes"),
        ),
        &[("main.Seccomp", "2"), ("main.refused", "yes")],
    )?;
    ensure!(
        std::fs::metadata(&first[0].0)?.len() > 1000,
        "it was not made anew"
    );
    Ok(())
}
