//! What the real kubectl sees, with a Pod that is made of this machine's processes.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::SystemTime;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::cluster::Answering;
use crate::serve::*;
use crate::{
    Attach, Cluster, Exec, Front, Interaction, Key, LogQuery, PodRef, Refused, Resource, Session,
    Store, StoreError, UsageOf, Write,
};

struct Machine;

fn refused(problem: impl std::fmt::Display) -> Refused {
    Refused::Internal(problem.to_string())
}

fn run(command: &[String], streams: Interaction) -> Result<Session, Refused> {
    let piped = |wanted: bool| {
        if wanted {
            Stdio::piped()
        } else {
            Stdio::null()
        }
    };
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .kill_on_drop(true)
        .stdin(piped(streams.stdin))
        .stdout(piped(streams.stdout))
        .stderr(piped(streams.stderr))
        .spawn()
        .map_err(refused)?;
    Ok(Session {
        stdin: child.stdin.take().map(|stdin| Box::new(stdin) as _),
        stdout: child.stdout.take().map(|stdout| Box::new(stdout) as _),
        stderr: child.stderr.take().map(|stderr| Box::new(stderr) as _),
        terminal: None,
        ended: Box::pin(async move {
            let status = child.wait().await.map_err(refused)?;
            Ok(status.code().unwrap_or(137))
        }),
    })
}

impl Cluster for Machine {
    fn logs<'a>(&'a self, _: &'a PodRef, _: LogQuery) -> Answering<'a, crate::Bytes> {
        Box::pin(async { Ok(Box::new(&b"one\ntwo\n"[..]) as crate::Bytes) })
    }
    fn exec<'a>(&'a self, _: &'a PodRef, exec: Exec) -> Answering<'a, Session> {
        Box::pin(async move { run(&exec.command, exec.streams) })
    }
    fn attach<'a>(&'a self, _: &'a PodRef, attach: Attach) -> Answering<'a, Session> {
        Box::pin(async move { run(&["cat".to_owned()], attach.streams) })
    }
    fn connect<'a>(&'a self, _: &'a PodRef, port: u16) -> Answering<'a, TcpStream> {
        Box::pin(async move {
            let connected = TcpStream::connect(("127.0.0.1", port)).await;
            connected.map_err(refused)
        })
    }
    fn usage<'a>(&'a self, _: &'a PodRef) -> Answering<'a, UsageOf> {
        Box::pin(async { Err(refused("not in this test")) })
    }
    fn node_usage(&self) -> Answering<'_, UsageOf> {
        Box::pin(async { Err(refused("not in this test")) })
    }
    fn metrics(&self) -> Answering<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }
    fn unready(&self) -> Vec<String> {
        Vec::new()
    }
}

fn store() -> Store {
    let store = Store::in_memory();
    let objects = [
        (
            Resource::Namespaces,
            "",
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default" }, "status": { "phase": "Active" } }),
        ),
        (
            Resource::Pods,
            "default",
            json!({ "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": "web", "namespace": "default", "uid": "1" },
                "spec": { "nodeName": "n", "containers": [{ "name": "app", "image": "x", "stdin": true }] },
                "status": { "phase": "Running", "containerStatuses": [{ "name": "app", "ready": true,
                    "restartCount": 0, "image": "x", "imageID": "", "state": { "running": {} } }] } }),
        ),
    ];
    for (resource, namespace, object) in objects {
        let key = Key {
            resource,
            namespace: namespace.to_owned(),
            name: object["metadata"]["name"].as_str().unwrap().to_owned(),
        };
        store
            .write::<StoreError>(&key, |_| Ok(Write::Volatile(object)))
            .unwrap();
    }
    store
}

fn kubectl(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command
        .env("KUBECONFIG", root.join("kubeconfig.yaml"))
        .env("HOME", root)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn say(root: &Path, arguments: &[&str], input: &[u8]) -> (Output, String) {
    let mut child = kubectl(root, arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = timeout(Duration::from_secs(60), child.wait_with_output());
    let output = output.await.expect("in time").unwrap();
    let _ = feeding.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    (output, text)
}

#[tokio::test]
async fn kubectl_reads_runs_feeds_and_forwards() {
    if std::process::Command::new("kubectl")
        .arg("help")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: there is no kubectl on this machine");
        return;
    }
    let root = std::env::temp_dir().join(format!("outrigger-kubectl-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let pki = crate::prepare_pki(&root, &[], SystemTime::now()).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", tcp.local_addr().unwrap());
    crate::write_kubeconfig(&root.join("kubeconfig.yaml"), &address, &pki).unwrap();
    let edges = Edges {
        tcp,
        tls: pki.server_config().unwrap(),
        unix: tokio::net::UnixListener::from_std(listen_unix(&root.join("api.sock")).unwrap())
            .unwrap(),
        relax: || (),
    };
    let (stop, shutdown) = watch::channel(false);
    let front = Arc::new(Front::new(store(), Arc::new(Machine), "host"));
    let task = tokio::spawn(serve(front, edges, Limits::default(), shutdown));

    let (_, text) = say(&root, &["get", "pods"], b"").await;
    assert!(text.contains("web") && text.contains("1/1"), "{text}");
    let (_, text) = say(&root, &["logs", "web"], b"").await;
    assert_eq!(text, "one\ntwo\n");
    let script = ["exec", "web", "--", "sh", "-c", "echo out; exit 3"];
    let (output, text) = say(&root, &script, b"").await;
    assert_eq!((text.as_str(), output.status.code()), ("out\n", Some(3)));
    let long = vec![b'x'; 1_000_000];
    let (_, text) = say(&root, &["exec", "-i", "web", "--", "wc", "-c"], &long).await;
    assert_eq!(text.trim(), "1000000");
    let (_, text) = say(&root, &["attach", "-i", "web"], b"to and fro\n").await;
    assert_eq!(text, "to and fro\n");
    let (output, _) = say(&root, &["exec", "web", "-c", "nope", "--", "true"], b"").await;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("container nope is not valid for pod web"),
        "{complaint}"
    );
    forwards(&root).await;

    stop.send(true).unwrap();
    timeout(Duration::from_secs(20), task)
        .await
        .unwrap()
        .unwrap();
    std::fs::remove_dir_all(root).unwrap();
}

async fn forwards(root: &Path) {
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = format!(":{}", inside.local_addr().unwrap().port());
    let mut forwarding = kubectl(root, &["port-forward", "pod/web", &port])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(forwarding.stdout.take().unwrap()).lines();
    let line = timeout(Duration::from_secs(60), lines.next_line());
    let line = line.await.unwrap().unwrap().unwrap_or_default();
    let near = line
        .strip_prefix("Forwarding from ")
        .and_then(|rest| rest.split(' ').next())
        .expect("an address");
    for _ in 0..3 {
        let mut outside = TcpStream::connect(near).await.unwrap();
        outside.write_all(b"hello").await.unwrap();
        let (mut end, _) = timeout(Duration::from_secs(20), inside.accept())
            .await
            .unwrap()
            .unwrap();
        let mut piece = [0; 5];
        end.read_exact(&mut piece).await.unwrap();
        end.write_all(b"goodbye").await.unwrap();
        drop(end);
        let mut text = String::new();
        let read = timeout(Duration::from_secs(20), outside.read_to_string(&mut text));
        read.await.unwrap().unwrap();
        assert_eq!((&piece, text.as_str()), (b"hello", "goodbye"));
    }
    forwarding.kill().await.unwrap();
}
