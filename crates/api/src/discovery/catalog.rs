//! What is served, as one table: discovery reads it aloud, OpenAPI makes paths of it.

/// A version of an API group.
#[derive(Debug)]
pub(crate) struct Group {
    /// Empty for the core group.
    pub(crate) name: &'static str,
    /// Such as `v1`.
    pub(crate) version: &'static str,
    /// In the order in which discovery names them.
    pub(crate) resources: &'static [Served],
}

impl Group {
    /// As it stands in `apiVersion`.
    pub(crate) fn group_version(&self) -> String {
        match self.name {
            "" => self.version.to_owned(),
            name => format!("{name}/{}", self.version),
        }
    }

    /// Where its resources are.
    pub(crate) fn path(&self) -> String {
        match self.name {
            "" => format!("/api/{}", self.version),
            name => format!("/apis/{name}/{}", self.version),
        }
    }
}

/// A resource.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) is_namespaced: bool,
    pub(crate) verbs: &'static [&'static str],
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) subs: &'static [Sub],
}

impl Served {
    /// Whether it is named only so that it can be refused.
    pub(crate) fn is_foreign(&self) -> bool {
        self.verbs == REFUSED
    }
}

/// A part of a resource with a path of its own.
#[derive(Debug)]
pub(crate) struct Sub {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) verbs: &'static [&'static str],
}

const FULL: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const NO_COLLECTION: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const CHANGE: &[&str] = &["get", "list", "patch", "update", "watch"];
const READ: &[&str] = &["get", "list", "watch"];
const SNAPSHOT: &[&str] = &["get", "list"];
const CREATE: &[&str] = &["create"];
const STREAM: &[&str] = &["create", "get"];
/// What kubectl must believe to be possible before it sends a manifest.
const REFUSED: &[&str] = &["create", "patch"];
const PART: &[&str] = &["get", "patch", "update"];

const fn sub(name: &'static str, kind: &'static str, verbs: &'static [&'static str]) -> Sub {
    Sub {
        name,
        group: "",
        version: "v1",
        kind,
        verbs,
    }
}

const fn homeless(plural: &'static str, singular: &'static str, kind: &'static str) -> Served {
    Served {
        plural,
        singular,
        kind,
        is_namespaced: false,
        verbs: CREATE,
        short_names: &[],
        categories: &[],
        subs: &[],
    }
}

const fn homed(plural: &'static str, singular: &'static str, kind: &'static str) -> Served {
    Served {
        is_namespaced: true,
        verbs: FULL,
        ..homeless(plural, singular, kind)
    }
}

/// All groups; where two have a resource of one name, kubectl means the first.
pub(crate) const GROUPS: [Group; 7] = [
    Group {
        name: "",
        version: "v1",
        resources: &CORE,
    },
    Group {
        name: "events.k8s.io",
        version: "v1",
        resources: &[Served {
            verbs: READ,
            short_names: &["ev"],
            ..homed("events", "event", "Event")
        }],
    },
    Group {
        name: "authentication.k8s.io",
        version: "v1",
        resources: &[homeless(
            "selfsubjectreviews",
            "selfsubjectreview",
            "SelfSubjectReview",
        )],
    },
    Group {
        name: "authorization.k8s.io",
        version: "v1",
        resources: &[
            homeless(
                "selfsubjectaccessreviews",
                "selfsubjectaccessreview",
                "SelfSubjectAccessReview",
            ),
            homeless(
                "selfsubjectrulesreviews",
                "selfsubjectrulesreview",
                "SelfSubjectRulesReview",
            ),
        ],
    },
    Group {
        name: "metrics.k8s.io",
        version: "v1beta1",
        resources: &[
            Served {
                verbs: SNAPSHOT,
                ..homeless("nodes", "", "NodeMetrics")
            },
            Served {
                verbs: SNAPSHOT,
                ..homed("pods", "", "PodMetrics")
            },
        ],
    },
    Group {
        name: "apps",
        version: "v1",
        resources: &[
            foreign("daemonsets", "daemonset", "DaemonSet", &["ds"]),
            foreign("deployments", "deployment", "Deployment", &["deploy"]),
            foreign("replicasets", "replicaset", "ReplicaSet", &["rs"]),
            foreign("statefulsets", "statefulset", "StatefulSet", &["sts"]),
        ],
    },
    Group {
        name: "batch",
        version: "v1",
        resources: &[
            foreign("cronjobs", "cronjob", "CronJob", &["cj"]),
            foreign("jobs", "job", "Job", &[]),
        ],
    },
];

/// A kind that is not ours: named all the same, so that kubectl sends it to us instead of saying that there is no
/// such kind, and its user reads why it is refused.
const fn foreign(
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
) -> Served {
    Served {
        verbs: REFUSED,
        short_names,
        ..homed(plural, singular, kind)
    }
}

const CORE: [Served; 8] = [
    Served {
        short_names: &["cm"],
        ..homed("configmaps", "configmap", "ConfigMap")
    },
    Served {
        short_names: &["ev"],
        ..homed("events", "event", "Event")
    },
    Served {
        verbs: NO_COLLECTION,
        short_names: &["ns"],
        subs: &[sub("status", "Namespace", PART)],
        ..homeless("namespaces", "namespace", "Namespace")
    },
    Served {
        verbs: CHANGE,
        short_names: &["no"],
        subs: &[sub("status", "Node", PART)],
        ..homeless("nodes", "node", "Node")
    },
    Served {
        short_names: &["po"],
        categories: &["all"],
        subs: &[
            sub("attach", "PodAttachOptions", STREAM),
            sub("ephemeralcontainers", "Pod", PART),
            Sub {
                group: "policy",
                ..sub("eviction", "Eviction", CREATE)
            },
            sub("exec", "PodExecOptions", STREAM),
            sub("log", "Pod", &["get"]),
            sub("portforward", "PodPortForwardOptions", STREAM),
            sub("resize", "Pod", PART),
            sub("status", "Pod", PART),
        ],
        ..homed("pods", "pod", "Pod")
    },
    homed("secrets", "secret", "Secret"),
    Served {
        short_names: &["sa"],
        ..homed("serviceaccounts", "serviceaccount", "ServiceAccount")
    },
    Served {
        categories: &["all"],
        ..foreign("services", "service", "Service", &["svc"])
    },
];
