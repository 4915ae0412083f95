//! exec, attach, cp, port-forward and debug: what reaches into a Pod.

use std::io::{Read, Write};
use std::net::TcpStream;

use runtime_tests::{Failure, Test, Verdict, World, ensure, failed, tests};

use crate::{in_order, row, same, with_web};

pub(crate) fn all() -> Vec<Test> {
    tests![
        exec_gives_output_and_exit_code,
        exec_carries_stdin_whole,
        attach_shows_and_feeds,
        cp_carries_files_both_ways,
        port_forward_carries_two_connections_at_once,
        debug_looks_at_a_running_pod,
        debug_runs_a_copy_of_a_pod_and_a_pod_on_the_node,
    ]
}

fn exec_gives_output_and_exit_code(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let script = "echo out; echo err >&2; exit 3";
        let said = kubectl.run(&["exec", "web", "-c", "main", "--", "sh", "-c", script])?;
        ensure!(said.out == "out\n" && said.code == 3, "{}", said.shown());
        in_order(&said.err, &["err\n", "command terminated with exit code 3"])?;
        let said = kubectl.run(&["exec", "web", "--", "true"])?;
        said.says("Defaulted container \"main\" out of: main, setup (init), stays (init)")?;
        said.ended(0)?;
        same(&kubectl.good("exec web -c stays -- echo there")?, "there\n")?;
        kubectl.refused(
            "exec web -- no-such-command",
            &["no-such-command", "not found"],
        )?;
        kubectl.refused(
            "exec web -c nope -- true",
            &["container nope is not valid for pod web"],
        )?;
        kubectl.refused("exec nope -- true", &["pods \"nope\" not found"])?;
        kubectl.refused("exec web -c setup -- true", &["container"])
    })
}

fn exec_carries_stdin_whole(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
        let said = kubectl.with_stdin(&["exec", "-i", "web", "-c", "main", "--", "cat"], &text)?;
        let length = said.out.len();
        ensure!(
            said.code == 0 && said.out == text,
            "{length} of {} bytes came back: {}",
            text.len(),
            said.err
        );
        Ok(())
    })
}

/// Says what it reads, until it reads `end`.
const ECHO: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: echo}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: host:/
    stdin: true
    command: [sh, -c, "echo ready; while read -r line; do echo \"got $line\"; test \"$line\" = end && exit 4; done; exit 9"]
"#;

fn attach_shows_and_feeds(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        kubectl.apply(ECHO)?;
        kubectl.good("wait --for=condition=Ready pod/echo --timeout=20s")?;
        let mut first = kubectl.start(&["attach", "-i", "echo"])?;
        first.write("one\n")?;
        first.until("what was fed", |text| text.contains("got one"))?;
        // Who only looks sees what another one feeds.
        let second = kubectl.start(&["attach", "echo"])?;
        let seen = runtime_tests::daemon::until(10.0, || {
            first.write("again\n")?;
            Ok(second.so_far().out.contains("got again"))
        })?;
        ensure!(seen, "{}", second.so_far().shown());
        second.end()?;
        first.write("end\n")?;
        first.finish()?;
        daemon.until_pod("echo", "its end", |pod| {
            pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
        })?;
        kubectl.refused(
            "attach echo",
            &["cannot attach a container in a completed pod"],
        )
    })
}

fn cp_carries_files_both_ways(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let folder = world.work.join("there");
        std::fs::create_dir_all(folder.join("deeper"))?;
        std::fs::write(folder.join("big"), &bytes)?;
        std::fs::write(folder.join("deeper/small"), "small\n")?;
        kubectl.good("cp there web:/tmp/there -c main")?;
        same(
            &kubectl.good("exec web -c main -- cat /tmp/there/deeper/small")?,
            "small\n",
        )?;
        kubectl.good("cp web:/tmp/there back -c main")?;
        ensure!(
            std::fs::read(world.work.join("back/big"))? == bytes,
            "the file came back otherwise"
        );
        same(
            &std::fs::read_to_string(world.work.join("back/deeper/small"))?,
            "small\n",
        )?;
        // kubectl does not wait for what tar says of a file that is not there.
        kubectl.run(&["cp", "web:/no/such/file", "x", "-c", "main"])?;
        ensure!(!world.work.join("x").exists(), "something came of nothing");
        Ok(())
    })
}

const SERVER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: server}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: host:/
    command: [python3, -u, -c, "import http.server as h; h.test(h.SimpleHTTPRequestHandler, h.ThreadingHTTPServer, port=8080, bind='127.0.0.1')"]
    workingDir: /data
    volumeMounts: [{name: data, mountPath: /data}]
    ports: [{name: http, containerPort: 8080}]
    readinessProbe: {exec: {command: [python3, -c, "import socket; socket.create_connection(('127.0.0.1', 8080))"]}, periodSeconds: 1}
  volumes: [{name: data, emptyDir: {}}]
"#;

fn ask(path: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect("127.0.0.1:18080")?;
    stream.set_read_timeout(Some(runtime_tests::at_most_s(15.0)))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    Ok(stream)
}

fn body(mut stream: TcpStream) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| failed("no answer came through"))?;
    Ok(bytes.split_off(end + 4))
}

fn port_forward_carries_two_connections_at_once(world: &World) -> Verdict {
    runtime_tests::needs!("python3");
    with_web(world, |_, kubectl| {
        kubectl.apply(SERVER)?;
        kubectl.good("wait --for=condition=Ready pod/server --timeout=30s")?;
        let script = "head -c 5000000 /dev/zero | tr '\\0' x > /data/big; echo small > /data/small";
        kubectl
            .run(&["exec", "server", "--", "sh", "-c", script])?
            .ended(0)?;
        let mut forward = kubectl.start(&["port-forward", "pod/server", "18080:http"])?;
        forward.until("it listens", |text| {
            text.contains("Forwarding from 127.0.0.1:18080 -> 8080")
        })?;
        // The first is open and unread while the second one is answered.
        let first = ask("/big")?;
        let second = ask("/small")?;
        ensure!(body(second)? == b"small\n", "the second one");
        let big = body(first)?;
        ensure!(
            big.len() == 5_000_000 && big.iter().all(|byte| *byte == b'x'),
            "{} bytes",
            big.len()
        );
        forward.end()?;
        // A port where nobody listens says so and does not end the forwarding of others.
        let mut forward = kubectl.start(&["port-forward", "pod/server", "18080:8081"])?;
        forward.until("it listens", |text| {
            text.contains("Forwarding from 127.0.0.1:18080")
        })?;
        let mut stream = ask("/")?;
        let mut nothing = Vec::new();
        stream.read_to_end(&mut nothing).ok();
        ensure!(nothing.is_empty(), "somebody answered");
        let said = forward.end()?;
        ensure!(said.err.contains("8081"), "{}", said.shown());
        Ok(())
    })
}

fn debug_looks_at_a_running_pod(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let image = "--image=localhost/host";
        let script = "read line; echo \"read $line\"; tr '\\0' ' ' < /proc/1/cmdline; exit 5";
        let words = [
            "debug",
            "web",
            "-i",
            image,
            "--target=main",
            "-c",
            "look",
            "--profile=general",
            "--",
            "sh",
            "-c",
            script,
        ];
        let said = kubectl.with_stdin(&words, "this\n")?;
        in_order(&said.out, &["read this", "trap 'exit 0' TERM; echo hello"])?;
        let pod = daemon.until_pod("web", "its end", |pod| {
            pod["status"]["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 5
        })?;
        ensure!(pod["status"]["phase"] == "Running", "{:#}", pod["status"]);
        // It is no part of the Pod's readiness, and its log can be read.
        let table = kubectl.good("get pods")?;
        ensure!(
            row(&table, "web")?[1..4] == ["2/2", "Running", "0"],
            "{table}"
        );
        in_order(&kubectl.good("logs web -c look")?, &["read this"])?;
        in_order(
            &kubectl.good("describe pod web")?,
            &["Ephemeral Containers:\n  look:", "Exit Code:    5"],
        )
    })
}

/// kubectl sends both as Protocol Buffers.
fn debug_runs_a_copy_of_a_pod_and_a_pod_on_the_node(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let copy = "debug web --image=localhost/host --copy-to=copy -c main --profile=general --share-processes=false \
                    -- sleep 600";
        kubectl.good(copy)?;
        kubectl.good("wait --for=condition=Ready pod/copy --timeout=20s")?;
        let copied = daemon.pod("copy")?;
        let main = &copied["spec"]["containers"][0];
        ensure!(
            main["command"] == serde_json::json!(["sleep", "600"])
                && main["resources"]["limits"]["memory"] == "200Mi"
                && copied["spec"]["initContainers"][1]["restartPolicy"] == "Always",
            "{:#}",
            copied["spec"]
        );
        let node = kubectl.good("get nodes -o name")?;
        let words = [
            "debug",
            node.trim(),
            "--image=localhost/host",
            "--profile=general",
            "--",
            "sh",
            "-c",
            "ls -d /host/proc",
        ];
        let said = kubectl.run(&words)?;
        said.ended(0)?;
        let pods = kubectl.good("get pods -o name")?;
        let debugger = pods.lines().find(|name| name.contains("node-debugger"));
        let Some(debugger) = debugger else {
            return Err(runtime_tests::failed(pods));
        };
        kubectl.good(&format!(
            "wait --for=jsonpath={{.status.phase}}=Succeeded {debugger} --timeout=20s"
        ))?;
        same(&kubectl.good(&format!("logs {debugger}"))?, "/host/proc\n")
    })
}
