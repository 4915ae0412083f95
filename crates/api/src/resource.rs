//! Which kinds of object are there, and how does Kubernetes name them?

/// A kind of object that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `v1` Pod
    Pods,
    /// `v1` ConfigMap
    ConfigMaps,
    /// `v1` Secret
    Secrets,
    /// `v1` Event
    Events,
    /// `v1` Namespace
    Namespaces,
    /// `v1` Node: there is one
    Nodes,
    /// `v1` ServiceAccount: there is one in each namespace, `default`
    ServiceAccounts,
}

impl Resource {
    /// All of them, in the order in which discovery names them.
    pub const ALL: [Resource; 7] = [
        Resource::ConfigMaps,
        Resource::Events,
        Resource::Namespaces,
        Resource::Nodes,
        Resource::Pods,
        Resource::Secrets,
        Resource::ServiceAccounts,
    ];

    /// As it stands in paths: `pods`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.names().0
    }

    /// As it stands in `kind`: `Pod`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.names().1
    }

    /// What kubectl takes for it as well: `po`.
    #[must_use]
    pub fn short_names(self) -> &'static [&'static str] {
        self.names().2
    }

    /// Whether its objects live in namespaces.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Resource::Namespaces | Resource::Nodes)
    }

    fn names(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Resource::Pods => ("pods", "Pod", &["po"]),
            Resource::ConfigMaps => ("configmaps", "ConfigMap", &["cm"]),
            Resource::Secrets => ("secrets", "Secret", &[]),
            Resource::Events => ("events", "Event", &["ev"]),
            Resource::Namespaces => ("namespaces", "Namespace", &["ns"]),
            Resource::Nodes => ("nodes", "Node", &["no"]),
            Resource::ServiceAccounts => ("serviceaccounts", "ServiceAccount", &["sa"]),
        }
    }
}
