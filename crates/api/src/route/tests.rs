use super::*;
use crate::LogQuery;
use crate::table::Include;

fn ask(line: &str) -> Result<Request, Failure> {
    let (method, rest) = line.split_once(' ').unwrap();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    route(&Ask {
        method,
        path,
        query,
        now_ns: 100_000_000_000,
        content_type: if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            ""
        },
        ..Ask::default()
    })
}

fn refused(line: &str) -> (u16, String) {
    let failure = ask(line).unwrap_err();
    (failure.reason.code(), failure.message)
}

/// What a request is, in a few words.
fn words(request: &Request) -> String {
    let of = |key: &Key| format!("{}/{}/{}", key.resource.plural(), key.namespace, key.name);
    match request {
        Request::Document { path, .. } => format!("document {path}"),
        Request::Live => "live".to_owned(),
        Request::Ready => "ready".to_owned(),
        Request::Metrics => "metrics".to_owned(),
        Request::Get { key, .. } => format!("get {}", of(key)),
        Request::List { listed, .. } => {
            format!(
                "list {} in {:?}",
                listed.resource.plural(),
                listed.namespace
            )
        }
        Request::Watch { listed, .. } => format!(
            "watch {} in {:?} named {:?}",
            listed.resource.plural(),
            listed.namespace,
            listed.name
        ),
        Request::Create {
            resource,
            namespace,
            ..
        } => {
            format!("create {} in {namespace:?}", resource.plural())
        }
        Request::Update { key, part, .. } => format!("update {part:?} of {}", of(key)),
        Request::Patch {
            key, part, kind, ..
        } => format!("patch {kind:?} {part:?} of {}", of(key)),
        Request::Delete { key, .. } => format!("delete {}", of(key)),
        Request::DeleteCollection { listed, .. } => {
            format!("delete all {}", listed.resource.plural())
        }
        Request::Evict { key, .. } => format!("evict {}", of(key)),
        Request::Usage {
            shown,
            namespace,
            name,
            ..
        } => format!("usage {shown:?} {namespace:?} {name:?}"),
        Request::Review(review) => format!("review {review:?}"),
        Request::Stream(stream) => format!(
            "stream {}/{} {:?}",
            stream.namespace, stream.name, stream.kind
        ),
    }
}

/// Requests, and what they are.
const WANTED: &[(&str, &str)] = &[
    ("GET /", "document /"),
    ("GET /version", "document /version"),
    ("GET /api/v1", "document /api/v1"),
    (
        "GET /apis/metrics.k8s.io/v1beta1",
        "document /apis/metrics.k8s.io/v1beta1",
    ),
    (
        "GET /openapi/v3/api/v1?hash=1",
        "document /openapi/v3/api/v1",
    ),
    ("GET /livez/ping", "live"),
    ("GET /healthz", "live"),
    ("GET /readyz?verbose", "ready"),
    ("GET /metrics", "metrics"),
    ("GET /api/v1/pods", "list pods in None"),
    ("GET /api/v1/namespaces/a/pods", "list pods in Some(\"a\")"),
    (
        "GET /api/v1/namespaces/a/pods?watch=false",
        "list pods in Some(\"a\")",
    ),
    ("GET /api/v1/pods?watch=1", "watch pods in None named None"),
    (
        "GET /api/v1/watch/namespaces/a/pods",
        "watch pods in Some(\"a\") named None",
    ),
    (
        "GET /api/v1/watch/namespaces/a/pods/b",
        "watch pods in Some(\"a\") named Some(\"b\")",
    ),
    ("GET /api/v1/namespaces", "list namespaces in None"),
    ("GET /api/v1/namespaces/a", "get namespaces//a"),
    ("GET /api/v1/namespaces/a/status", "get namespaces//a"),
    ("GET /api/v1/nodes/n", "get nodes//n"),
    (
        "GET /api/v1/namespaces/a/configmaps/b%2Ec",
        "get configmaps/a/b.c",
    ),
    ("POST /api/v1/namespaces/a/pods", "create pods in \"a\""),
    ("POST /api/v1/namespaces", "create namespaces in \"\""),
    (
        "PUT /api/v1/namespaces/a/pods/b",
        "update Whole of pods/a/b",
    ),
    (
        "PATCH /api/v1/namespaces/a/pods/b/resize",
        "patch Merge Resize of pods/a/b",
    ),
    (
        "PATCH /api/v1/namespaces/a/pods/b/ephemeralcontainers",
        "patch Merge Ephemeral of pods/a/b",
    ),
    (
        "PUT /api/v1/namespaces/a/pods/b/status",
        "update Status of pods/a/b",
    ),
    ("DELETE /api/v1/namespaces/a/pods/b", "delete pods/a/b"),
    ("DELETE /api/v1/namespaces/a", "delete namespaces//a"),
    ("DELETE /api/v1/namespaces/a/secrets", "delete all secrets"),
    (
        "POST /api/v1/namespaces/a/pods/b/eviction",
        "evict pods/a/b",
    ),
    (
        "GET /apis/events.k8s.io/v1/namespaces/a/events",
        "list events in Some(\"a\")",
    ),
    (
        "GET /apis/metrics.k8s.io/v1beta1/nodes",
        "usage NodeMetrics None None",
    ),
    (
        "GET /apis/metrics.k8s.io/v1beta1/namespaces/a/pods/b",
        "usage PodMetrics Some(\"a\") Some(\"b\")",
    ),
    (
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "review Access",
    ),
    (
        "GET /api/v1/namespaces/a/pods/b/portforward?ports=80&ports=81",
        "stream a/b PortForward([80, 81])",
    ),
];

#[test]
fn method_and_path_say_what_is_wanted() {
    for (line, wanted) in WANTED {
        let found = ask(line).map(|request| words(&request));
        assert_eq!(found.as_deref(), Ok(*wanted), "{line}");
    }
}

/// Requests, and how they are refused.
const REFUSED: &[(&str, u16, &str)] = &[
    (
        "POST /apis/apps/v1/namespaces/default/deployments",
        404,
        "no Deployments, no Services",
    ),
    (
        "GET /apis/batch/v1/jobs",
        404,
        "jobs.batch: Outrigger runs Pods on one machine",
    ),
    (
        "POST /api/v1/namespaces/x/services",
        404,
        "services: Outrigger runs Pods on one machine",
    ),
    (
        "GET /api/v1/unicorns",
        404,
        "could not find the requested resource",
    ),
    (
        "GET /api/v1/pods/without-namespace",
        404,
        "could not find the requested resource",
    ),
    (
        "GET /api/v1/namespaces/a/nodes",
        404,
        "could not find the requested resource",
    ),
    (
        "GET /api/v1/namespaces/a/pods/b/c/d",
        404,
        "could not find the requested resource",
    ),
    ("GET /api/v1/namespaces/a/pods/b/proxy", 404, "port-forward"),
    (
        "POST /api/v1/namespaces/a/serviceaccounts/default/token",
        404,
        "makes no tokens",
    ),
    (
        "POST /api/v1/namespaces/a/pods/b/binding",
        405,
        "does not allow this method",
    ),
    ("POST /api/v1/pods", 405, "does not allow this method"),
    ("POST /api/v1/nodes", 405, "does not allow this method"),
    ("DELETE /api/v1/nodes/n", 405, "does not allow this method"),
    ("DELETE /api/v1/pods", 405, "does not allow this method"),
    (
        "POST /apis/events.k8s.io/v1/namespaces/a/events",
        405,
        "does not allow this method",
    ),
    ("POST /metrics", 405, "does not allow this method"),
    ("GET /api/v1/pods?labelSelector=a%20in", 400, ""),
    (
        "GET /api/v1/pods?fieldSelector=spec.foo=1",
        400,
        "field label not supported: spec.foo",
    ),
    ("GET /api/v1/pods?limit=x", 400, "limit"),
    ("GET /api/v1/pods?resourceVersion=x", 422, "resourceVersion"),
    (
        "GET /api/v1/pods?resourceVersionMatch=Exact",
        422,
        "unless resourceVersion is provided",
    ),
    (
        "GET /api/v1/pods?watch=1&sendInitialEvents=true",
        422,
        "requires setting resourceVersionMatch",
    ),
    (
        "POST /api/v1/namespaces/a/pods?dryRun=Some",
        422,
        "supported values: \"All\"",
    ),
    (
        "POST /api/v1/namespaces/a/pods?fieldValidation=Maybe",
        422,
        "Unsupported value: \"Maybe\"",
    ),
    ("GET /api/v1/namespaces/%zz/pods", 400, "cannot be decoded"),
    (
        "GET /api/v1/namespaces/a/pods/b/log?tailLines=-1",
        422,
        "tailLines: Invalid value: -1",
    ),
    (
        "GET /api/v1/namespaces/a/pods/b/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
        422,
        "at most one of",
    ),
    (
        "GET /api/v1/namespaces/a/pods/b/exec?stdout=1",
        400,
        "at least one command",
    ),
    (
        "GET /api/v1/namespaces/a/pods/b/exec?command=ls",
        400,
        "at least 1 of stdin, stdout, stderr",
    ),
    (
        "DELETE /api/v1/namespaces/a/pods/b/exec?command=ls&stdin=1",
        405,
        "",
    ),
];

#[test]
fn what_there_is_not_is_refused_with_the_reason() {
    for (line, code, part) in REFUSED {
        let (found, message) = refused(line);
        assert!(
            found == *code && message.contains(part),
            "{line}: {found} {message}"
        );
    }
}

#[test]
fn the_query_of_a_log_is_read_whole() {
    let line = "GET /api/v1/namespaces/a/pods/b/log?container=c&follow=true&previous=false&sinceSeconds=10\
                &tailLines=5&limitBytes=9&timestamps=1";
    let Request::Stream(PodStream {
        kind: StreamKind::Log(query),
        ..
    }) = ask(line).unwrap()
    else {
        panic!("no log");
    };
    let wanted = LogQuery {
        container: "c".to_owned(),
        follow: true,
        since_ns: Some(90_000_000_000),
        tail_lines: Some(5),
        limit_bytes: Some(9),
        timestamps: true,
        ..LogQuery::default()
    };
    assert_eq!(query, wanted);
}

#[test]
fn a_command_is_its_words_in_order_and_a_terminal_has_no_stderr() {
    let line = "POST /api/v1/namespaces/a/pods/b/exec?command=sh&command=-c&command=echo+%22a+b%22&stdout=true\
                &stderr=true&tty=true";
    let Request::Stream(PodStream {
        kind: StreamKind::Exec(exec),
        ..
    }) = ask(line).unwrap()
    else {
        panic!("no command");
    };
    assert_eq!(exec.command, ["sh", "-c", "echo \"a b\""]);
    assert!(exec.streams.stdout && exec.streams.tty && !exec.streams.stderr && !exec.streams.stdin);
}

fn shape_of(accept: &str) -> Result<Shape, u16> {
    let ask = Ask {
        method: "GET",
        path: "/api/v1/pods",
        accept,
        ..Ask::default()
    };
    match route(&ask) {
        Ok(Request::List { form, .. }) => Ok(form.shape),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.reason.code()),
    }
}

#[test]
fn the_first_form_in_accept_that_there_is_is_taken() {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                 application/json";
    assert_eq!(shape_of(table), Ok(Shape::Table(Include::Metadata)));
    assert_eq!(shape_of(""), Ok(Shape::Object));
    assert_eq!(shape_of("*/*"), Ok(Shape::Object));
    let client_go = "application/vnd.kubernetes.protobuf,application/json";
    assert_eq!(shape_of(client_go), Ok(Shape::Object));
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    assert_eq!(shape_of(partial), Ok(Shape::Metadata));
    assert_eq!(shape_of("application/vnd.kubernetes.protobuf"), Err(406));
    assert_eq!(
        shape_of("application/json;as=Table;v=v9;g=meta.k8s.io"),
        Err(406)
    );
}

#[test]
fn a_body_that_cannot_be_read_is_refused_before_it_is() {
    let post = |content_type| {
        let path = "/api/v1/namespaces/a/pods";
        route(&Ask {
            method: "POST",
            path,
            content_type,
            ..Ask::default()
        })
    };
    assert!(post("application/json; charset=utf-8").is_ok());
    assert!(post("application/yaml").is_ok());
    let failure = post("application/cbor").unwrap_err();
    assert_eq!(failure.reason.code(), 415);
    let patch = |content_type| {
        let path = "/api/v1/namespaces/a/pods/b";
        route(&Ask {
            method: "PATCH",
            path,
            content_type,
            ..Ask::default()
        })
    };
    assert!(patch("application/apply-patch+yaml").is_ok());
    assert_eq!(patch("application/json").unwrap_err().reason.code(), 415);
}
