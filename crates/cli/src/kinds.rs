//! Which object is meant by `pod/web`, `po web` or `cm`?

use outrigger_api::Resource;

use crate::failure::Failure;

/// A kind, and one object of it if it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) resource: Resource,
    pub(crate) name: Option<String>,
}

/// The kind that a word means.
pub(crate) fn kind(word: &str) -> Result<Resource, Failure> {
    let lower = word.to_ascii_lowercase();
    let bare = ["v1.", ".v1", ".v1.", ".events.k8s.io"]
        .iter()
        .fold(lower.as_str(), |word, end| {
            word.strip_suffix(end).unwrap_or(word)
        });
    if bare == "all" {
        return Ok(Resource::Pods);
    }
    let meant = |resource: &Resource| {
        resource.plural() == bare
            || resource.kind().eq_ignore_ascii_case(bare)
            || resource.short_names().contains(&bare)
    };
    Resource::ALL.into_iter().find(meant).ok_or_else(|| {
        Failure::say(format!(
            "the server doesn't have a resource type {word:?}; Outrigger has pods, configmaps, secrets, events, \
             namespaces, nodes and serviceaccounts"
        ))
    })
}

/// As it stands before a slash in what is printed.
pub(crate) fn singular(resource: Resource) -> String {
    resource.kind().to_ascii_lowercase()
}

/// Reads `TYPE/NAME …` or `TYPE[,TYPE] [NAME …]`.
pub(crate) fn targets(words: &[String]) -> Result<Vec<Target>, Failure> {
    let slashed = words.iter().filter(|word| word.contains('/')).count();
    if slashed == 0 {
        let Some((kinds, names)) = words.split_first() else {
            return Err(Failure::say("you must specify the type of resource"));
        };
        let mut targets = Vec::new();
        for word in kinds.split(',').filter(|word| !word.is_empty()) {
            let resource = kind(word)?;
            if names.is_empty() {
                targets.push(Target {
                    resource,
                    name: None,
                });
            }
            targets.extend(names.iter().map(|name| Target {
                resource,
                name: Some(name.clone()),
            }));
        }
        return Ok(targets);
    }
    if slashed < words.len() {
        return Err(Failure::say(
            "there is no need to specify a resource type as a separate argument when passing arguments in \
             resource/name form (e.g. 'outrigger get resource/<resource_name>' instead of \
             'outrigger get resource resource/<resource_name>')",
        ));
    }
    words.iter().map(|word| one(word)).collect()
}

/// Reads `TYPE/NAME`.
pub(crate) fn one(word: &str) -> Result<Target, Failure> {
    match word.split_once('/') {
        Some((word, name)) if !name.is_empty() && !name.contains('/') => Ok(Target {
            resource: kind(word)?,
            name: Some(name.to_owned()),
        }),
        _ => Err(Failure::say(format!(
            "arguments in resource/name form must have a single resource and name, and {word:?} has not"
        ))),
    }
}

/// The name of a Pod that is typed as `NAME` or `pod/NAME`.
pub(crate) fn pod(word: &str) -> Result<&str, Failure> {
    match word.split_once('/') {
        None => Ok(word),
        Some((of, name)) if kind(of)? == Resource::Pods && !name.is_empty() => Ok(name),
        Some(_) => Err(Failure::say(format!("{word:?} is no pod"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Vec<(Resource, Option<String>)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let targets = targets(&words).unwrap();
        targets
            .into_iter()
            .map(|target| (target.resource, target.name))
            .collect()
    }

    #[test]
    fn objects_are_named_as_kubectl_takes_them() {
        let web = Some("web".to_owned());
        for words in [
            &["pod", "web"][..],
            &["po/web"],
            &["pods/web"],
            &["Pod", "web"],
        ] {
            assert_eq!(read(words), [(Resource::Pods, web.clone())], "{words:?}");
        }
        let both = [(Resource::Pods, None), (Resource::ConfigMaps, None)];
        assert_eq!(read(&["po,cm"]), both);
        assert_eq!(read(&["ns/a", "no/b"]).len(), 2);
        assert_eq!(pod("pod/web").unwrap(), "web");
        assert_eq!(pod("web").unwrap(), "web");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for words in [
            &["deployments"][..],
            &["pod", "po/web"],
            &["pod/"],
            &["pod/a/b"],
            &[],
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert!(targets(&words).is_err(), "{words:?}");
        }
        assert!(pod("cm/x").is_err());
    }
}
