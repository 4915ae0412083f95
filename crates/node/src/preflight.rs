//! What will a Pod wait for in vain? Someone who runs a manifest is told at once of images and
//! objects that are not there: nobody will bring them later, as a cluster might.

use k8s_openapi::api::core::v1 as core;
use outrigger_image::{Reference, Store};
use outrigger_pod::{Objects, Pod};

use crate::hands::chain;

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The field that asks for it, in Kubernetes' spelling.
    pub path: String,
    /// What it asks for, and what can be done.
    pub message: String,
}

/// Everything that is missing.
pub(crate) fn missing(pod: &Pod, objects: &Objects, images: &Store) -> Vec<Missing> {
    let mut found = Search {
        pod,
        objects,
        missing: Vec::new(),
    };
    let Some(spec) = &pod.manifest.spec else {
        return Vec::new();
    };
    for (list, containers) in [
        (
            "initContainers",
            spec.init_containers.as_deref().unwrap_or_default(),
        ),
        ("containers", &spec.containers),
    ] {
        for (index, container) in containers.iter().enumerate() {
            let field = format!("spec.{list}[{index}]");
            found.image(
                &field,
                container.image.as_deref().unwrap_or_default(),
                images,
            );
            found.environment(&field, container);
        }
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        found.volume(&format!("spec.volumes[{index}]"), volume);
    }
    found.missing
}

struct Search<'a> {
    pod: &'a Pod,
    objects: &'a Objects,
    missing: Vec<Missing>,
}

/// A use of an object: which, and whether it may be missing.
struct Use<'a> {
    config_map: bool,
    name: &'a str,
    keys: Vec<&'a str>,
    optional: Option<bool>,
}

impl Search<'_> {
    fn add(&mut self, field: &str, problem: &str) {
        self.missing.push(Missing {
            path: field.to_owned(),
            message: problem.to_owned(),
        });
    }

    fn image(&mut self, field: &str, name: &str, images: &Store) {
        let problem = match Reference::parse(name) {
            Err(error) => chain(&error),
            Ok(reference) => match images.resolve(&reference) {
                Ok(_) => return,
                Err(error) => chain(&error),
            },
        };
        self.add(&format!("{field}.image"), &problem);
    }

    fn object(&mut self, field: &str, wanted: &Use<'_>) {
        if wanted.optional == Some(true) {
            return;
        }
        let key = (self.pod.namespace.clone(), wanted.name.to_owned());
        let noun = if wanted.config_map {
            "ConfigMap"
        } else {
            "Secret"
        };
        let keys = if wanted.config_map {
            let found = self.objects.config_maps.get(&key);
            found.map(|object| {
                let text = object.data.iter().flat_map(|data| data.keys());
                text.chain(object.binary_data.iter().flat_map(|data| data.keys()))
                    .collect::<Vec<_>>()
            })
        } else {
            let found = self.objects.secrets.get(&key);
            found.map(|object| object.data.iter().flat_map(|data| data.keys()).collect())
        };
        let problems: Vec<String> = match keys {
            None => vec![format!(
                "{noun} {:?} is in none of the files; add it as a further document, or mark it optional",
                wanted.name
            )],
            Some(keys) => {
                let absent = wanted
                    .keys
                    .iter()
                    .filter(|key| !keys.iter().any(|known| known == *key));
                absent
                    .map(|key| format!("{noun} {:?} has no key {key:?}", wanted.name))
                    .collect()
            }
        };
        for problem in problems {
            self.add(field, &problem);
        }
    }

    fn environment(&mut self, field: &str, container: &core::Container) {
        for (index, source) in container.env_from.iter().flatten().enumerate() {
            let field = format!("{field}.envFrom[{index}]");
            if let Some(from) = &source.config_map_ref {
                self.object(
                    &field,
                    &Use {
                        config_map: true,
                        name: &from.name,
                        keys: vec![],
                        optional: from.optional,
                    },
                );
            }
            if let Some(from) = &source.secret_ref {
                self.object(
                    &field,
                    &Use {
                        config_map: false,
                        name: &from.name,
                        keys: vec![],
                        optional: from.optional,
                    },
                );
            }
        }
        for (index, variable) in container.env.iter().flatten().enumerate() {
            let Some(from) = &variable.value_from else {
                continue;
            };
            let field = format!("{field}.env[{index}].valueFrom");
            if let Some(key) = &from.config_map_key_ref {
                let keys = vec![key.key.as_str()];
                self.object(
                    &field,
                    &Use {
                        config_map: true,
                        name: &key.name,
                        keys,
                        optional: key.optional,
                    },
                );
            }
            if let Some(key) = &from.secret_key_ref {
                let keys = vec![key.key.as_str()];
                self.object(
                    &field,
                    &Use {
                        config_map: false,
                        name: &key.name,
                        keys,
                        optional: key.optional,
                    },
                );
            }
        }
    }

    fn volume(&mut self, field: &str, volume: &core::Volume) {
        if let Some(source) = &volume.config_map {
            let keys = source
                .items
                .iter()
                .flatten()
                .map(|item| item.key.as_str())
                .collect();
            let wanted = Use {
                config_map: true,
                name: &source.name,
                keys,
                optional: source.optional,
            };
            self.object(&format!("{field}.configMap"), &wanted);
        }
        if let Some(source) = &volume.secret {
            let keys = source
                .items
                .iter()
                .flatten()
                .map(|item| item.key.as_str())
                .collect();
            let name = source.secret_name.as_deref().unwrap_or_default();
            let wanted = Use {
                config_map: false,
                name,
                keys,
                optional: source.optional,
            };
            self.object(&format!("{field}.secret"), &wanted);
        }
    }
}
