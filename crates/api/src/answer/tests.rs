use std::pin::Pin;

use serde_json::json;

use super::*;
use crate::cluster::{Answering, Bytes};
use crate::{
    Ask, Attach, Exec, LogQuery, Refused, Session, StoreError, Usage, UsageOf, Write, route,
};

mod deleting;
mod patching;
mod placing;
mod pods;
mod reading;

/// A cluster in which nothing runs but the Pod `web`.
struct Quiet;

fn no<'a, T: Send + 'a>() -> Answering<'a, T> {
    Box::pin(async { Err(Refused::BadRequest("nothing runs".to_owned())) })
}

impl Cluster for Quiet {
    fn logs<'a>(&'a self, _: &'a PodRef, _: LogQuery) -> Answering<'a, Bytes> {
        no()
    }
    fn exec<'a>(&'a self, _: &'a PodRef, _: Exec) -> Answering<'a, Session> {
        no()
    }
    fn attach<'a>(&'a self, _: &'a PodRef, _: Attach) -> Answering<'a, Session> {
        no()
    }
    fn connect<'a>(&'a self, _: &'a PodRef, _: u16) -> Answering<'a, tokio::net::TcpStream> {
        no()
    }
    fn usage<'a>(&'a self, pod: &'a PodRef) -> Answering<'a, UsageOf> {
        if pod.name == "mute" {
            return Box::pin(async { Err(Refused::Internal("no answer".to_owned())) });
        }
        if pod.name != "web" {
            return no();
        }
        let usage = Usage {
            cpu_nanocores: 1500,
            memory_bytes: 4096,
        };
        let containers = vec![("main".to_owned(), usage)];
        Box::pin(async {
            Ok(UsageOf {
                at_ns: 1_000_000_000,
                window_ms: 100,
                containers,
            })
        })
    }
    fn node_usage(&self) -> Answering<'_, UsageOf> {
        no()
    }
    fn metrics(&self) -> Answering<'_, String> {
        let metrics: Pin<Box<dyn Future<Output = Result<String, Refused>> + Send>> =
            Box::pin(async { Ok("kubelet_running_pods 0\n".to_owned()) });
        metrics
    }
    fn unready(&self) -> Vec<String> {
        vec!["disk is full".to_owned()]
    }
}

/// A front with the namespace `default`.
struct Desktop(Front<Quiet>);

impl Desktop {
    fn new() -> Desktop {
        let desktop = Desktop(Front::new(Store::in_memory(), Arc::new(Quiet), "host"));
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default", "uid": "n" },
            "status": { "phase": "Active" },
        });
        desktop.put(Resource::Namespaces, "", "default", namespace);
        desktop
    }

    /// What the node does.
    fn put(&self, resource: Resource, namespace: &str, name: &str, object: Value) {
        let key = key(resource, namespace, name);
        let written = self
            .0
            .store()
            .write(&key, |_| Ok::<_, StoreError>(Write::Volatile(object)));
        written.unwrap();
    }

    /// The phase that the node has seen.
    fn set_phase(&self, name: &str, phase: &str) {
        let key = key(Resource::Pods, "default", name);
        let mut pod = Value::clone(&self.0.store().get(&key).unwrap().object);
        pod["status"]["phase"] = phase.into();
        self.put(Resource::Pods, "default", name, pod);
    }

    async fn ask(&self, line: &str, content_type: &str, body: &str) -> Result<Answer, Failure> {
        let (method, rest) = line.split_once(' ').unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let request = route(&Ask {
            method,
            path,
            query,
            content_type,
            ..Ask::default()
        })?;
        let caller = Caller {
            agent: "test".to_owned(),
        };
        self.0.answer(request, body.as_bytes(), &caller).await
    }

    /// Asks with a JSON body and gives status, body and warnings.
    async fn full(&self, line: &str, body: &Value) -> (u16, Value, Vec<String>) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        match self.ask(line, "application/json", &body).await {
            Ok(Answer::Object {
                status,
                body,
                warnings,
            }) => {
                let value = body.to_value();
                // What is written without a copy is the same.
                assert_eq!(serde_json::to_value(&body).unwrap(), value);
                (status, value, warnings)
            }
            Ok(other) => panic!("{line}: {other:?}"),
            Err(failure) => (failure.reason.code(), failure.status(), Vec::new()),
        }
    }

    async fn send(&self, line: &str, body: &Value) -> (u16, Value) {
        let (status, body, _) = self.full(line, body).await;
        (status, body)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(&format!("GET {path}"), &Value::Null).await
    }

    async fn patch(&self, kind: &str, path: &str, body: &str) -> (u16, Value) {
        match self.ask(&format!("PATCH {path}"), kind, body).await {
            Ok(Answer::Object { status, body, .. }) => (status, body.to_value()),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => (failure.reason.code(), failure.status()),
        }
    }
}

fn key(resource: Resource, namespace: &str, name: &str) -> Key {
    Key {
        resource,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "main", "image": "host:/", "command": ["sleep", "9"] }] },
    })
}

fn map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": value } })
}

#[tokio::test]
async fn the_small_answers() {
    let desktop = Desktop::new();
    let text = |answer| match answer {
        Ok(Answer::Text { status, body }) => (status, body),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text(desktop.ask("GET /livez", "", "").await),
        (200, "ok".to_owned())
    );
    let (status, body) = text(desktop.ask("GET /readyz", "", "").await);
    assert_eq!((status, body.contains("[-]disk is full")), (500, true));
    assert_eq!(text(desktop.ask("GET /metrics", "", "").await).0, 200);
    let review = json!({ "spec": { "resourceAttributes": { "verb": "delete" } } });
    let path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let (status, body) = desktop.send(path, &review).await;
    assert_eq!((status, &body["status"]["allowed"]), (201, &json!(true)));
    assert_eq!(body["spec"], review["spec"]);
}

#[tokio::test]
async fn only_what_runs_has_metrics() {
    let desktop = Desktop::new();
    desktop.send(&format!("POST {PODS}"), &pod("web")).await;
    desktop.send(&format!("POST {PODS}"), &pod("idle")).await;
    desktop.send(&format!("POST {PODS}"), &pod("mute")).await;
    let mute = desktop
        .get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/mute")
        .await;
    assert_eq!(mute.0, 500);
    let (_, list) = desktop.get("/apis/metrics.k8s.io/v1beta1/pods").await;
    assert_eq!(list["kind"], "PodMetricsList");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let one = desktop
        .get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web")
        .await
        .1;
    assert_eq!(one, list["items"][0]);
    let usage = json!([{ "name": "main", "usage": { "cpu": "1500n", "memory": "4Ki" } }]);
    assert_eq!(one["containers"], usage);
    assert_eq!(
        (&one["window"], &one["timestamp"]),
        (&json!("100ms"), &json!("1970-01-01T00:00:01Z"))
    );
    assert_eq!(one["metadata"]["labels"]["app"], "web");
    let (status, _) = desktop
        .get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/idle")
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn no_more_pods_are_taken_than_the_node_holds_and_finished_ones_take_no_place() {
    let desktop = Desktop::new();
    for number in 0..MOST_PODS {
        let name = format!("web-{number}");
        desktop.put(Resource::Pods, "default", &name, pod(&name));
    }
    let (status, body) = desktop.send(&format!("POST {PODS}"), &pod("x")).await;
    let said = "pods \"x\" is forbidden: exceeded: this node holds 500 pods, which is the most";
    assert_eq!((status, &body["message"]), (403, &json!(said)));
    desktop.set_phase("web-7", "Succeeded");
    assert_eq!(
        desktop.send(&format!("POST {PODS}"), &pod("x")).await.0,
        201
    );
}

#[tokio::test]
async fn all_objects_together_have_a_most() {
    let desktop = Desktop::new();
    let empty = desktop.0.store().bytes();
    desktop.send(&format!("POST {MAPS}"), &map("a", "1")).await;
    let small = desktop.0.store().bytes();
    let path = format!("{MAPS}/a");
    desktop
        .send(&format!("PUT {path}"), &map("a", &"x".repeat(1000)))
        .await;
    assert_eq!(desktop.0.store().bytes(), small + 999);
    desktop.send(&format!("DELETE {path}"), &Value::Null).await;
    assert_eq!(desktop.0.store().bytes(), empty);

    // As if somebody had filled it.
    let full = json!({ "data": { "k": "x".repeat(256 * 1024 * 1024) } });
    desktop
        .send(&format!("POST {MAPS}"), &map("b", "long"))
        .await;
    desktop.put(Resource::ConfigMaps, "default", "full", full);
    let (status, body) = desktop.send(&format!("POST {MAPS}"), &map("c", "1")).await;
    assert_eq!(status, 403);
    assert!(
        body["message"].as_str().unwrap().contains("take 256 MiB"),
        "{body}"
    );
    let path = format!("{MAPS}/b");
    assert_eq!(
        desktop
            .send(&format!("PUT {path}"), &map("b", &"longer".repeat(100)))
            .await
            .0,
        403
    );
    assert_eq!(
        desktop
            .send(&format!("PUT {path}"), &map("b", "less"))
            .await
            .0,
        200
    );
}
