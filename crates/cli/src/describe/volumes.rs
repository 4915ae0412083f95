//! All about a Pod's volumes.

use serde_json::Value;

use super::container::in_line;
use super::lines::{Lines, each, text as plain};

/// The section of volumes.
pub(super) fn volumes(spec: &Value, lines: &mut Lines) {
    if each(&spec["volumes"]).next().is_none() {
        lines.pair(0, "Volumes", "<none>");
        return;
    }
    lines.plain(0, "Volumes:");
    for volume in each(&spec["volumes"]) {
        lines.plain(1, format!("{}:", plain(&volume["name"])));
        one(volume, lines);
    }
}

fn one(volume: &Value, lines: &mut Lines) {
    let optional = |of: &Value| of["optional"].as_bool().unwrap_or(false).to_string();
    if volume["emptyDir"].is_object() {
        let of = &volume["emptyDir"];
        let limit = match plain(&of["sizeLimit"]) {
            none if none.is_empty() => "<unset>".to_owned(),
            limit => limit,
        };
        lines.pair(
            2,
            "Type",
            "EmptyDir (a temporary directory that shares a pod's lifetime)",
        );
        lines.pair(2, "Medium", plain(&of["medium"]));
        lines.pair(2, "SizeLimit", limit);
    } else if volume["hostPath"].is_object() {
        let of = &volume["hostPath"];
        lines.pair(2, "Type", "HostPath (bare host directory volume)");
        lines.pair(2, "Path", plain(&of["path"]));
        lines.pair(2, "HostPathType", plain(&of["type"]));
    } else if volume["configMap"].is_object() {
        let of = &volume["configMap"];
        lines.pair(2, "Type", "ConfigMap (a volume populated by a ConfigMap)");
        lines.pair(2, "Name", plain(&of["name"]));
        lines.pair(2, "Optional", optional(of));
    } else if volume["secret"].is_object() {
        let of = &volume["secret"];
        lines.pair(2, "Type", "Secret (a volume populated by a Secret)");
        lines.pair(2, "SecretName", plain(&of["secretName"]));
        lines.pair(2, "Optional", optional(of));
    } else if volume["downwardAPI"].is_object() {
        lines.pair(
            2,
            "Type",
            "DownwardAPI (a volume populated by information about the pod)",
        );
        lines.plain(2, "Items:");
        items(&volume["downwardAPI"]["items"], lines);
    } else if volume["projected"].is_object() {
        lines.pair(
            2,
            "Type",
            "Projected (a volume that contains injected data from multiple sources)",
        );
        for source in each(&volume["projected"]["sources"]) {
            projected(source, lines);
        }
    } else {
        let kind = volume
            .as_object()
            .and_then(|fields| fields.keys().find(|key| *key != "name"));
        lines.pair(2, "Type", kind.map_or("<unknown>", String::as_str));
    }
}

fn projected(source: &Value, lines: &mut Lines) {
    if source["configMap"].is_object() {
        lines.pair(2, "ConfigMapName", plain(&source["configMap"]["name"]));
    } else if source["secret"].is_object() {
        lines.pair(2, "SecretName", plain(&source["secret"]["name"]));
    } else if source["downwardAPI"].is_object() {
        lines.pair(2, "DownwardAPI", "true");
        items(&source["downwardAPI"]["items"], lines);
    } else {
        lines.pair(2, "Source", in_line(source));
    }
}

fn items(items: &Value, lines: &mut Lines) {
    for item in each(items) {
        let from = match item["fieldRef"].is_object() {
            true => plain(&item["fieldRef"]["fieldPath"]),
            false => plain(&item["resourceFieldRef"]["resource"]),
        };
        lines.plain(3, format!("{from} -> {}", plain(&item["path"])));
    }
}
