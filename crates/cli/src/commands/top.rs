//! `outrigger top`: what Pods and the machine use.

use serde_json::Value;

use super::get::{items, namespace};
use crate::args::{Places, Top, TopPod};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::print::columns::Columns;
use crate::screen;

const MEBIBYTE: f64 = (1 << 20) as f64;

/// Prints what is used.
pub(crate) fn top(places: &Places, top: &Top) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    Client::run(async {
        match top {
            Top::Pod(pod) => pods(&client, pod).await,
            Top::Node { no_headers } => node(&client, *no_headers).await,
        }
    })
}

async fn pods(client: &Client, top: &TopPod) -> Result<u8, Failure> {
    let inside = namespace(&top.selection, &top.namespace.name);
    let mut place = Place::usage(inside);
    let found = match &top.name {
        Some(name) => {
            place = Place::usage(Some(&top.namespace.name)).below(name);
            vec![client.json(Ask::get(place)).await?]
        }
        None => {
            place = place
                .with_some("labelSelector", top.selection.labels.as_deref())
                .with_some("fieldSelector", top.selection.fields.as_deref());
            items(client.json(Ask::get(place)).await?)
        }
    };
    if found.is_empty() {
        screen::error(&match inside {
            Some(name) => format!("No resources found in {name} namespace."),
            None => "No resources found".to_owned(),
        });
        return Ok(0);
    }
    let mut rows = Vec::new();
    if !top.no_headers {
        let names: &[&str] = match top.containers {
            true => &["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"],
            false => &["NAME", "CPU(cores)", "MEMORY(bytes)"],
        };
        rows.push(line(
            top,
            "NAMESPACE",
            names.iter().map(|name| (*name).to_owned()),
        ));
    }
    for pod in &found {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        let used: Vec<(&str, f64, f64)> = containers(pod);
        if top.containers {
            for (name, cores, bytes) in used {
                let cells = [
                    text("name").to_owned(),
                    name.to_owned(),
                    cpu(cores),
                    memory(bytes),
                ];
                rows.push(line(top, text("namespace"), cells));
            }
            continue;
        }
        let cores = used.iter().map(|(_, cores, _)| cores).sum();
        let bytes = used.iter().map(|(_, _, bytes)| bytes).sum();
        let cells = [text("name").to_owned(), cpu(cores), memory(bytes)];
        rows.push(line(top, text("namespace"), cells));
    }
    screen::output(Columns::default().rows(&rows).as_bytes())?;
    Ok(0)
}

fn line(top: &TopPod, namespace: &str, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    let first = top.selection.all_namespaces.then(|| namespace.to_owned());
    first.into_iter().chain(cells).collect()
}

fn containers(pod: &Value) -> Vec<(&str, f64, f64)> {
    let list = pod["containers"].as_array();
    let used = |container: &'_ Value| -> (f64, f64) {
        let amount = |name: &str| quantity(container["usage"][name].as_str().unwrap_or_default());
        (amount("cpu"), amount("memory"))
    };
    list.into_iter()
        .flatten()
        .map(|container| {
            let (cores, bytes) = used(container);
            (container["name"].as_str().unwrap_or_default(), cores, bytes)
        })
        .collect()
}

async fn node(client: &Client, no_headers: bool) -> Result<u8, Failure> {
    let usage = Place::path("/apis/metrics.k8s.io/v1beta1/nodes");
    let used = items(client.json(Ask::get(usage)).await?);
    let nodes = Place::all(outrigger_api::Resource::Nodes, None);
    let nodes = items(client.json(Ask::get(nodes)).await?);
    let mut rows = Vec::new();
    if !no_headers {
        let names = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"];
        rows.push(names.iter().map(|name| (*name).to_owned()).collect());
    }
    for node in used {
        let name = &node["metadata"]["name"];
        let of = nodes.iter().find(|each| each["metadata"]["name"] == *name);
        let share = |resource: &str, amount: f64| {
            let all = of.map(|of| {
                quantity(
                    of["status"]["allocatable"][resource]
                        .as_str()
                        .unwrap_or_default(),
                )
            });
            match all {
                Some(all) if all > 0.0 => format!("{:.0}%", (100.0 * amount / all).floor()),
                _ => "<unknown>".to_owned(),
            }
        };
        let amount =
            |resource: &str| quantity(node["usage"][resource].as_str().unwrap_or_default());
        let (cores, bytes) = (amount("cpu"), amount("memory"));
        rows.push(vec![
            name.as_str().unwrap_or_default().to_owned(),
            cpu(cores),
            share("cpu", cores),
            memory(bytes),
            share("memory", bytes),
        ]);
    }
    screen::output(Columns::default().rows(&rows).as_bytes())?;
    Ok(0)
}

fn cpu(cores: f64) -> String {
    format!("{:.0}m", (cores * 1000.0).ceil())
}

fn memory(bytes: f64) -> String {
    format!("{:.0}Mi", (bytes / MEBIBYTE).floor())
}

/// A quantity as the API spells it; 0 for what is none.
fn quantity(text: &str) -> f64 {
    let end = text.find(|each: char| !each.is_ascii_digit() && each != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = match unit {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => MEBIBYTE,
        "Gi" => MEBIBYTE * 1024.0,
        _ => 1.0,
    };
    number.parse::<f64>().unwrap_or(0.0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_kubectls_units() {
        assert_eq!(cpu(quantity("1234567n")), "2m");
        assert_eq!(cpu(quantity("2")), "2000m");
        assert_eq!(cpu(quantity("0")), "0m");
        assert_eq!(memory(quantity("10240Ki")), "10Mi");
        assert_eq!(memory(quantity("1Gi")), "1024Mi");
        assert_eq!(memory(quantity("nonsense")), "0Mi");
    }
}
