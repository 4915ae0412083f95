//! Which objects do manifests hold that are sent to the daemon? Whatever they are; it knows what it takes.

use std::path::PathBuf;

use outrigger_api::Resource;
use outrigger_pod::manifest;
use serde_json::Value;

use crate::failure::Failure;
use crate::{kinds, screen, sources};

/// An object, with the file that it stands in.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) file: String,
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) object: Value,
}

/// Reads the objects of files and of the folders that are named.
pub(crate) fn read(files: &[PathBuf], namespace: &str) -> Result<Vec<Wanted>, Failure> {
    let coloured = screen::coloured(&std::io::stderr());
    let mut found = Vec::new();
    for path in opened(files)? {
        let file = sources::source(&path)?;
        let values = manifest::values(&file).map_err(|rejected| {
            let files = std::slice::from_ref(&file);
            Failure(sources::picture(files, &rejected, coloured))
        })?;
        for object in values {
            found.push(wanted(&file.name, object, namespace)?);
        }
    }
    if found.is_empty() {
        return Err(Failure::say("there is no object in these files"));
    }
    Ok(found)
}

/// The manifests of folders in place of the folders.
fn opened(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in files {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let failed = |error| Failure::of(&format!("read {}", path.display()), &error);
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let end = path.extension().and_then(|end| end.to_str());
            if matches!(end, Some("yaml" | "yml" | "json")) && path.is_file() {
                inside.push(path);
            }
        }
        inside.sort();
        all.append(&mut inside);
    }
    Ok(all)
}

fn wanted(file: &str, mut object: Value, namespace: &str) -> Result<Wanted, Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    for (field, value) in [("kind", &kind), ("apiVersion", &version)] {
        if value.is_empty() {
            return Err(Failure::say(format!(
                "error validating {file:?}: error validating data: {field} not set"
            )));
        }
    }
    let resource = match kinds::kind(&kind) {
        Ok(resource) if version == "v1" => resource,
        _ => {
            return Err(Failure::say(format!(
                "unable to recognize {file:?}: no matches for kind {kind:?} in version {version:?}; \
                 Outrigger runs Pods on one machine and has no controllers for other kinds"
            )));
        }
    };
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        return Err(Failure::say(format!(
            "{file}: {kind}: metadata.name: Required value: it is what the object is found by"
        )));
    }
    let namespace = match text(&object["metadata"]["namespace"]) {
        none if none.is_empty() => namespace.to_owned(),
        written => written,
    };
    if resource.is_namespaced() {
        object["metadata"]["namespace"] = namespace.clone().into();
    }
    Ok(Wanted {
        file: file.to_owned(),
        resource,
        namespace,
        name,
        object,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_gets_the_namespace_that_is_asked_for_unless_it_names_one() {
        let pod = |namespace: Option<&str>| {
            let metadata = json!({ "name": "web", "namespace": namespace });
            let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata });
            wanted("file", object, "team").unwrap()
        };
        assert_eq!(pod(None).object["metadata"]["namespace"], "team");
        assert_eq!(pod(Some("mine")).namespace, "mine");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_the_file() {
        for object in [
            json!({ "kind": "Pod", "metadata": { "name": "x" } }),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x" } }),
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {} }),
            json!("text"),
        ] {
            let refused = wanted("some.yaml", object.clone(), "default").unwrap_err();
            assert!(refused.0.contains("some.yaml"), "{object}: {}", refused.0);
        }
    }
}
