//! The table itself: field by field, what becomes of it. The longest row that is above a field
//! decides; a test finds fields of Kubernetes that no row is above.

use super::Support::{self, Bookkeeping, ByDaemon, Honoured, Ignored, Refused};

const ALONE: Support = Ignored("there is one machine and nothing to choose between");
const TAINTS: Support = ByDaemon("only the daemon has a node that may have taints");
const NO_API: Support = Ignored("there is no API server to be somebody at");
const UNCONFINED: Support = Ignored("no such confinement is applied yet");
const STDIN: Support = ByDaemon(
    "`run` gives containers no input and no terminal; the daemon does, to those who attach",
);
const WINDOWS: Support = Ignored("this is a Linux machine");
const NO_PORTS: Support =
    Ignored("ports are not forwarded yet; with `hostNetwork: true` they are the machine's own");
const SUB_PATH: Support =
    Refused("only whole volumes are mounted so far, and the whole is not what was asked for");

/// The shape by which the table knows a field: containers of all kinds are spelled as containers.
pub(super) fn row_of(shape: &str) -> String {
    if shape == "spec.ephemeralContainers[].targetContainerName" {
        return shape.to_owned();
    }
    let shape = shape.replace("spec.initContainers[]", "spec.containers[]");
    shape.replace("spec.ephemeralContainers[]", "spec.containers[]")
}

/// What becomes of a field of that shape, init containers being spelled as containers.
pub(super) fn row(shape: &str) -> Support {
    if shape == "spec" {
        // Its parts are listed one by one, so that a new one is not honoured by default.
        return Honoured;
    }
    let above = ROWS.iter().filter(|(row, _)| covers(row, shape));
    above.max_by_key(|(row, _)| row.len()).map_or(
        Refused("this version does not know the field"),
        |(_, support)| *support,
    )
}

/// Whether something more is said about parts of the field.
pub(super) fn has_rows_below(shape: &str) -> bool {
    ROWS.iter()
        .any(|(row, _)| *row != shape && covers(shape, row))
}

pub(super) fn covers(row: &str, shape: &str) -> bool {
    shape
        .strip_prefix(row)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

const ROWS: &[(&str, Support)] = &[
    ("apiVersion", Honoured),
    ("kind", Honoured),
    ("status", Bookkeeping),
    ("metadata", Bookkeeping),
    ("metadata.annotations", Honoured),
    ("metadata.generateName", Honoured),
    ("metadata.labels", Honoured),
    ("metadata.name", Honoured),
    ("metadata.namespace", Honoured),
    ("metadata.uid", Honoured),
    ("spec.activeDeadlineSeconds", Honoured),
    ("spec.affinity", ALONE),
    ("spec.automountServiceAccountToken", NO_API),
    ("spec.containers", Honoured),
    ("spec.dnsConfig", Honoured),
    ("spec.dnsPolicy", Honoured),
    ("spec.enableServiceLinks", Honoured),
    // That they come to a Pod that runs, and only so, is a rule of validation.
    ("spec.ephemeralContainers", Honoured),
    ("spec.hostAliases", Honoured),
    ("spec.hostIPC", Honoured),
    ("spec.hostNetwork", Honoured),
    ("spec.hostPID", Honoured),
    (
        "spec.hostUsers",
        Refused("user namespaces are not made yet; leave it out or say true"),
    ),
    ("spec.hostname", Honoured),
    ("spec.hostnameOverride", Honoured),
    (
        "spec.imagePullSecrets",
        Ignored("images are pulled without credentials from Secrets so far"),
    ),
    ("spec.initContainers", Honoured),
    ("spec.nodeName", ALONE),
    ("spec.nodeSelector", ALONE),
    ("spec.os", Honoured),
    (
        "spec.overhead",
        Ignored("the overhead of a runtime class is not counted yet"),
    ),
    ("spec.preemptionPolicy", ALONE),
    ("spec.priority", ALONE),
    ("spec.priorityClassName", ALONE),
    (
        "spec.readinessGates",
        Ignored("nobody would set these conditions, so readiness does not wait for them"),
    ),
    (
        "spec.resourceClaims",
        Refused("devices are not allocated to Pods yet"),
    ),
    ("spec.resources", Honoured),
    (
        "spec.resources.claims",
        Refused("devices are not allocated to Pods yet"),
    ),
    ("spec.restartPolicy", Honoured),
    (
        "spec.runtimeClassName",
        Refused("there is one runtime so far; leave the class out"),
    ),
    ("spec.schedulerName", ALONE),
    (
        "spec.schedulingGates",
        Refused("a gated Pod waits for somebody to lift the gate, and nobody would"),
    ),
    ("spec.schedulingGroup", ALONE),
    ("spec.securityContext", Honoured),
    ("spec.securityContext.appArmorProfile", UNCONFINED),
    (
        "spec.securityContext.fsGroupChangePolicy",
        Ignored("the group of a volume is always set"),
    ),
    ("spec.securityContext.seLinuxChangePolicy", UNCONFINED),
    ("spec.securityContext.seLinuxOptions", UNCONFINED),
    // RuntimeDefault also where nothing is said, which a kubelet does only if it is told to.
    ("spec.securityContext.seccompProfile", Honoured),
    (
        "spec.securityContext.sysctls",
        Ignored("kernel parameters are not set yet"),
    ),
    ("spec.securityContext.windowsOptions", WINDOWS),
    ("spec.serviceAccount", NO_API),
    ("spec.serviceAccountName", NO_API),
    ("spec.setHostnameAsFQDN", Honoured),
    ("spec.shareProcessNamespace", Honoured),
    ("spec.subdomain", Honoured),
    ("spec.terminationGracePeriodSeconds", Honoured),
    ("spec.tolerations", TAINTS),
    ("spec.topologySpreadConstraints", ALONE),
    ("spec.volumes", Honoured),
    (
        "spec.volumes[]",
        Refused(
            "emptyDir, hostPath, configMap and secret volumes are mounted so far, others not yet",
        ),
    ),
    ("spec.volumes[].configMap", Honoured),
    ("spec.volumes[].emptyDir", Honoured),
    ("spec.volumes[].hostPath", Honoured),
    ("spec.volumes[].name", Honoured),
    ("spec.volumes[].secret", Honoured),
    ("spec.containers[].args", Honoured),
    ("spec.containers[].command", Honoured),
    ("spec.containers[].env", Honoured),
    (
        "spec.containers[].env[].valueFrom.fileKeyRef",
        Refused("variables from files are not read yet"),
    ),
    ("spec.containers[].envFrom", Honoured),
    ("spec.containers[].image", Honoured),
    ("spec.containers[].imagePullPolicy", Honoured),
    ("spec.containers[].lifecycle", Honoured),
    ("spec.containers[].livenessProbe", Honoured),
    ("spec.containers[].name", Honoured),
    ("spec.containers[].ports", Honoured),
    ("spec.containers[].ports[].hostIP", NO_PORTS),
    ("spec.containers[].ports[].hostPort", NO_PORTS),
    ("spec.containers[].readinessProbe", Honoured),
    ("spec.containers[].resizePolicy", Honoured),
    ("spec.containers[].resources", Honoured),
    (
        "spec.containers[].resources.claims",
        Refused("devices are not allocated to Pods yet"),
    ),
    ("spec.containers[].restartPolicy", Honoured),
    ("spec.containers[].restartPolicyRules", Honoured),
    ("spec.containers[].securityContext", Honoured),
    (
        "spec.containers[].securityContext.appArmorProfile",
        UNCONFINED,
    ),
    (
        "spec.containers[].securityContext.procMount",
        Refused("an unmasked /proc needs user namespaces, which are not made yet"),
    ),
    (
        "spec.containers[].securityContext.seLinuxOptions",
        UNCONFINED,
    ),
    ("spec.containers[].securityContext.seccompProfile", Honoured),
    ("spec.containers[].securityContext.windowsOptions", WINDOWS),
    ("spec.containers[].startupProbe", Honoured),
    ("spec.containers[].stdin", STDIN),
    ("spec.containers[].stdinOnce", STDIN),
    ("spec.containers[].terminationMessagePath", Honoured),
    ("spec.containers[].terminationMessagePolicy", Honoured),
    ("spec.containers[].tty", STDIN),
    (
        "spec.containers[].volumeDevices",
        Refused("block devices are not given to containers yet"),
    ),
    ("spec.containers[].volumeMounts", Honoured),
    (
        "spec.containers[].volumeMounts[].mountPropagation",
        Ignored("mounts do not propagate between container and machine yet"),
    ),
    (
        "spec.containers[].volumeMounts[].recursiveReadOnly",
        Refused("mounts below a read-only volume are not made read-only yet"),
    ),
    ("spec.containers[].volumeMounts[].subPath", SUB_PATH),
    ("spec.containers[].volumeMounts[].subPathExpr", SUB_PATH),
    ("spec.containers[].workingDir", Honoured),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_field_and_stands_once() {
        let fields = crate::manifest::pod_fields();
        for (row, _) in ROWS.iter().filter(|(row, _)| !row.ends_with("[]")) {
            assert!(
                fields.iter().any(|field| field == row),
                "{row} is no field of a Pod"
            );
            assert_eq!(
                ROWS.iter().filter(|(other, _)| other == row).count(),
                1,
                "{row}"
            );
        }
    }

    #[test]
    fn no_field_of_a_pod_spec_or_a_container_is_forgotten() {
        for field in crate::manifest::pod_fields() {
            let shape = field.replace("spec.initContainers[]", "spec.containers[]");
            let listed = match shape.strip_prefix("spec.containers[].") {
                // A part of a container's field goes with the field.
                Some(part) => ROWS.iter().any(|(row, _)| {
                    row.strip_prefix("spec.containers[].")
                        .is_some_and(|row| covers(row, part))
                }),
                None => shape == "spec" || ROWS.iter().any(|(row, _)| covers(row, &shape)),
            };
            assert!(listed, "{shape} has no row");
        }
    }
}
