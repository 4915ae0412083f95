//! `outrigger system`: is the daemon well, and what can go?

mod retry;

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use hyper::Method;
use outrigger_api::Resource;
use outrigger_image::{Removed, Store};
use rustix::fs::statfs;
use serde_json::{Value, json};

use super::get::items;
use crate::args::{Places, System};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::screen;

/// What a mounted cgroup2 file system says that it is.
const CGROUP2: i64 = 0x6367_7270;

/// Looks, or cleans up.
pub(crate) fn system(places: &Places, system: &System) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    Client::run(async {
        match system {
            System::Info { output } => info(&client, places, output.is_some()).await,
            System::Prune { force, all } => prune(&client, places, *force, *all).await,
            System::Retry { pod, namespace } => retry::retry(&client, &namespace.name, pod).await,
        }
    })
}

async fn info(client: &Client, places: &Places, as_json: bool) -> Result<u8, Failure> {
    let directories = places
        .directories()
        .map_err(|error| Failure::of("find the current directory", &error))?;
    let mut facts = json!({
        "client": env!("CARGO_PKG_VERSION"),
        "root": directories.root, "state": directories.state, "logs": directories.logs,
        "socket": places.socket()?, "cgroups": cgroups(),
    });
    let unreachable = match client.json(Ask::get(Place::path("/version"))).await {
        Ok(version) => {
            facts["daemon"] = version["gitVersion"].clone();
            None
        }
        Err(refusal) => {
            facts["daemon"] = Value::Null;
            Some(Failure::from(refusal))
        }
    };
    if unreachable.is_none() {
        let ready = client.text(Ask::get(Place::path("/readyz"))).await;
        facts["ready"] = match ready {
            Ok(_) => "yes".into(),
            Err(refusal) => not_ready(&Failure::from(refusal).0).into(),
        };
        let pods = items(
            client
                .json(Ask::get(Place::all(Resource::Pods, None)))
                .await?,
        );
        let mut phases = serde_json::Map::new();
        for pod in &pods {
            let phase = pod["status"]["phase"].as_str().unwrap_or("Pending");
            let count = phases.get(phase).and_then(Value::as_u64).unwrap_or(0);
            phases.insert(phase.to_owned(), (count + 1).into());
        }
        facts["left"] = pods.iter().filter_map(left).collect();
        facts["silent"] = pods.iter().filter_map(silent).collect();
        facts["pods"] = pods.len().into();
        facts["phases"] = phases.into();
        let metrics = client.text(Ask::get(Place::path("/metrics"))).await?;
        let metrics = String::from_utf8_lossy(&metrics);
        facts["memoryBytes"] = number(&metrics, "process_resident_memory_bytes").into();
    }
    let text = match as_json {
        true => format!("{facts:#}\n"),
        false => told(&facts),
    };
    screen::output(text.as_bytes())?;
    match unreachable {
        None => Ok(0),
        Some(failure) => Err(failure),
    }
}

/// What `/readyz` says of a daemon that is not ready: a line for each thing that is wrong, between others.
fn not_ready(said: &str) -> String {
    let wrong: Vec<&str> = said
        .lines()
        .filter_map(|line| Some(line.split_once("[-]")?.1))
        .collect();
    match wrong.as_slice() {
        [] => format!("no: {said}"),
        wrong => format!("no: {}", wrong.join("; ")),
    }
}

/// A Pod that the daemon found and could not take up, and why.
fn left(pod: &Value) -> Option<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (status, metadata) = (&pod["status"], &pod["metadata"]);
    (status["reason"] == "NotTakenUp").then(|| {
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        format!("{namespace}/{name}: {}", text(&status["message"])).into()
    })
}

/// A Pod whose shim does not answer, and what that means.
fn silent(pod: &Value) -> Option<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut conditions = pod["status"]["conditions"].as_array()?.iter();
    let unknown = conditions.find(|one| one["reason"] == "ShimUnresponsive")?;
    let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
    let (namespace, name) = (text(namespace), text(name));
    Some(format!("{namespace}/{name}: {}", text(&unknown["message"])).into())
}

/// The facts for people.
fn told(facts: &Value) -> String {
    let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![
        ("Client version", text("client")),
        (
            "Daemon",
            match facts["daemon"].as_str() {
                Some(version) => format!("up, {version}"),
                None => "down".to_owned(),
            },
        ),
    ];
    if facts["daemon"].is_string() {
        let phases = facts["phases"].as_object().cloned().unwrap_or_default();
        let phases: Vec<String> = phases
            .iter()
            .map(|(phase, count)| format!("{count} {phase}"))
            .collect();
        let pods = match phases.is_empty() {
            true => "0".to_owned(),
            false => format!("{} ({})", facts["pods"], phases.join(", ")),
        };
        lines.push(("Ready", text("ready")));
        lines.push(("Pods", pods));
        let left = facts["left"].as_array().into_iter().flatten();
        let left = left.map(|pod| pod.as_str().unwrap_or_default().to_owned());
        lines.extend(left.map(|pod| ("Not taken up", pod)));
        let silent = facts["silent"].as_array().into_iter().flatten();
        let silent = silent.map(|pod| pod.as_str().unwrap_or_default().to_owned());
        lines.extend(silent.map(|pod| ("Not answering", pod)));
        if let Some(bytes) = facts["memoryBytes"].as_f64() {
            lines.push(("Memory", format!("{:.1} MiB", bytes / f64::from(1 << 20))));
        }
    }
    lines.extend([
        ("Root directory", text("root")),
        ("State directory", text("state")),
        ("Log directory", text("logs")),
        ("Socket", text("socket")),
        ("Cgroups", text("cgroups")),
    ]);
    let line = |(name, value): &(&str, String)| format!("{:<17}{value}\n", format!("{name}:"));
    lines.iter().map(line).collect()
}

fn number(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Which cgroup trees the machine has.
fn cgroups() -> &'static str {
    let is_v2 = |path: &str| statfs(path).is_ok_and(|found| found.f_type == CGROUP2);
    if is_v2("/sys/fs/cgroup") {
        "v2"
    } else if is_v2("/sys/fs/cgroup/unified") {
        "hybrid (controllers on v1)"
    } else if Path::new("/sys/fs/cgroup").is_dir() {
        "v1"
    } else {
        "none mounted at /sys/fs/cgroup"
    }
}

async fn prune(client: &Client, places: &Places, force: bool, all: bool) -> Result<u8, Failure> {
    let pods = items(
        client
            .json(Ask::get(Place::all(Resource::Pods, None)))
            .await?,
    );
    let (finished, others): (Vec<Value>, Vec<Value>) = pods.into_iter().partition(|pod| {
        matches!(
            pod["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        )
    });
    let directories = places
        .directories()
        .map_err(|error| Failure::of("find the current directory", &error))?;
    let store = Store::open(&directories.root)
        .map_err(|error| Failure::of("open the image store", &error))?;
    let images = if all {
        unused(&store, &others)?
    } else {
        Vec::new()
    };
    if !force && !confirmed(finished.len(), images.len())? {
        return Ok(1);
    }
    for pod in &finished {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        let place = Place::one(Resource::Pods, text("namespace"), text("name"));
        // Another one may have its name by now.
        let options = json!({ "preconditions": { "uid": pod["metadata"]["uid"] } });
        match client
            .json(Ask::with(Method::DELETE, place, &options))
            .await
        {
            Ok(_) => {
                let line = format!("pod {:?} deleted\n", text("name"));
                screen::output(line.as_bytes())?;
            }
            Err(refusal) if refusal.is_not_found() || refusal.is_conflict() => {}
            // A Pod of a manifest file goes with its file.
            Err(refusal) if refusal.reason() == Some("Forbidden") => {
                screen::error(&Failure::from(refusal).0);
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
    for name in images {
        store
            .remove(&name)
            .map_err(|error| Failure::of(&format!("remove {name}"), &error))?;
        screen::output(format!("Removed image: {name}\n").as_bytes())?;
    }
    let pruned = store
        .prune()
        .map_err(|error| Failure::of("remove what no image needs", &error))?;
    if pruned == Removed::Later {
        screen::error(
            "Warning: images are being loaded; what is not needed goes with the next prune",
        );
    }
    Ok(0)
}

/// The names of images that no Pod which goes on uses.
fn unused(store: &Store, pods: &[Value]) -> Result<Vec<String>, Failure> {
    let listed = store
        .list()
        .map_err(|error| Failure::of("list images", &error))?;
    let used: Vec<String> = pods.iter().flat_map(used_by).collect();
    let is_used = |name: &str, id: &str| used.iter().any(|used| used == name || used == id);
    let unused = listed
        .into_iter()
        .filter(|image| !is_used(&image.name, &image.id.to_string()));
    Ok(unused.map(|image| image.name).collect())
}

/// The images that a Pod asks for and those that it has got, by name.
fn used_by(pod: &Value) -> Vec<String> {
    let mut used = Vec::new();
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let containers = pod["spec"][list].as_array();
        for image in containers
            .into_iter()
            .flatten()
            .filter_map(|each| each["image"].as_str())
        {
            used.push(image.to_owned());
            if let Ok(reference) = outrigger_image::Reference::parse(image) {
                used.push(reference.to_string());
            }
        }
    }
    for list in [
        "containerStatuses",
        "initContainerStatuses",
        "ephemeralContainerStatuses",
    ] {
        let statuses = pod["status"][list].as_array();
        let ids = statuses
            .into_iter()
            .flatten()
            .filter_map(|each| each["imageID"].as_str());
        used.extend(ids.map(str::to_owned));
    }
    used
}

fn confirmed(pods: usize, images: usize) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::say(
            "nobody can be asked whether to go on; give --force to prune without asking",
        ));
    }
    let text = format!(
        "This deletes {pods} finished pods, {images} images, and what nothing needs. Go on? [y/N] "
    );
    screen::output(text.as_bytes())?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::of("read the answer", &error))?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ready_is_told_on_one_line() {
        assert_eq!(
            not_ready("error: [-]/var is full\nreadyz check failed"),
            "no: /var is full"
        );
        assert_eq!(not_ready("error: too busy"), "no: error: too busy");
    }

    #[test]
    fn the_images_of_a_pod_are_all_those_of_its_containers() {
        let pod = json!({
            "spec": { "containers": [{ "image": "app:v1" }], "initContainers": [{ "image": "host:/" }] },
            "status": { "containerStatuses": [{ "imageID": "sha256:abc" }] },
        });
        let used = used_by(&pod);
        for name in ["app:v1", "host:/", "sha256:abc"] {
            assert!(used.iter().any(|used| used == name), "{name}: {used:?}");
        }
    }

    #[test]
    fn a_number_is_found_among_metrics() {
        let metrics = "# HELP x\nprocess_resident_memory_bytes 1.5e+07\n";
        assert_eq!(
            number(metrics, "process_resident_memory_bytes"),
            Some(1.5e7)
        );
        assert_eq!(number(metrics, "other"), None);
    }

    #[test]
    fn a_pod_that_could_not_be_taken_up_is_told_with_the_cause() {
        let metadata = json!({ "namespace": "shop", "name": "web" });
        let status = json!({ "reason": "NotTakenUp", "message": "it is locked" });
        let line = left(&json!({ "metadata": metadata, "status": status }));
        assert_eq!(line, Some("shop/web: it is locked".into()));
        let facts = json!({ "daemon": "1", "left": [line] });
        let expected = "Not taken up:    shop/web: it is locked\n";
        assert!(told(&facts).contains(expected), "{}", told(&facts));
        assert_eq!(left(&json!({ "status": { "phase": "Running" } })), None);
    }

    #[test]
    fn a_pod_whose_shim_does_not_answer_is_told() {
        let metadata = json!({ "namespace": "shop", "name": "web" });
        let unknown = json!({ "type": "Ready", "status": "Unknown", "reason": "ShimUnresponsive", "message": "who knows" });
        let status = json!({ "phase": "Running", "conditions": [unknown] });
        let line = silent(&json!({ "metadata": metadata, "status": status }));
        let facts = json!({ "daemon": "1", "silent": [line] });
        let expected = "Not answering:   shop/web: who knows\n";
        assert!(told(&facts).contains(expected), "{}", told(&facts));
        assert_eq!(silent(&json!({ "status": { "phase": "Running" } })), None);
    }

    #[test]
    fn a_daemon_that_is_down_is_said_to_be_down() {
        let text = told(&json!({ "client": "1", "root": "/r", "daemon": null }));
        assert!(text.contains("Daemon:          down\n"), "{text}");
    }
}
