use super::*;
use crate::Resource;

fn object(path: &str, accept: &str) -> Value {
    match answer(path, accept) {
        Some(Answer::Object {
            status: 200, body, ..
        }) => body.to_value(),
        other => panic!("{path}: {other:?}"),
    }
}

/// What client-go 1.32 sends.
const NEW: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

#[test]
fn the_catalog_names_every_kept_kind_as_the_store_does() {
    for resource in Resource::ALL {
        let served = catalog::GROUPS[0]
            .resources
            .iter()
            .find(|served| served.plural == resource.plural())
            .unwrap();
        assert_eq!(served.kind, resource.kind());
        assert_eq!(served.short_names, resource.short_names());
        assert_eq!(served.is_namespaced, resource.is_namespaced());
    }
    let ours = catalog::GROUPS[0].resources.iter();
    let ours = ours.filter(|served| !served.is_foreign());
    assert_eq!(ours.count(), Resource::ALL.len());
}

#[test]
fn old_clients_walk_from_group_to_resources() {
    assert_eq!(
        object("/api", "application/json")["versions"],
        json!(["v1"])
    );
    let groups = object("/apis", "*/*");
    for group in groups["groups"].as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        assert_eq!(object(&format!("/apis/{name}"), "")["kind"], "APIGroup");
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        let list = object(&format!("/apis/{version}/"), "");
        assert_eq!(list["groupVersion"], version);
    }
    let list = object("/api/v1", "");
    let resources = list["resources"].as_array().unwrap();
    let eviction = resources
        .iter()
        .find(|one| one["name"] == "pods/eviction")
        .unwrap();
    assert_eq!(
        (&eviction["group"], &eviction["version"]),
        (&json!("policy"), &json!("v1"))
    );
    let pods = resources.iter().find(|one| one["name"] == "pods").unwrap();
    assert_eq!(
        (&pods["shortNames"], &pods["categories"]),
        (&json!(["po"]), &json!(["all"]))
    );
}

#[test]
fn new_clients_get_everything_at_once_under_its_own_media_type() {
    for (accept, version) in [
        (NEW, "v2"),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            "v2beta1",
        ),
        (
            "application/yaml, application/json; as=APIGroupDiscoveryList; v=v2; g=apidiscovery.k8s.io",
            "v2",
        ),
    ] {
        let Some(Answer::Document(document)) = answer("/api", accept) else {
            panic!("{accept} gave no document")
        };
        assert!(
            document.content_type.contains(&format!("v={version};")),
            "{}",
            document.content_type
        );
        let (body, _) = document.body(false).unwrap();
        let list: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(list["apiVersion"], format!("apidiscovery.k8s.io/{version}"));
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn kinds_that_are_refused_are_named_so_that_kubectl_sends_them() {
    let list = object("/apis/apps/v1", "");
    let kinds = list["resources"].as_array().unwrap();
    let deployment = kinds.iter().find(|one| one["kind"] == "Deployment");
    assert_eq!(deployment.unwrap()["shortNames"], json!(["deploy"]));
    let services = object("/api/v1/namespaces/kube-system/services", "");
    assert_eq!(services["items"], json!([]));
    let services = object(
        "/api/v1/services",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
    );
    assert_eq!(
        (&services["kind"], &services["rows"]),
        (&json!("Table"), &json!([]))
    );
}

#[test]
fn a_form_that_nobody_knows_gets_the_plain_one() {
    let accept =
        "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json";
    assert_eq!(object("/apis", accept)["kind"], "APIGroupList");
}

#[test]
fn what_is_not_there_is_none() {
    for path in [
        "/apis/apps/v2",
        "/apis/autoscaling",
        "/api/v2",
        "/apis/events.k8s.io/v1beta1",
        "/x",
        "/openapi/v9",
    ] {
        assert!(answer(path, NEW).is_none(), "{path}");
    }
}

#[test]
fn the_version_can_be_read_as_a_semantic_one() {
    let version = object("/version", "");
    assert_eq!(
        (&version["major"], &version["minor"]),
        (&json!("1"), &json!("36"))
    );
    assert!(
        version["gitVersion"]
            .as_str()
            .unwrap()
            .starts_with("v1.36.0-outrigger.")
    );
}
