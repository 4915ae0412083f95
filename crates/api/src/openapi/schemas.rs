//! The types, with their descriptions, in the form that Kubernetes gives them.

use k8s_openapi::api::{authentication, authorization, core, events, policy};
use k8s_openapi::apimachinery::pkg::apis::meta;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::discovery::catalog::Group;
use crate::patch::schema::{FIELDS, How};

const REFERENCE: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// The name of the type of a kind in a group.
pub(super) fn name_of(group: &Group, kind: &str) -> String {
    format!("{}.{kind}", package(group))
}

fn package(group: &Group) -> String {
    let name = group.name.split('.').next().unwrap_or_default();
    let name = if name.is_empty() { "core" } else { name };
    format!("io.k8s.api.{name}.{}", group.version)
}

/// A reference to a type.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{REFERENCE}{name}") })
}

/// All types that a group's objects are made of.
pub(super) fn all(group: &Group) -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.meta_schema = None);
    let mut generator = settings.into_generator();
    generate(group, &mut generator);
    let mut schemas = generator.take_definitions(false);
    for schema in schemas.values_mut() {
        in_kubernetes_form(schema);
    }
    add_merge_keys(&mut schemas);
    for served in group.resources {
        let is_list = served.verbs.contains(&"list");
        let name = name_of(group, served.kind);
        if served.is_foreign() {
            schemas.insert(name, refused(group, served.kind));
            continue;
        }
        if let Some(Value::Object(schema)) = schemas.get_mut(&name) {
            schema.insert(
                "x-kubernetes-group-version-kind".to_owned(),
                json!([kind(group, served.kind)]),
            );
            // The crate of the types wants metadata, Kubernetes does not.
            if let Some(Value::Array(required)) = schema.get_mut("required") {
                required.retain(|field| field != "metadata");
            }
            if schema
                .get("required")
                .is_some_and(|required| required == &json!([]))
            {
                schema.remove("required");
            }
        }
        if is_list {
            schemas.insert(format!("{name}List"), list(group, served.kind, &name));
        }
    }
    Value::Object(schemas)
}

fn generate(group: &Group, generator: &mut SchemaGenerator) {
    generator.subschema_for::<meta::v1::DeleteOptions>();
    generator.subschema_for::<meta::v1::ListMeta>();
    generator.subschema_for::<meta::v1::Patch>();
    generator.subschema_for::<meta::v1::Status>();
    match group.name {
        "" => {
            generator.subschema_for::<core::v1::ConfigMap>();
            generator.subschema_for::<core::v1::Event>();
            generator.subschema_for::<core::v1::Namespace>();
            generator.subschema_for::<core::v1::Node>();
            generator.subschema_for::<core::v1::Pod>();
            generator.subschema_for::<core::v1::Secret>();
            generator.subschema_for::<core::v1::ServiceAccount>();
            generator.subschema_for::<policy::v1::Eviction>();
        }
        "events.k8s.io" => {
            generator.subschema_for::<events::v1::Event>();
        }
        "authentication.k8s.io" => {
            generator.subschema_for::<authentication::v1::SelfSubjectReview>();
        }
        "authorization.k8s.io" => {
            generator.subschema_for::<authorization::v1::SelfSubjectAccessReview>();
            generator.subschema_for::<authorization::v1::SelfSubjectRulesReview>();
        }
        _ => {}
    }
}

pub(super) fn kind(group: &Group, kind: &str) -> Value {
    json!({ "group": group.name, "kind": kind, "version": group.version })
}

/// The type of a kind that is refused whatever it says.
fn refused(group: &Group, kind_name: &str) -> Value {
    json!({
        "description": format!("{kind_name} is refused here: Outrigger runs Pods and has no controllers."),
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-group-version-kind": [kind(group, kind_name)],
    })
}

fn list(group: &Group, kind_of_items: &str, items: &str) -> Value {
    json!({
        "description": format!("{kind_of_items}List is a list of {kind_of_items} objects."),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": "The version of this representation of an object." },
            "items": { "type": "array", "items": reference(items), "description": "The objects." },
            "kind": { "type": "string", "description": "The kind of this object." },
            "metadata": {
                "description": "Standard list metadata.", "allOf": [reference(&format!("{META}.ListMeta"))],
            },
        },
        "x-kubernetes-group-version-kind": [kind(group, &format!("{kind_of_items}List"))],
    })
}

/// Beside `$ref` nothing counts in OpenAPI 3.0, so what stands beside it moves out.
fn in_kubernetes_form(schema: &mut Value) {
    let Value::Object(map) = schema else {
        return;
    };
    if map.remove("x-kubernetes-int-or-string").is_some() {
        let is_quantity = map
            .get("description")
            .and_then(Value::as_str)
            .is_some_and(|text| text.starts_with("Quantity"));
        if is_quantity {
            map.insert(
                "oneOf".to_owned(),
                json!([{ "type": "string" }, { "type": "number" }]),
            );
        } else {
            map.insert("format".to_owned(), json!("int-or-string"));
            map.insert(
                "oneOf".to_owned(),
                json!([{ "type": "integer" }, { "type": "string" }]),
            );
        }
    }
    if map.len() > 1
        && let Some(target) = map.remove("$ref")
    {
        map.insert("allOf".to_owned(), json!([{ "$ref": target }]));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            in_kubernetes_form(inner);
        }
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(in_kubernetes_form);
    }
}

/// kubectl makes its patches by these.
fn add_merge_keys(schemas: &mut Map<String, Value>) {
    for field in &FIELDS {
        let package = if field.of == "ObjectMeta" {
            META
        } else {
            "io.k8s.api.core.v1"
        };
        let property = schemas
            .get_mut(&format!("{package}.{}", field.of))
            .and_then(|schema| schema.pointer_mut(&format!("/properties/{}", field.name)));
        let Some(Value::Object(property)) = property else {
            continue;
        };
        let mut say = |key: &str, value: &str| {
            property.insert(format!("x-kubernetes-patch-{key}"), json!(value));
        };
        match field.how {
            How::Plain => {}
            How::Set => say("strategy", "merge"),
            How::By(key) => {
                say("strategy", "merge");
                say("merge-key", key);
            }
            How::ByRetaining(key) => {
                say("strategy", "merge,retainKeys");
                say("merge-key", key);
            }
        }
    }
}
