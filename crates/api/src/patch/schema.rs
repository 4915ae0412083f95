//! How are lists and maps of the kinds that we keep merged? Kubernetes' patch strategies, as one table that
//! strategic merge patches and OpenAPI share.

use crate::Resource;

/// How a field is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// A map of the named type, or a list that is replaced as a whole.
    Plain,
    /// A list of maps, merged by this key.
    By(&'static str),
    /// The same; and an element may say with `$retainKeys` which of its keys stay.
    ByRetaining(&'static str),
    /// A list of plain values, merged as a set.
    Set,
}

/// A field of a type that there is something to know about.
#[derive(Debug)]
pub(crate) struct Field {
    /// The type that has it.
    pub(crate) of: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// The type of what is in it, where something is to be known about that; empty otherwise.
    pub(crate) to: &'static str,
    /// How it is merged.
    pub(crate) how: How,
}

/// The type of a kept object.
pub(crate) fn root(resource: Resource) -> &'static str {
    resource.kind()
}

/// What is known about a field.
pub(crate) fn field(of: &str, name: &str) -> Option<&'static Field> {
    // Every kept object has the same metadata.
    if name == "metadata" && (Resource::ALL.iter().any(|resource| resource.kind() == of)) {
        return Some(&METADATA);
    }
    FIELDS
        .iter()
        .find(|field| field.of == of && field.name == name)
}

const METADATA: Field = row("", "metadata", "ObjectMeta", How::Plain);

const fn row(of: &'static str, name: &'static str, to: &'static str, how: How) -> Field {
    Field { of, name, to, how }
}

/// Everything but `metadata`.
pub(crate) const FIELDS: [Field; 36] = [
    row("ObjectMeta", "ownerReferences", "", How::By("uid")),
    row("ObjectMeta", "finalizers", "", How::Set),
    row("Pod", "spec", "PodSpec", How::Plain),
    row("Pod", "status", "PodStatus", How::Plain),
    row("PodSpec", "containers", "Container", How::By("name")),
    row("PodSpec", "initContainers", "Container", How::By("name")),
    row(
        "PodSpec",
        "ephemeralContainers",
        "EphemeralContainer",
        How::By("name"),
    ),
    row("PodSpec", "volumes", "Volume", How::ByRetaining("name")),
    row("PodSpec", "imagePullSecrets", "", How::By("name")),
    row("PodSpec", "hostAliases", "", How::By("ip")),
    row(
        "PodSpec",
        "topologySpreadConstraints",
        "",
        How::By("topologyKey"),
    ),
    row("PodSpec", "resourceClaims", "", How::ByRetaining("name")),
    row("PodSpec", "schedulingGates", "", How::By("name")),
    row("Container", "ports", "", How::By("containerPort")),
    row("Container", "env", "", How::By("name")),
    row("Container", "volumeMounts", "", How::By("mountPath")),
    row("Container", "volumeDevices", "", How::By("devicePath")),
    row("EphemeralContainer", "ports", "", How::By("containerPort")),
    row("EphemeralContainer", "env", "", How::By("name")),
    row(
        "EphemeralContainer",
        "volumeMounts",
        "",
        How::By("mountPath"),
    ),
    row(
        "EphemeralContainer",
        "volumeDevices",
        "",
        How::By("devicePath"),
    ),
    row("PodStatus", "conditions", "", How::By("type")),
    row("PodStatus", "podIPs", "", How::By("ip")),
    row("PodStatus", "hostIPs", "", How::By("ip")),
    row(
        "PodStatus",
        "resourceClaimStatuses",
        "",
        How::ByRetaining("name"),
    ),
    row(
        "PodStatus",
        "containerStatuses",
        "ContainerStatus",
        How::Plain,
    ),
    row("ContainerStatus", "volumeMounts", "", How::By("mountPath")),
    row(
        "ContainerStatus",
        "allocatedResourcesStatus",
        "",
        How::By("name"),
    ),
    row("Namespace", "status", "NamespaceStatus", How::Plain),
    row("NamespaceStatus", "conditions", "", How::By("type")),
    row("Node", "spec", "NodeSpec", How::Plain),
    row("Node", "status", "NodeStatus", How::Plain),
    row("NodeSpec", "podCIDRs", "", How::Set),
    row("NodeStatus", "conditions", "", How::By("type")),
    row("NodeStatus", "addresses", "", How::By("type")),
    row("ServiceAccount", "secrets", "", How::By("name")),
];
