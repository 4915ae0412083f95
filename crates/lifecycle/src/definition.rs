//! What is an instance made from, as far as a change of it matters to one that runs?

use outrigger_pod::Container;
use outrigger_pod::quantity::Quantity;
use serde::{Deserialize, Serialize};

/// What an instance was made from. Crash-loop back-off is of a definition: a new one starts afresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The image, as the manifest names it.
    pub image: String,
    /// What it may use, as started or as resized since.
    pub sizes: Sizes,
}

/// The requests and limits that can be changed while a container runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// `requests.cpu` in thousandths of a processor.
    pub cpu_request_milli: Option<i64>,
    /// `limits.cpu` in thousandths of a processor.
    pub cpu_limit_milli: Option<i64>,
    /// `requests.memory`
    pub memory_request_bytes: Option<i64>,
    /// `limits.memory`
    pub memory_limit_bytes: Option<i64>,
}

impl Definition {
    /// What an instance of `container` would be made from now.
    #[must_use]
    pub fn of(container: &Container) -> Definition {
        Definition {
            image: container.spec.image.clone().unwrap_or_default(),
            sizes: Sizes::of(container),
        }
    }
}

impl Sizes {
    /// What an instance of `container` would get now.
    pub(crate) fn of(container: &Container) -> Sizes {
        let resources = container.spec.resources.as_ref();
        let request = |name| {
            let table = resources.and_then(|resources| resources.requests.as_ref());
            table?.get(name).map(Quantity::of)
        };
        let limit = |name| {
            let table = resources.and_then(|resources| resources.limits.as_ref());
            table?.get(name).map(Quantity::of)
        };
        Sizes {
            cpu_request_milli: request("cpu").map(Quantity::milli_value),
            cpu_limit_milli: limit("cpu").map(Quantity::milli_value),
            memory_request_bytes: request("memory").map(Quantity::value),
            memory_limit_bytes: limit("memory").map(Quantity::value),
        }
    }

    /// The resources whose request or limit differs, by Kubernetes' names.
    pub(crate) fn differing(self, other: Sizes) -> impl Iterator<Item = &'static str> {
        let cpu = (self.cpu_request_milli, self.cpu_limit_milli)
            != (other.cpu_request_milli, other.cpu_limit_milli);
        let memory = (self.memory_request_bytes, self.memory_limit_bytes)
            != (other.memory_request_bytes, other.memory_limit_bytes);
        let names = [cpu.then_some("cpu"), memory.then_some("memory")];
        names.into_iter().flatten()
    }
}
