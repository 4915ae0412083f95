//! What do the files of the manifests folder say? A file is read again only when it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use outrigger_api::{Key, Resource};
use outrigger_pod::manifest::{self, Manifest, Problem, SourceFile};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One byte more than a file may have, so that a longer one is noticed and not cut.
const LIMIT: u64 = (1 << 20) + 1;
/// The most files that are read.
const FILES: usize = 10_000;

/// The reason of a complaint about a file that is used all the same.
pub(super) const WARNING: &str = "ManifestWarning";

/// What is said of a file that was emptied.
const EMPTY: &str = "it is empty, and changes nothing; remove it to end what it made";

/// Something that people have to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The Event's reason.
    pub(super) reason: &'static str,
    /// The file's name.
    pub(super) file: String,
    /// In a sentence, on one line.
    pub(super) text: String,
}

impl Complaint {
    /// A complaint about a file, or about the folder if it has no name.
    pub(super) fn new(reason: &'static str, file: &str, text: String) -> Complaint {
        Complaint {
            reason,
            file: file.to_owned(),
            text,
        }
    }
}

/// An object that a file wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// The file's name.
    pub(super) file: String,
    /// The hash of what it says.
    pub(super) hash: String,
    /// The object, without a uid.
    pub(super) object: Value,
}

/// Everything that the folder wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wants {
    /// Each object by its name.
    pub(super) objects: BTreeMap<Key, Wanted>,
    /// Files that are there and do not say anything that can be understood: what was made of them before
    /// this program started stays.
    pub(super) unread: BTreeSet<String>,
    /// Whether the folder could not be read at all.
    pub(super) blind: bool,
}

/// What tells one state of a file from another.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    /// What it last said well.
    good: Option<Vec<(Key, Wanted)>>,
    complaints: Vec<Complaint>,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: BTreeMap<String, Known>,
}

impl Folder {
    /// A folder that was not read yet.
    pub(super) fn new(path: PathBuf) -> Folder {
        Folder {
            path,
            files: BTreeMap::new(),
        }
    }

    /// Reads it: what it wants, and what is wrong with it.
    pub(super) fn read(&mut self) -> (Wants, Vec<Complaint>) {
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => {
                let text = format!("read folder {}: {error}", self.path.display());
                let wants = Wants {
                    blind: true,
                    ..Wants::default()
                };
                return (wants, vec![Complaint::new("FailedSync", "", text)]);
            }
        };
        self.files.retain(|name, _| names.contains(name));
        for name in names {
            self.read_file(name);
        }
        self.sum_up()
    }

    /// The names of manifests in it; those that editors make for themselves are none.
    fn names(&self) -> std::io::Result<BTreeSet<String>> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            // Nobody made it yet, so nobody wants anything.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            if let Ok(name) = entry?.file_name().into_string()
                && is_manifest(&name)
                && names.len() < FILES
            {
                names.insert(name);
            }
        }
        Ok(names)
    }

    fn read_file(&mut self, name: String) {
        let path = self.path.join(&name);
        let stamp = match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => stamp(&found),
            Ok(found) => return self.note(name, stamp(&found), Err(unlike_a_file(&found))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.files.remove(&name);
                // Without a link it went away while we looked.
                if let Ok(target) = std::fs::read_link(&path) {
                    let text = format!("it is a link to {}, which is not there", target.display());
                    let said = Complaint::new("FailedValidation", "", text);
                    self.note(name, Stamp::default(), Err(said));
                }
                return;
            }
            Err(error) => return self.note(name, Stamp::default(), Err(unreadable(&path, &error))),
        };
        if self
            .files
            .get(&name)
            .is_some_and(|known| known.stamp == stamp)
        {
            return;
        }
        let said = understand(&name, &path);
        self.note(name, stamp, said);
    }

    fn note(&mut self, name: String, stamp: Stamp, said: Result<Said, Complaint>) {
        let before = self.files.remove(&name).and_then(|known| known.good);
        let known = match said {
            Ok(said) => Known {
                stamp,
                good: Some(said.objects),
                complaints: said.warnings,
            },
            // It was made just now and will be written soon, or nobody misses anything.
            Err(complaint) if complaint.text == EMPTY && before.is_none() => Known {
                stamp,
                good: None,
                complaints: Vec::new(),
            },
            Err(mut complaint) => {
                complaint.file.clone_from(&name);
                Known {
                    stamp,
                    good: before,
                    complaints: vec![complaint],
                }
            }
        };
        self.files.insert(name, known);
    }

    fn sum_up(&self) -> (Wants, Vec<Complaint>) {
        let (mut wants, mut complaints) = (Wants::default(), Vec::new());
        for (name, known) in &self.files {
            complaints.extend(known.complaints.iter().cloned());
            let Some(good) = &known.good else {
                wants.unread.insert(name.clone());
                continue;
            };
            for (key, wanted) in good {
                match wants.objects.get(key) {
                    None => drop(wants.objects.insert(key.clone(), wanted.clone())),
                    Some(first) => {
                        let text = format!(
                            "{} {}/{} is also in {}, which comes first",
                            key.resource.kind(),
                            key.namespace,
                            key.name,
                            first.file
                        );
                        complaints.push(Complaint::new("NameConflict", name, text));
                    }
                }
            }
        }
        (wants, complaints)
    }
}

/// Whether a file of this name is a manifest.
fn is_manifest(name: &str) -> bool {
    let ends = [".yaml", ".yml", ".json"];
    !name.starts_with(['.', '#']) && ends.iter().any(|end| name.ends_with(end))
}

fn stamp(found: &std::fs::Metadata) -> Stamp {
    (
        found.dev(),
        found.ino(),
        found.len(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    )
}

fn unreadable(path: &Path, error: &std::io::Error) -> Complaint {
    let text = format!("read {}: {error}", path.display());
    Complaint::new("FailedValidation", "", text)
}

fn unlike_a_file(found: &std::fs::Metadata) -> Complaint {
    let what = match found.is_dir() {
        true => "it is a folder; what is below the folder of manifests' own files is not read",
        false => "it is no file",
    };
    Complaint::new("FailedValidation", "", what.to_owned())
}

struct Said {
    objects: Vec<(Key, Wanted)>,
    warnings: Vec<Complaint>,
}

fn understand(name: &str, path: &Path) -> Result<Said, Complaint> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    let bad = |text: &str| Complaint::new("FailedValidation", name, text.to_owned());
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 text"))?;
    // Half a write, a full disk or a slip of the hand: nobody ends Pods by emptying their file.
    if text.trim().is_empty() {
        return Err(bad(EMPTY));
    }
    let files = [SourceFile {
        name: name.to_owned(),
        text,
    }];
    let read = manifest::read(&files, &mut crate::fresh_uid).map_err(|rejected| {
        if holds_secret(&files[0].text) {
            return bad(&without_values(&rejected.problems));
        }
        let first = rejected.problems.iter().take(3).map(ToString::to_string);
        bad(&first.collect::<Vec<_>>().join("; "))
    })?;
    let warnings = read
        .warnings
        .iter()
        .map(|warning| Complaint::new(WARNING, name, warning.to_string()));
    Ok(Said {
        warnings: warnings.collect(),
        objects: objects(name, read).map_err(|error| bad(&error.to_string()))?,
    })
}

/// Whether a Secret stands in it, as far as that can be told of a text that could not be read.
fn holds_secret(text: &str) -> bool {
    let is_noise = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '\'');
    let plain: String = text.chars().filter(is_noise).collect();
    plain.contains("kind:Secret")
}

/// Where the problems are, and nothing of what stands there: many people read logs and Events.
fn without_values(problems: &[Problem]) -> String {
    let places = problems.iter().take(3).map(|problem| {
        let line = problem.place.map(|place| format!("line {}", place.line));
        let path = Some(problem.path.clone()).filter(|path| !path.is_empty());
        let parts: Vec<String> = line.into_iter().chain(path).collect();
        parts.join(", ")
    });
    let places: Vec<String> = places.filter(|place| !place.is_empty()).collect();
    format!(
        "it cannot be used ({}); there is a Secret in it, so what is wrong is not told here: use `outrigger check`",
        places.join("; ")
    )
}

fn objects(file: &str, read: Manifest) -> Result<Vec<(Key, Wanted)>, serde_json::Error> {
    let mut objects = Vec::new();
    let mut add = |resource, (namespace, name): (String, String), mut object: Value| {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("uid");
        }
        let wanted = Wanted {
            file: file.to_owned(),
            hash: hash(&object),
            object,
        };
        let key = Key {
            resource,
            namespace,
            name,
        };
        objects.push((key, wanted));
    };
    for pod in read.pods {
        let object = serde_json::to_value(&pod.manifest)?;
        add(Resource::Pods, (pod.namespace, pod.name), object);
    }
    for (name, object) in read.objects.config_maps {
        add(Resource::ConfigMaps, name, serde_json::to_value(object)?);
    }
    for (name, object) in read.objects.secrets {
        add(Resource::Secrets, name, serde_json::to_value(object)?);
    }
    Ok(objects)
}

/// 32 hexadecimal digits, as many as of the kubelet.
fn hash(object: &Value) -> String {
    let digest = Sha256::digest(object.to_string().as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::is_manifest;

    #[test]
    fn what_editors_leave_behind_is_no_manifest() {
        for name in ["web.yaml", "web.yml", "web.json"] {
            assert!(is_manifest(name), "{name}");
        }
        for name in [
            ".web.yaml.swp",
            "web.yaml~",
            "web.yaml.swp",
            ".web.yaml",
            "#web.yaml#",
            "README",
        ] {
            assert!(!is_manifest(name), "{name}");
        }
    }
}
