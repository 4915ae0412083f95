use super::*;

fn fetched(path: &str) -> Value {
    let steps: Vec<&str> = path.split('/').collect();
    match answer(&steps, "application/json") {
        Some(Answer::Document(document)) => {
            let (body, _) = document.body(false).unwrap();
            serde_json::from_slice(&body).unwrap()
        }
        Some(Answer::Object { body, .. }) => body.to_value(),
        other => panic!("{path}: {other:?}"),
    }
}

fn schemas(path: &str) -> Value {
    fetched(path)["components"]["schemas"].take()
}

#[test]
fn the_index_leads_to_each_document_with_its_hash() {
    let index = fetched("v3");
    let paths = index["paths"].as_object().unwrap();
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/events.k8s.io/v1"));
    for (path, entry) in paths {
        let steps: Vec<&str> = std::iter::once("v3").chain(path.split('/')).collect();
        let Some(Answer::Document(document)) = answer(&steps, "") else {
            panic!("{path} is not there")
        };
        let etag = document.etag.unwrap();
        let address = entry["serverRelativeURL"].as_str().unwrap();
        assert_eq!(
            address,
            format!("/openapi/v3/{path}?hash={}", etag.trim_matches('"'))
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value, schemas: &Value, seen: &mut usize) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    let name = target.strip_prefix("#/components/schemas/").unwrap();
                    assert!(schemas.get(name).is_some(), "{target}");
                    assert_eq!(map.len(), 1, "beside $ref nothing counts: {value}");
                    *seen += 1;
                }
                map.values().for_each(|inner| check(inner, schemas, seen));
            }
            Value::Array(list) => list.iter().for_each(|inner| check(inner, schemas, seen)),
            _ => {}
        }
    }
    for path in [
        "v3/api/v1",
        "v3/apis/events.k8s.io/v1",
        "v3/apis/authorization.k8s.io/v1",
        "v3/apis/authentication.k8s.io/v1",
        "v3/apis/apps/v1",
    ] {
        let document = fetched(path);
        let mut seen = 0;
        check(&document, &document["components"]["schemas"], &mut seen);
        assert!(seen > 5, "{path}");
    }
}

#[test]
fn types_have_kubernetes_names_texts_and_merge_keys() {
    let schemas = schemas("v3/api/v1");
    let pod = &schemas["io.k8s.api.core.v1.Pod"];
    assert_eq!(
        pod["x-kubernetes-group-version-kind"],
        json!([{ "group": "", "kind": "Pod", "version": "v1" }])
    );
    assert_eq!(pod.get("required"), None);
    let spec = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"];
    assert_eq!(
        spec["volumes"]["x-kubernetes-patch-strategy"],
        "merge,retainKeys"
    );
    assert_eq!(spec["containers"]["x-kubernetes-patch-merge-key"], "name");
    let text =
        schemas["io.k8s.api.core.v1.Container"]["properties"]["restartPolicy"]["description"]
            .as_str()
            .unwrap();
    assert!(text.contains("init container"), "{text}");
    let quantity = &schemas["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!(
        quantity["oneOf"],
        json!([{ "type": "string" }, { "type": "number" }])
    );
}

#[test]
fn every_merge_key_of_the_patches_is_told_of_in_some_type() {
    let schemas = schemas("v3/api/v1");
    for field in crate::patch::schema::FIELDS {
        let name = ["io.k8s.api.core.v1", "io.k8s.apimachinery.pkg.apis.meta.v1"]
            .map(|package| format!("{package}.{}", field.of));
        let found = name.iter().find_map(|name| schemas.get(name));
        let property = found.and_then(|schema| schema["properties"].get(field.name));
        assert!(property.is_some(), "{field:?} is no field of Kubernetes");
    }
}

#[test]
fn what_can_be_written_can_be_validated() {
    let document = fetched("v3/api/v1");
    for path in [
        "/api/v1/namespaces/{namespace}/pods/{name}",
        "/api/v1/namespaces/{name}",
    ] {
        let patch = &document["paths"][path]["patch"];
        assert_eq!(patch["x-kubernetes-action"], "patch", "{path}");
        let names: Vec<&str> = patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert!(
            names.contains(&"fieldValidation") && names.contains(&"dryRun"),
            "{names:?}"
        );
        assert!(
            patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object()
        );
    }
}

#[test]
fn only_json_is_spoken_and_only_what_is_there() {
    let protobuf = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
    assert!(matches!(
        answer(&["v3"], protobuf),
        Some(Answer::Object { status: 406, .. })
    ));
    assert!(answer(&["v2"], "").is_none());
    assert!(answer(&["v3", "apis", "apps", "v2"], "").is_none());
}
