//! Does the harness keep its promises: is the machine out of reach, and is every leak found?

use std::process::{Command, ExitCode};

use nix::mount::{MsFlags, mount, umount};
use runtime_tests::leaks::Snapshot;
use runtime_tests::{Verdict, World, ensure, failed, run, stage, tests};

fn main() -> ExitCode {
    run(tests![
        the_machine_cannot_be_written,
        only_own_processes_are_seen,
        a_process_left_behind_is_found,
        a_file_a_mount_and_a_cgroup_left_behind_are_found,
        a_listening_socket_is_found,
        a_test_that_leaves_nothing_passes,
    ])
}

fn the_machine_cannot_be_written(world: &World) -> Verdict {
    for folder in [
        "/",
        "/etc",
        "/var/lib",
        "/var/log",
        "/root",
        "/dev/shm",
        "/sys/fs/cgroup",
    ] {
        let path = format!("{folder}/outrigger-test-must-not-exist");
        ensure!(
            std::fs::write(&path, "x").is_err(),
            "{path} could be written"
        );
    }
    let sources = runtime_tests::repository().join("Cargo.toml");
    ensure!(
        std::fs::OpenOptions::new()
            .append(true)
            .open(&sources)
            .is_err(),
        "the sources could be written"
    );
    world.file("own", "writable")?;
    Ok(())
}

fn only_own_processes_are_seen(_: &World) -> Verdict {
    let count = std::fs::read_dir("/proc")?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .count();
    ensure!(
        count == 2,
        "init and the test should be alone, but there are {count} processes"
    );
    Ok(())
}

fn expect_leak(world: &World, words: &str) -> Verdict {
    let left = world.left_now()?;
    ensure!(
        left.iter().any(|line| line.contains(words)),
        "{words:?} is not among {left:?}"
    );
    Ok(())
}

fn a_process_left_behind_is_found(world: &World) -> Verdict {
    let mut child = Command::new("sleep").arg("1000").spawn()?;
    // The kernel lets us go on when the old memory is gone, a moment before the new command line stands.
    let line = format!("/proc/{}/cmdline", child.id());
    while !std::fs::read(&line)?.starts_with(b"sleep") {
        ensure!(child.try_wait()?.is_none(), "sleep ended by itself");
        std::thread::yield_now();
    }
    expect_leak(world, " sleep")?;
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn a_file_a_mount_and_a_cgroup_left_behind_are_found(world: &World) -> Verdict {
    std::fs::create_dir_all(&world.state)?;
    expect_leak(world, "file /run/outrigger-test/state")?;
    mount(
        Some("left"),
        &world.state,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )?;
    expect_leak(world, "mount /run/outrigger-test/state of tmpfs")?;
    umount(&world.state)?;
    std::fs::remove_dir(&world.state)?;

    let hierarchy = runtime_tests::leaks::mounts()?
        .into_iter()
        .find(|mount| mount.kind.starts_with("cgroup"))
        .ok_or_else(|| failed("no cgroup hierarchy is mounted"))?;
    let group = hierarchy.path.join(world.cgroup.trim_start_matches('/'));
    std::fs::create_dir(&group)?;
    expect_leak(world, &format!("cgroup {}", group.display()))?;
    let removed = stage::remove_cgroups(&world.cgroup);
    ensure!(removed == [group], "{removed:?} was removed");
    Ok(())
}

fn a_listening_socket_is_found(world: &World) -> Verdict {
    let before = Snapshot::take(&world.cgroup, &world.work)?;
    let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    let left = Snapshot::take(&world.cgroup, &world.work)?.beyond(&before);
    let named = format!("listening socket tcp 0100007F:{port:04X}");
    ensure!(left == [named.clone()], "{named} is not {left:?}");
    Ok(())
}

fn a_test_that_leaves_nothing_passes(_: &World) -> Verdict {
    Ok(())
}
