//! What do these files hold, and what is wrong with them, all at once?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::document::{self, Document, Kind};
use super::tree::Value;
use super::{Manifest, Node, Path, Problem, Rejected, SourceFile, decode, yaml};
use crate::support::{self, Support};
use crate::validate::{self, Invalid, InvalidKind};
use crate::{defaults, lower};

/// After so many problems nothing more is looked for.
const MOST_PROBLEMS: usize = 1_000;

/// Reads manifests: every document of every file, strictly, with Kubernetes' defaults.
///
/// `uids` gives a fresh unique id for each Pod that brings none; letters, digits and `-`.
///
/// # Errors
/// All problems of all documents, if there is one.
pub fn read(files: &[SourceFile], uids: &mut dyn FnMut() -> String) -> Result<Manifest, Rejected> {
    let mut reader = Reader {
        uids,
        problems: Vec::new(),
        seen: BTreeSet::new(),
        manifest: Manifest::default(),
    };
    for file in files {
        for node in yaml::documents(file, &mut reader.problems) {
            for document in document::flatten(&file.name, node, &mut reader.problems) {
                if reader.problems.len() <= MOST_PROBLEMS {
                    reader.take(file, document);
                }
            }
        }
        if reader.problems.len() > MOST_PROBLEMS {
            let message =
                format!("there are more than {MOST_PROBLEMS} problems; it is not read on");
            let problem = Problem::new(&file.name, String::new(), message, None);
            reader.problems.push(problem);
            break;
        }
    }
    let Reader {
        mut problems,
        mut manifest,
        ..
    } = reader;
    sort(files, &mut problems);
    sort(files, &mut manifest.warnings);
    if problems.is_empty() {
        Ok(manifest)
    } else {
        Err(Rejected {
            problems,
            warnings: manifest.warnings,
        })
    }
}

fn sort(files: &[SourceFile], problems: &mut Vec<Problem>) {
    problems.sort_by_cached_key(|problem| {
        let file = files.iter().position(|file| file.name == problem.file);
        (
            file,
            problem.place.map(|place| place.start),
            problem.path.clone(),
        )
    });
    problems.dedup();
}

struct Reader<'a> {
    uids: &'a mut dyn FnMut() -> String,
    problems: Vec<Problem>,
    /// Kind, namespace and name of each object, and the uids that manifests bring.
    seen: BTreeSet<(&'static str, String, String)>,
    manifest: Manifest,
}

impl Reader<'_> {
    fn take(&mut self, file: &SourceFile, Document { kind, mut node }: Document) {
        let before = self.problems.len();
        match kind {
            Kind::Pod => {
                if let Some(pod) = decode::decode::<core::Pod>(
                    &file.name,
                    &file.text,
                    &mut node,
                    &mut self.problems,
                ) {
                    self.pod(file, node, pod, before);
                }
            }
            Kind::ConfigMap => {
                let read = decode::decode::<core::ConfigMap>(
                    &file.name,
                    &file.text,
                    &mut node,
                    &mut self.problems,
                );
                let Some(mut object) = read else { return };
                defaults::metadata(&mut object.metadata);
                self.invalid(file, &node, before, validate::config_map(&object));
                if let Some(key) = self.claim(file, &node, "ConfigMap", &object.metadata) {
                    self.manifest.objects.config_maps.insert(key, object);
                }
            }
            Kind::Secret => {
                let read = decode::decode::<core::Secret>(
                    &file.name,
                    &file.text,
                    &mut node,
                    &mut self.problems,
                );
                let Some(mut object) = read else { return };
                defaults::secret(&mut object);
                self.invalid(file, &node, before, validate::secret(&object));
                if let Some(key) = self.claim(file, &node, "Secret", &object.metadata) {
                    self.manifest.objects.secrets.insert(key, object);
                }
            }
        }
    }

    fn pod(&mut self, file: &SourceFile, mut node: Node, mut pod: core::Pod, before: usize) {
        self.drop_token_volumes(file, &mut node, &mut pod);
        // A Pod that was read back from a cluster carries the status of a life that was not ours.
        pod.status = None;
        let uid = pod
            .metadata
            .uid
            .clone()
            .filter(|uid| !uid.is_empty())
            .unwrap_or_else(|| (self.uids)());
        pod.metadata.uid = Some(uid.clone());
        defaults::pod(&mut pod);
        self.invalid(file, &node, before, validate::pod(&pod));
        let mut told: BTreeSet<String> = self.problems[before..]
            .iter()
            .map(|problem| problem.path.clone())
            .collect();
        for field in support::fields(&file.name, &node, &pod) {
            let problem =
                |message| Problem::new(&field.file, field.path.clone(), message, field.place);
            match field.support {
                Support::Honoured | Support::Bookkeeping => {}
                Support::ByDaemon(why) => {
                    self.manifest
                        .warnings
                        .push(problem(format!("accepted, but {why}")));
                }
                Support::Ignored(why) => {
                    self.manifest
                        .warnings
                        .push(problem(format!("accepted, but not honoured: {why}")));
                }
                Support::Refused(why) => {
                    let refusal = problem(format!("not supported: {why}"));
                    if told.insert(refusal.path.clone()) {
                        self.problems.push(refusal);
                    }
                }
            }
            self.manifest.fields.push(field);
        }
        if !self.seen.insert(("uid", String::new(), uid.clone())) {
            let duplicate = Invalid {
                path: "metadata.uid".to_owned(),
                kind: InvalidKind::Duplicate,
                message: format!("Duplicate value: {uid:?}"),
            };
            self.invalid(file, &node, before, vec![duplicate]);
        }
        self.claim(file, &node, "Pod", &pod.metadata);
        if self.problems.len() == before {
            match lower::pod(pod) {
                Ok(pod) => self.manifest.pods.push(pod),
                Err(invalid) => self.invalid(file, &node, before, invalid),
            }
        }
    }

    /// Reports what validation found, but for what only follows from a problem that is known.
    fn invalid(&mut self, file: &SourceFile, node: &Node, before: usize, found: Vec<Invalid>) {
        let known: Vec<String> = self.problems[before..]
            .iter()
            .map(|problem| problem.path.clone())
            .collect();
        // A request that only took over its limit's amount shares its faults; once is enough.
        let took_over = |one: &Invalid| {
            let limit = one.path.replace(".requests[", ".limits[");
            limit != one.path
                && !node.has(&Path::parse(&one.path))
                && found
                    .iter()
                    .any(|other| other.path == limit && other.message == one.message)
        };
        for Invalid { path, message, .. } in found.iter().filter(|one| !took_over(one)).cloned() {
            let follows = known.iter().any(|known| {
                is_within(&path, known)
                    || (message.starts_with("Required value") && is_within(known, &path))
            });
            if !follows {
                let place = node.place_of(&Path::parse(&path));
                self.problems
                    .push(Problem::new(&file.name, path, message, Some(place)));
            }
        }
    }

    /// The object's namespace and name, unless another one of its kind has them.
    fn claim(
        &mut self,
        file: &SourceFile,
        node: &Node,
        kind: &'static str,
        metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    ) -> Option<(String, String)> {
        let key = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone()?,
        );
        if self.seen.insert((kind, key.0.clone(), key.1.clone())) {
            return Some(key);
        }
        let message = format!(
            "Duplicate value: {:?}: namespace {:?} has another {kind} of this name",
            key.1, key.0
        );
        let place = node.place_of(&Path::parse("metadata.name"));
        self.problems.push(Problem::new(
            &file.name,
            "metadata.name".to_owned(),
            message,
            Some(place),
        ));
        None
    }

    /// Drops the token volumes from the text's tree too, and says so.
    fn drop_token_volumes(&mut self, file: &SourceFile, node: &mut Node, pod: &mut core::Pod) {
        let names = defaults::drop_token_volumes(pod);
        if names.is_empty() {
            return;
        }
        let path = Path::parse("spec.volumes");
        let message =
            "the token volume that a cluster adds is left out: there is no API server for it"
                .to_owned();
        let warning = Problem::new(
            &file.name,
            path.to_string(),
            message,
            Some(node.place_of(&path)),
        );
        self.manifest.warnings.push(warning);
        retain_named(node.at_mut(&path), &names);
        for list in ["containers", "initContainers"] {
            let containers = node.at_mut(&Path::parse(&format!("spec.{list}")));
            if let Some(Value::List(containers)) = containers.map(|node| &mut node.value) {
                for container in containers {
                    retain_named(container.at_mut(&Path::parse("volumeMounts")), &names);
                }
            }
        }
    }
}

/// Drops the items of a list that have one of `names`.
fn retain_named(list: Option<&mut Node>, names: &BTreeSet<String>) {
    if let Some(Value::List(items)) = list.map(|node| &mut node.value) {
        items.retain(|item| {
            let name = item.get("name").and_then(Node::text);
            !name.is_some_and(|name| names.contains(name))
        });
    }
}

fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
