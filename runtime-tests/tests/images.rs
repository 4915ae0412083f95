//! Do images from archives and folders run, with what their configuration says, and stay or go when
//! asked?

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use runtime_tests::told::tells;
use runtime_tests::{Failure, Source, Verdict, World, ensure, needs, run, tests};

fn main() -> ExitCode {
    run(tests![
        a_docker_archive_runs_with_its_configuration,
        an_oci_archive_and_its_folder_run,
        arguments_and_commands_take_the_images_place,
        a_loaded_image_is_listed_runs_and_is_removed,
        a_folder_is_an_image,
        an_upper_layer_hides_what_lies_below,
        a_damaged_archive_is_refused,
    ])
}

/// Makes, in the given folder: `rootfs`, `docker.tar`, `oci.tar` and `oci` of one image with two
/// layers. The machine's `/usr` is mounted over its empty one, so that it needs no programs.
const MAKE: &str = r#"
import hashlib, io, json, os, sys, tarfile
out = sys.argv[1]
def layer(entries):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w') as tar:
        for name, kind, value in entries:
            info = tarfile.TarInfo(name)
            if kind == 'dir': info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif kind == 'link': info.type, info.linkname = tarfile.SYMTYPE, value
            else: info.size, info.mode = len(value), 0o644
            tar.addfile(info, io.BytesIO(value) if kind == 'file' else None)
    return data.getvalue()
first = layer([('usr', 'dir', 0), ('etc', 'dir', 0), ('work', 'dir', 0), ('lib', 'link', 'usr/lib'), ('lib64', 'link', 'usr/lib64'),
  ('bin', 'link', 'usr/bin'), ('etc/passwd', 'file', b'root:x:0:0::/root:/bin/sh\nann:x:1234:2345::/work:/bin/sh\n'),
  ('etc/group', 'file', b'root:x:0:\nann:x:2345:\nmore:x:77:ann\n'), ('etc/gone', 'file', b'x'), ('etc/kept', 'file', b'below'),
  ('opaque', 'dir', 0), ('opaque/below', 'file', b'x')])
second = layer([('etc/.wh.gone', 'file', b''), ('etc/kept', 'file', b'above'), ('opaque', 'dir', 0), ('opaque/.wh..wh..opq', 'file', b''),
  ('opaque/above', 'file', b'x')])
def sha(data): return hashlib.sha256(data).hexdigest()
config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': {'Entrypoint': ['/usr/bin/printf', '%s\\n'], 'Cmd': ['from image'],
  'Env': ['PATH=/usr/bin', 'OWN=image'], 'User': 'ann', 'WorkingDir': '/work'},
  'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + sha(first), 'sha256:' + sha(second)]}}).encode()
def put(tar, name, data):
    info = tarfile.TarInfo(name); info.size = len(data); tar.addfile(info, io.BytesIO(data))
with tarfile.open(out + '/docker.tar', 'w') as tar:
    put(tar, 'a/layer.tar', first); put(tar, 'b/layer.tar', second); put(tar, 'config.json', config)
    put(tar, 'manifest.json', json.dumps([{'Config': 'config.json', 'RepoTags': ['example.org/try:1'], 'Layers': ['a/layer.tar', 'b/layer.tar']}]).encode())
kind = 'application/vnd.oci.image.'
def about(media, data): return {'mediaType': kind + media, 'digest': 'sha256:' + sha(data), 'size': len(data)}
manifest = json.dumps({'schemaVersion': 2, 'mediaType': kind + 'manifest.v1+json', 'config': about('config.v1+json', config),
  'layers': [about('layer.v1.tar', first), about('layer.v1.tar', second)]}).encode()
entry = about('manifest.v1+json', manifest); entry['annotations'] = {'org.opencontainers.image.ref.name': 'one'}
files = {'oci-layout': b'{"imageLayoutVersion":"1.0.0"}', 'index.json': json.dumps({'schemaVersion': 2, 'manifests': [entry]}).encode()}
for blob in (first, second, config, manifest): files['blobs/sha256/' + sha(blob)] = blob
with tarfile.open(out + '/oci.tar', 'w') as tar:
    for name, data in files.items(): put(tar, name, data)
for name, data in files.items():
    path = out + '/oci/' + name; os.makedirs(os.path.dirname(path), exist_ok=True); open(path, 'wb').write(data)
os.mkdir(out + '/rootfs')
tarfile.open(fileobj=io.BytesIO(first)).extractall(out + '/rootfs')
"#;

fn made(world: &World) -> Result<PathBuf, Failure> {
    let folder = world.work.clone();
    let script = world.file("make.py", MAKE)?;
    let output = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(&folder)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(folder)
}

/// A Pod of this image with the machine's programs.
fn of(image: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: try}}\nspec:\n  restartPolicy: Never\n  \
         volumes: [{{name: usr, hostPath: {{path: /usr}}}}]\n  containers:\n  - name: main\n    image: '{image}'\n    \
         imagePullPolicy: IfNotPresent\n    volumeMounts: [{{name: usr, mountPath: /usr, readOnly: true}}]\n{rest}"
    )
}

const LOOK: &str = "    command: [/usr/bin/sh, -c, 'echo who $(id -u):$(id -g):$(id -G); echo own $OWN; echo here $(pwd); echo home $HOME; \
                    echo kept $(cat /etc/kept); echo gone $(ls /etc/gone 2>/dev/null); echo opaque $(ls /opaque)']\n";

const SEEN: [(&str, &str); 7] = [
    ("main.who", "1234:2345:2345 77"),
    ("main.own", "image"),
    ("main.here", "/work"),
    ("main.home", "/work"),
    ("main.kept", "above"),
    ("main.gone", ""),
    ("main.opaque", "above"),
];

fn archive(scheme: &str, folder: &Path, name: &str) -> String {
    format!("{scheme}:{}", folder.join(name).display())
}

/// Takes away what the store has kept, so that the leak check finds nothing but folders.
fn forget(world: &World) -> Verdict {
    let store = world.root.join("images");
    if store.exists() {
        std::fs::rename(&store, world.work.join("store"))?;
        std::fs::remove_dir(&world.root).ok();
    }
    Ok(())
}

fn a_docker_archive_runs_with_its_configuration(world: &World) -> Verdict {
    needs!("python3");
    let image = archive("docker-archive", &made(world)?, "docker.tar");
    tells(world, &of(&image, ""), &[("main.from", "image")])?;
    tells(world, &of(&image, LOOK), &SEEN)?;
    forget(world)
}

fn an_oci_archive_and_its_folder_run(world: &World) -> Verdict {
    needs!("python3");
    let folder = made(world)?;
    for image in [
        archive("oci-archive", &folder, "oci.tar"),
        archive("oci", &folder, "oci"),
        archive("oci", &folder, "oci:one"),
    ] {
        tells(world, &of(&image, LOOK), &SEEN)?;
    }
    forget(world)
}

fn arguments_and_commands_take_the_images_place(world: &World) -> Verdict {
    needs!("python3");
    let image = archive("docker-archive", &made(world)?, "docker.tar");
    let args = "    args: ['own words']\n";
    tells(world, &of(&image, args), &[("main.own", "words")])?;
    // A command without arguments drops the image's too.
    let command = "    command: [/usr/bin/printf, 'only this']\n";
    let output = world.ended(&of(&image, command), &[], 0)?;
    ensure!(
        output.text(Source::Out).trim() == "main | only this",
        "{}",
        output.shown()
    );
    let env = "    workingDir: /etc\n    env: [{name: OWN, value: manifest}]\n".to_string() + LOOK;
    tells(
        world,
        &of(&image, &env),
        &[("main.own", "manifest"), ("main.here", "/etc")],
    )?;
    forget(world)
}

fn a_loaded_image_is_listed_runs_and_is_removed(world: &World) -> Verdict {
    needs!("python3");
    let path = made(world)?.join("docker.tar").display().to_string();
    let said = |arguments: &[&str], code: i32| -> Result<String, Failure> {
        let output = world.outrigger(arguments).finish()?.ended_with(code)?;
        Ok(output.text(Source::Out) + &output.text(Source::Err))
    };
    let loaded = said(&["image", "load", &path], 0)?;
    ensure!(loaded.contains("example.org/try:1"), "{loaded}");
    let listed = said(&["image", "ls"], 0)?;
    ensure!(listed.contains("example.org/try:1"), "{listed}");
    tells(world, &of("example.org/try:1", LOOK), &SEEN)?;
    said(&["image", "rm", "example.org/try:1"], 0)?;
    let listed = said(&["image", "ls"], 0)?;
    ensure!(!listed.contains("example.org"), "{listed}");
    let refused = world.ended(&of("example.org/try:1", LOOK), &[], 125)?;
    ensure!(
        refused.text(Source::Err).contains("example.org/try:1"),
        "{}",
        refused.shown()
    );
    forget(world)
}

fn a_folder_is_an_image(world: &World) -> Verdict {
    needs!("python3");
    let image = archive("dir", &made(world)?, "rootfs");
    let script = "    command: [/usr/bin/sh, -c, 'echo kept $(cat /etc/kept); echo x > /etc/new && echo new $(cat /etc/new)']\n";
    tells(
        world,
        &of(&image, script),
        &[("main.kept", "below"), ("main.new", "x")],
    )?;
    ensure!(
        !world.work.join("rootfs/etc/new").exists(),
        "the folder was written"
    );
    Ok(())
}

fn an_upper_layer_hides_what_lies_below(world: &World) -> Verdict {
    needs!("python3");
    let image = archive("oci-archive", &made(world)?, "oci.tar");
    let script = "    securityContext: {runAsUser: 0}\n    command: [/usr/bin/sh, -c, 'rm /etc/kept; echo kept $(ls /etc); ls -A /opaque | grep -c wh']\n";
    let output = world.run_pod(&of(&image, script), &[])?.finish()?;
    ensure!(
        !output.text(Source::Out).contains(".wh.") && !output.text(Source::Out).contains("gone"),
        "{}",
        output.shown()
    );
    forget(world)
}

fn a_damaged_archive_is_refused(world: &World) -> Verdict {
    needs!("python3");
    let folder = made(world)?;
    let mut bytes = std::fs::read(folder.join("oci.tar"))?;
    let at = bytes
        .windows(5)
        .position(|part| part == b"below")
        .ok_or_else(|| runtime_tests::failed("no such bytes"))?;
    bytes[at] = b'B';
    std::fs::write(folder.join("bad.tar"), bytes)?;
    let image = archive("oci-archive", &folder, "bad.tar");
    let output = world.ended(&of(&image, LOOK), &[], 125)?;
    let text = output.text(Source::Err);
    ensure!(
        text.contains("bad.tar") && text.contains("sha256"),
        "{}",
        output.shown()
    );
    let half = std::fs::read(folder.join("docker.tar"))?;
    std::fs::write(folder.join("half.tar"), &half[..half.len() / 2])?;
    let image = archive("docker-archive", &folder, "half.tar");
    let output = world.ended(&of(&image, LOOK), &[], 125)?;
    ensure!(
        output.text(Source::Err).contains("half.tar"),
        "{}",
        output.shown()
    );
    forget(world)
}
