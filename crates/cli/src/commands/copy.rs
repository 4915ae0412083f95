//! `outrigger cp`: files go into a container and come out of one, in a tar stream.

mod flow;
mod unpack;

use std::path::{Path, PathBuf};

use outrigger_api::Resource;

use self::flow::{Pipe, Sink, run};
use super::exec::default_container;
use crate::args::{Copy, Places};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Here(PathBuf),
    There {
        namespace: Option<String>,
        pod: String,
        path: String,
    },
}

/// Copies.
pub(crate) fn copy(places: &Places, copy: &Copy) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    let (from, to) = (parse(&copy.from)?, parse(&copy.to)?);
    Client::run(async {
        match (from, to) {
            (End::Here(from), there @ End::There { .. }) => {
                into(&client, copy, &from, there).await?;
            }
            (there @ End::There { .. }, End::Here(to)) => out(&client, copy, there, &to).await?,
            (End::Here(_), End::Here(_)) => {
                return Err(Failure::say(
                    "one of src or dest must be a remote file specification: POD:PATH",
                ));
            }
            _ => {
                return Err(Failure::say(
                    "one of src or dest must be a local file specification",
                ));
            }
        }
        Ok(0)
    })
}

/// Reads `[NAMESPACE/]POD:PATH`, or a path here.
fn parse(text: &str) -> Result<End, Failure> {
    let Some((pod, path)) = text.split_once(':') else {
        return Ok(End::Here(text.into()));
    };
    // A colon behind a slash at the start belongs to a path.
    if pod.starts_with(['/', '.']) {
        return Ok(End::Here(text.into()));
    }
    let (namespace, pod) = match pod.split_once('/') {
        Some((namespace, pod)) => (Some(namespace.to_owned()), pod),
        None => (None, pod),
    };
    if pod.is_empty() || pod.contains('/') || path.is_empty() {
        return Err(Failure::say(format!(
            "{text:?} is no [NAMESPACE/]POD:PATH with a path"
        )));
    }
    Ok(End::There {
        namespace,
        pod: pod.to_owned(),
        path: path.to_owned(),
    })
}

/// Where commands are run, and the path there.
async fn there(client: &Client, copy: &Copy, end: End) -> Result<(Place, String), Failure> {
    let End::There {
        namespace,
        pod,
        path,
    } = end
    else {
        return Err(Failure::say("the path is not in a Pod"));
    };
    let namespace = namespace.unwrap_or_else(|| copy.namespace.name.clone());
    let place = Place::one(Resource::Pods, &namespace, &pod);
    let object = client.json(Ask::get(place.clone())).await?;
    let container = match &copy.container {
        Some(container) => container.clone(),
        None => default_container(&object, false)?,
    };
    Ok((place.below("exec").with("container", container), path))
}

async fn into(client: &Client, copy: &Copy, from: &Path, end: End) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of(&format!("read {}", from.display()), &error);
    let is_dir = std::fs::metadata(from).map_err(failed)?.is_dir();
    let (place, path) = there(client, copy, end).await?;
    let test = ["test", "-d", path.as_str()];
    let is_folder_there = run(client, place.clone(), &test, None, Sink::Nothing).await? == 0;
    let own_name = from.canonicalize().map_err(failed)?;
    let own_name = own_name
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (folder, name) = if is_folder_there {
        (path, own_name)
    } else {
        split(&path)
    };
    let (pipe, bytes) = Pipe::new();
    let source = from.to_owned();
    // What cannot be read ends the stream; why is told below.
    let packing = tokio::task::spawn_blocking(move || pack(pipe, &source, &name, is_dir));
    let command = ["tar", "-xmf", "-", "-C", folder.as_str()];
    let code = run(client, place, &command, Some(bytes), Sink::Stderr).await?;
    let packed = packing
        .await
        .map_err(|error| Failure::of("pack the files", &error))?;
    match (code, packed) {
        (0, packed) => packed.map_err(failed),
        (code, _) => Err(Failure::say(format!(
            "tar in the container ended with exit code {code}"
        ))),
    }
}

fn pack(pipe: Pipe, source: &Path, name: &str, is_dir: bool) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(pipe);
    archive.follow_symlinks(false);
    if is_dir {
        archive.append_dir_all(name, source)?;
    } else {
        archive.append_file(name, &mut std::fs::File::open(source)?)?;
    }
    archive.finish()
}

async fn out(client: &Client, copy: &Copy, end: End, to: &Path) -> Result<(), Failure> {
    let (place, path) = there(client, copy, end).await?;
    let (folder, name) = split(&path);
    let to = if to.is_dir() {
        to.join(&name)
    } else {
        to.to_owned()
    };
    let (pipe, bytes) = Pipe::new();
    let top = name.clone();
    let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(bytes.reader(), &top, &to));
    let command = ["tar", "cf", "-", "-C", folder.as_str(), "--", name.as_str()];
    let code = run(client, place, &command, None, Sink::Pipe(pipe)).await?;
    let unpacked = unpacking
        .await
        .map_err(|error| Failure::of("unpack the files", &error))?;
    let skipped = unpacked?;
    for name in skipped {
        crate::screen::error(&format!(
            "warning: skipping {name}: neither a file nor a folder"
        ));
    }
    match code {
        0 => Ok(()),
        code => Err(Failure::say(format!(
            "tar in the container ended with exit code {code}"
        ))),
    }
}

/// The folder of a path in a container, and its last name.
fn split(path: &str) -> (String, String) {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), name.to_owned()),
        Some((folder, name)) => (folder.to_owned(), name.to_owned()),
        None if path.is_empty() => ("/".to_owned(), ".".to_owned()),
        None => (".".to_owned(), path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_in_a_pod_is_told_from_the_one_here() {
        let there = |namespace: Option<&str>| End::There {
            namespace: namespace.map(str::to_owned),
            pod: "web".to_owned(),
            path: "/a".to_owned(),
        };
        assert_eq!(parse("web:/a").unwrap(), there(None));
        assert_eq!(parse("team/web:/a").unwrap(), there(Some("team")));
        assert_eq!(parse("./a:b").unwrap(), End::Here("./a:b".into()));
        assert_eq!(parse("a").unwrap(), End::Here("a".into()));
        assert!(parse("web:").is_err());
    }

    #[test]
    fn a_path_has_a_folder_and_a_name() {
        let of = |path: &str| {
            let (folder, name) = split(path);
            format!("{folder} {name}")
        };
        assert_eq!(of("/tmp/a"), "/tmp a");
        assert_eq!(of("/a/"), "/ a");
        assert_eq!(of("a"), ". a");
        assert_eq!(of("/"), "/ .");
    }
}
