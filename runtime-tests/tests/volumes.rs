//! What is in a volume, whose is it, who sees it, and what is said if it cannot be had?

use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use runtime_tests::told::tells;
use runtime_tests::{Verdict, World, ensure, pod_of, run, tests};

fn main() -> ExitCode {
    run(tests![
        a_folder_is_shared_and_survives_a_restart,
        memory_is_shared_and_survives_a_restart,
        the_group_of_the_pod_owns_its_volumes,
        host_paths_of_each_type_are_mounted,
        host_paths_of_another_type_are_refused,
        what_is_missing_is_made,
        objects_have_the_items_and_modes_asked_for,
        what_is_optional_is_empty,
        objects_cannot_be_written,
        what_is_missing_is_refused_before_anything_runs,
        a_volume_goes_over_what_the_image_has,
        volumes_may_lie_in_each_other,
        a_link_in_the_image_does_not_lead_out,
    ])
}

fn survives(world: &World, medium: &str) -> Verdict {
    let spec = format!("  volumes: [{{name: data, emptyDir: {medium}}}]\n");
    let mount = "    volumeMounts: [{name: data, mountPath: /data}]\n";
    let script = "echo once >> /data/starts; echo starts $(wc -l < /data/starts); test $(wc -l < /data/starts) = 2 || exit 1; \
                  for i in $(seq 50); do test -e /data/theirs && break; sleep 0.1; done; echo found $(cat /data/theirs)";
    let other = "  - name: other\n    image: host:/\n    command: [sh, -c, 'echo word > /data/theirs.new; mv /data/theirs.new /data/theirs']\n";
    let manifest = pod_of(&spec, script) + mount + other + mount;
    let manifest = manifest.replace("restartPolicy: Never", "restartPolicy: OnFailure");
    tells(
        world,
        &manifest,
        &[("main.starts", "2"), ("main.found", "word")],
    )
}

fn a_folder_is_shared_and_survives_a_restart(world: &World) -> Verdict {
    survives(world, "{}")
}

fn memory_is_shared_and_survives_a_restart(world: &World) -> Verdict {
    survives(world, "{medium: Memory, sizeLimit: 4Mi}")
}

fn the_group_of_the_pod_owns_its_volumes(world: &World) -> Verdict {
    let objects =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: abc}\n---\n";
    let spec = "  securityContext: {runAsUser: 1234, runAsGroup: 2345, fsGroup: 88}\n  volumes:\n  - {name: disk, emptyDir: {}}\n  \
                - {name: memory, emptyDir: {medium: Memory}}\n  - {name: keys, secret: {secretName: keys, defaultMode: 256}}\n";
    let mounts = "    volumeMounts:\n    - {name: disk, mountPath: /disk}\n    - {name: memory, mountPath: /memory}\n    \
                  - {name: keys, mountPath: /keys}\n";
    let script = "for d in disk memory; do echo $d $(stat -c '%a %g' /$d); touch /$d/x; echo new-$d $(stat -c %g /$d/x); done; \
                  echo token $(cat /keys/token) $(stat -Lc '%a %g' /keys/token)";
    let wanted = [
        ("main.disk", "2777 88"),
        ("main.new-disk", "88"),
        ("main.memory", "2777 88"),
        ("main.new-memory", "88"),
        ("main.token", "abc 440 88"),
    ];
    let manifest = objects.to_string() + &pod_of(spec, script) + mounts;
    tells(world, &manifest, &wanted)
}

/// A folder, a file and a socket of the machine, below the test's own folder.
fn host_things(world: &World) -> Result<UnixListener, runtime_tests::Failure> {
    std::fs::create_dir(world.work.join("folder"))?;
    std::fs::write(world.work.join("file"), "text")?;
    Ok(UnixListener::bind(world.work.join("socket"))?)
}

fn of_type(path: &str, kind: &str) -> String {
    let spec =
        format!("  volumes: [{{name: data, hostPath: {{path: '{path}', type: '{kind}'}}}}]\n");
    pod_of(&spec, "echo kind $(stat -c %F /there)")
        + "    volumeMounts: [{name: data, mountPath: /there}]\n"
}

fn host_paths_of_each_type_are_mounted(world: &World) -> Verdict {
    let _socket = host_things(world)?;
    let own = |name: &str| world.work.join(name).display().to_string();
    for (path, kind, seen) in [
        (own("folder"), "Directory", "directory"),
        (own("folder"), "", "directory"),
        (own("file"), "File", "regular file"),
        (own("socket"), "Socket", "socket"),
        ("/dev/null".into(), "CharDevice", "character special file"),
    ] {
        tells(world, &of_type(&path, kind), &[("main.kind", seen)])?;
    }
    Ok(())
}

fn host_paths_of_another_type_are_refused(world: &World) -> Verdict {
    let _socket = host_things(world)?;
    for (name, kind, said) in [
        ("file", "Directory", "is not a directory"),
        ("folder", "File", "is not a file"),
        ("file", "Socket", "is not a socket file"),
        ("folder", "CharDevice", "is not a character device"),
        ("file", "BlockDevice", "is not a block device"),
        ("nowhere", "Directory", "is not a directory"),
    ] {
        let path = world.work.join(name).display().to_string();
        let running = world.run_pod(&of_type(&path, kind), &[])?;
        let words = format!("hostPath type check failed: {path} {said}");
        running.wait_until("it says why", |lines| {
            lines.iter().any(|line| line.text.contains(&words))
        })?;
        running.signal(nix::sys::signal::Signal::SIGTERM)?;
        let output = running.finish()?;
        ensure!(
            output.code.is_some_and(|code| code != 0) && output.logs.is_empty(),
            "{}",
            output.shown()
        );
    }
    Ok(())
}

fn what_is_missing_is_made(world: &World) -> Verdict {
    let folder = world.work.join("new/folder").display().to_string();
    tells(
        world,
        &of_type(&folder, "DirectoryOrCreate"),
        &[("main.kind", "directory")],
    )?;
    let file = world.work.join("new/file").display().to_string();
    tells(
        world,
        &of_type(&file, "FileOrCreate"),
        &[("main.kind", "regular empty file")],
    )?;
    let mode = |path: &str| -> Result<u32, std::io::Error> {
        Ok(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path)?) & 0o7777)
    };
    ensure!(
        mode(&folder)? == 0o755 && mode(&file)? == 0o644,
        "modes {:o} and {:o}",
        mode(&folder)?,
        mode(&file)?
    );
    Ok(())
}

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {one: first, two: second}\n\
                        binaryData: {raw: AAH/}\n---\n";

fn objects_have_the_items_and_modes_asked_for(world: &World) -> Verdict {
    let spec = "  volumes:\n  - {name: all, configMap: {name: settings}}\n  - name: some\n    configMap: {name: settings, \
                defaultMode: 416, items: [{key: one, path: deep/er/one, mode: 256}, {key: raw, path: raw}]}\n";
    let mounts =
        "    volumeMounts: [{name: all, mountPath: /all}, {name: some, mountPath: /some}]\n";
    let script = "echo all $(ls /all); echo some $(ls /some); echo one $(cat /some/deep/er/one) $(stat -Lc %a /some/deep/er/one); \
                  echo raw $(od -An -tx1 /some/raw) $(stat -Lc %a /some/raw); echo default $(stat -Lc %a /all/two); \
                  echo link $(readlink /all/one)";
    let wanted = [
        ("main.all", "one raw two"),
        ("main.some", "deep raw"),
        ("main.one", "first 400"),
        ("main.raw", "00 01 ff 640"),
        ("main.default", "644"),
        ("main.link", "..data/one"),
    ];
    tells(
        world,
        &(SETTINGS.to_string() + &pod_of(spec, script) + mounts),
        &wanted,
    )
}

fn what_is_optional_is_empty(world: &World) -> Verdict {
    let spec = "  volumes:\n  - {name: none, configMap: {name: nowhere, optional: true}}\n  - name: key\n    configMap: {name: settings, \
                optional: true, items: [{key: absent, path: x}, {key: one, path: here}]}\n";
    let mounts =
        "    volumeMounts: [{name: none, mountPath: /none}, {name: key, mountPath: /key}]\n";
    let script = "echo none $(ls /none); echo key $(ls /key)";
    tells(
        world,
        &(SETTINGS.to_string() + &pod_of(spec, script) + mounts),
        &[("main.none", ""), ("main.key", "here")],
    )
}

fn objects_cannot_be_written(world: &World) -> Verdict {
    let spec = "  volumes: [{name: all, configMap: {name: settings}}]\n";
    let mounts = "    volumeMounts: [{name: all, mountPath: /all}]\n";
    let script = "touch /all/new 2>/dev/null || echo new refused; echo x 2>/dev/null >/all/one || echo old refused";
    tells(
        world,
        &(SETTINGS.to_string() + &pod_of(spec, script) + mounts),
        &[("main.new", "refused"), ("main.old", "refused")],
    )
}

fn what_is_missing_is_refused_before_anything_runs(world: &World) -> Verdict {
    for (volume, words) in [
        ("configMap: {name: nowhere}", "ConfigMap \"nowhere\""),
        ("secret: {secretName: nowhere}", "Secret \"nowhere\""),
        (
            "configMap: {name: settings, items: [{key: absent, path: x}]}",
            "no key \"absent\"",
        ),
    ] {
        let spec = format!("  volumes: [{{name: data, {volume}}}]\n");
        let manifest = SETTINGS.to_string()
            + &pod_of(&spec, "echo ran")
            + "    volumeMounts: [{name: data, mountPath: /data}]\n";
        let output = world.ended(&manifest, &[], 125)?;
        let text = output.text(runtime_tests::Source::Err);
        ensure!(
            text.contains(words) && text.contains("pod.yaml:"),
            "{words}: {}",
            output.shown()
        );
    }
    Ok(())
}

fn a_volume_goes_over_what_the_image_has(world: &World) -> Verdict {
    let spec = "  volumes: [{name: data, emptyDir: {}}]\n";
    let mounts = "    volumeMounts: [{name: data, mountPath: /usr/share}, {name: data, mountPath: /made/on/the/way}]\n";
    let script = "touch /usr/share/x; echo there $(ls /usr/share); echo way $(ls /made/on/the/way)";
    tells(
        world,
        &(pod_of(spec, script) + mounts),
        &[("main.there", "x"), ("main.way", "x")],
    )
}

fn volumes_may_lie_in_each_other(world: &World) -> Verdict {
    let spec =
        "  volumes: [{name: outer, emptyDir: {}}, {name: inner, emptyDir: {medium: Memory}}]\n";
    // The inner one is listed first and must all the same be mounted last.
    let mounts = "    volumeMounts: [{name: inner, mountPath: /outer/inner}, {name: outer, mountPath: /outer}]\n";
    let script = "echo inner $(stat -fc %T /outer/inner); touch /outer/inner/x && echo file $(ls /outer/inner)";
    tells(
        world,
        &(pod_of(spec, script) + mounts),
        &[("main.inner", "tmpfs"), ("main.file", "x")],
    )
}

fn a_link_in_the_image_does_not_lead_out(world: &World) -> Verdict {
    // The image's /place is a link to the machine's folder; the mount goes to that path inside.
    let rootfs = world.work.join("rootfs");
    let outside = world.work.join("outside");
    std::fs::create_dir_all(rootfs.join("bin"))?;
    std::fs::create_dir(&outside)?;
    std::os::unix::fs::symlink(&outside, rootfs.join("place"))?;
    let spec =
        "  volumes:\n  - {name: data, emptyDir: {}}\n  - {name: usr, hostPath: {path: /usr}}\n";
    let mut mounts = "    volumeMounts:\n    - {name: data, mountPath: /place}\n    - {name: usr, mountPath: /usr, readOnly: true}\n".to_string();
    for (name, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        std::os::unix::fs::symlink(target, rootfs.join(name))?;
    }
    mounts += "    env: [{name: PATH, value: /usr/bin}]\n";
    let manifest = pod_of(spec, "touch /place/x; echo seen $(ls /place)")
        .replace("host:/", &format!("dir:{}", rootfs.display()))
        .replace("[sh, -c", "[/usr/bin/sh, -c")
        + &mounts;
    tells(world, &manifest, &[("main.seen", "x")])?;
    let left: Vec<_> = std::fs::read_dir(&outside)?.collect();
    ensure!(
        left.is_empty(),
        "written outside of the container: {left:?}"
    );
    Ok(())
}
