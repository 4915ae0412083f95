//! Pods for tests, without a manifest.

use k8s_openapi::api::core::v1::ContainerResizePolicy;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use outrigger_pod::{
    Action, Container, ContainerName, ExitRule, HookAction, HttpGet, Kind, Lifecycle, Operator,
    Pod, PodUid, Probe, Probes, RestartPolicy, RuleAction, Scheme,
};

/// Builds a Pod container by container; the methods that say what a container has speak of the
/// newest one.
#[derive(Debug, Clone)]
pub struct Build(Pod);

impl Build {
    /// Builds on a Pod that there is.
    #[must_use]
    pub fn on(pod: Pod) -> Build {
        Build(pod)
    }

    /// A Pod without containers, with 30 s of grace.
    #[must_use]
    pub fn pod(restart_policy: RestartPolicy) -> Build {
        Build(Pod {
            name: "pod".to_owned(),
            namespace: "default".to_owned(),
            uid: PodUid("uid".to_owned()),
            restart_policy,
            grace_s: 30,
            active_deadline_s: None,
            containers: Vec::new(),
            manifest: Default::default(),
        })
    }

    /// Sets `terminationGracePeriodSeconds`.
    #[must_use]
    pub fn grace_s(mut self, grace_s: u64) -> Build {
        self.0.grace_s = grace_s;
        self
    }

    /// Sets `activeDeadlineSeconds`.
    #[must_use]
    pub fn deadline_s(mut self, deadline_s: u64) -> Build {
        self.0.active_deadline_s = Some(deadline_s);
        self
    }

    /// Adds a container.
    #[must_use]
    pub fn container(mut self, kind: Kind, name: &str) -> Build {
        self.0.containers.push(Container {
            name: ContainerName(name.to_owned()),
            kind,
            restart_policy: None,
            restart_rules: Vec::new(),
            probes: Probes::default(),
            lifecycle: Lifecycle::default(),
            stop_signal: None,
            spec: Default::default(),
        });
        self
    }

    /// Adds an init container.
    #[must_use]
    pub fn init(self, name: &str) -> Build {
        self.container(Kind::Init, name)
    }

    /// Adds a sidecar.
    #[must_use]
    pub fn sidecar(self, name: &str) -> Build {
        self.container(Kind::Sidecar, name)
    }

    /// Adds a main.
    #[must_use]
    pub fn main(self, name: &str) -> Build {
        self.container(Kind::Main, name)
    }

    /// Changes the newest container.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Container)) -> Build {
        if let Some(newest) = self.0.containers.last_mut() {
            change(newest);
        }
        self
    }

    /// Gives the newest container a startup probe.
    #[must_use]
    pub fn startup(self, probe: Probe) -> Build {
        self.with(|container| container.probes.startup = Some(probe))
    }

    /// Gives the newest container a liveness probe.
    #[must_use]
    pub fn liveness(self, probe: Probe) -> Build {
        self.with(|container| container.probes.liveness = Some(probe))
    }

    /// Gives the newest container a readiness probe.
    #[must_use]
    pub fn readiness(self, probe: Probe) -> Build {
        self.with(|container| container.probes.readiness = Some(probe))
    }

    /// Gives the newest container a postStart hook.
    #[must_use]
    pub fn post_start(self) -> Build {
        self.with(|container| container.lifecycle.post_start = Some(hook()))
    }

    /// Gives the newest container a preStop hook.
    #[must_use]
    pub fn pre_stop(self) -> Build {
        self.with(|container| container.lifecycle.pre_stop = Some(hook()))
    }

    /// Makes the newest container's hooks waits, which the node counts itself.
    #[must_use]
    pub fn sleeping(self) -> Build {
        self.hooks(|| HookAction::Sleep { seconds: 1 })
    }

    /// Makes the newest container's hooks requests, which the node sends itself.
    #[must_use]
    pub fn asking(self) -> Build {
        self.hooks(|| {
            HookAction::HttpGet(HttpGet {
                scheme: Scheme::Http,
                host: None,
                port: 80,
                path: "/".to_owned(),
                headers: Vec::new(),
            })
        })
    }

    fn hooks(self, action: impl Fn() -> HookAction) -> Build {
        self.with(|container| {
            let hooks = &mut container.lifecycle;
            for hook in [&mut hooks.post_start, &mut hooks.pre_stop] {
                *hook = hook.take().map(|_| action());
            }
        })
    }

    /// Adds an ephemeral container.
    #[must_use]
    pub fn ephemeral(self, name: &str) -> Build {
        self.container(Kind::Ephemeral, name)
    }

    /// Gives a container another image.
    #[must_use]
    pub fn image(mut self, name: &str, image: &str) -> Build {
        if let Some(container) = self.named(name) {
            container.spec.image = Some(image.to_owned());
        }
        self
    }

    /// Gives a container another limit for a resource.
    #[must_use]
    pub fn limit(mut self, name: &str, resource: &str, amount: &str) -> Build {
        if let Some(container) = self.named(name) {
            let resources = container.spec.resources.get_or_insert_default();
            let limits = resources.limits.get_or_insert_default();
            limits.insert(resource.to_owned(), Quantity(amount.to_owned()));
        }
        self
    }

    /// Has the newest container restarted when that resource of it is resized.
    #[must_use]
    pub fn restarted_for(self, resource: &str) -> Build {
        self.with(|container| {
            let policies = container.spec.resize_policy.get_or_insert_default();
            policies.push(ContainerResizePolicy {
                resource_name: resource.to_owned(),
                restart_policy: "RestartContainer".to_owned(),
            });
        })
    }

    fn named(&mut self, name: &str) -> Option<&mut Container> {
        let containers = &mut self.0.containers;
        containers.iter_mut().find(|c| c.name.0 == name)
    }

    /// Gives the newest container a policy and a rule of its own.
    #[must_use]
    pub fn rule(self, policy: RestartPolicy, action: RuleAction, code: i32) -> Build {
        self.with(|container| {
            if container.kind != Kind::Sidecar {
                container.restart_policy = Some(policy);
            }
            container.restart_rules.push(ExitRule {
                action,
                operator: Operator::In,
                values: vec![code],
            });
        })
    }

    /// The Pod.
    #[must_use]
    pub fn done(self) -> Pod {
        self.0
    }
}

fn hook() -> HookAction {
    HookAction::Exec {
        command: vec!["hook".to_owned()],
    }
}

/// An exec probe with a period of `period_s` that fails after `failure_threshold` failures.
#[must_use]
pub fn exec_probe(period_s: u32, failure_threshold: u32) -> Probe {
    Probe {
        action: Action::Exec {
            command: vec!["probe".to_owned()],
        },
        initial_delay_s: 0,
        period_s,
        timeout_s: 1,
        success_threshold: 1,
        failure_threshold,
        grace_s: None,
    }
}
