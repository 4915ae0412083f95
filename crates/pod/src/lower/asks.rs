//! What do a container's probes and hooks do, with the names of ports looked up?

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::whole;
use crate::validate::{Invalid, InvalidKind};
use crate::{Action, HookAction, HttpGet, Lifecycle, Probe, Scheme};

/// Lowers the probes and hooks of one container.
pub(super) struct Asking<'a> {
    pub(super) ports: &'a [core::ContainerPort],
    /// The container's field path.
    pub(super) path: String,
    pub(super) invalid: &'a mut Vec<Invalid>,
}

impl Asking<'_> {
    pub(super) fn probe(&mut self, name: &str, probe: Option<&core::Probe>) -> Option<Probe> {
        let probe = probe?;
        let count = |number: Option<i32>, default| {
            number.map_or(default, |number| u32::try_from(number).unwrap_or(0))
        };
        Some(Probe {
            action: self.action(name, probe)?,
            initial_delay_s: count(probe.initial_delay_seconds, 0),
            period_s: count(probe.period_seconds, 10),
            timeout_s: count(probe.timeout_seconds, 1),
            success_threshold: count(probe.success_threshold, 1),
            failure_threshold: count(probe.failure_threshold, 3),
            grace_s: probe.termination_grace_period_seconds.map(whole),
        })
    }

    fn action(&mut self, name: &str, probe: &core::Probe) -> Option<Action> {
        if let Some(exec) = &probe.exec {
            return Some(Action::Exec {
                command: exec.command.clone().unwrap_or_default(),
            });
        }
        if let Some(get) = &probe.http_get {
            return self.http_get(name, get).map(Action::HttpGet);
        }
        if let Some(tcp) = &probe.tcp_socket {
            let port = self.port(&format!("{name}.tcpSocket.port"), &tcp.port)?;
            return Some(Action::TcpSocket {
                host: host(tcp.host.as_ref()),
                port,
            });
        }
        let grpc = probe.grpc.as_ref()?;
        let port = self.port(&format!("{name}.grpc.port"), &IntOrString::Int(grpc.port))?;
        Some(Action::Grpc {
            port,
            service: grpc.service.clone().unwrap_or_default(),
        })
    }

    pub(super) fn lifecycle(&mut self, lifecycle: Option<&core::Lifecycle>) -> Lifecycle {
        let Some(lifecycle) = lifecycle else {
            return Lifecycle::default();
        };
        Lifecycle {
            post_start: self.hook("lifecycle.postStart", lifecycle.post_start.as_ref()),
            pre_stop: self.hook("lifecycle.preStop", lifecycle.pre_stop.as_ref()),
        }
    }

    fn hook(&mut self, name: &str, hook: Option<&core::LifecycleHandler>) -> Option<HookAction> {
        let hook = hook?;
        if let Some(exec) = &hook.exec {
            return Some(HookAction::Exec {
                command: exec.command.clone().unwrap_or_default(),
            });
        }
        if let Some(get) = &hook.http_get {
            return self.http_get(name, get).map(HookAction::HttpGet);
        }
        if let Some(sleep) = &hook.sleep {
            return Some(HookAction::Sleep {
                seconds: whole(sleep.seconds),
            });
        }
        hook.tcp_socket.as_ref().map(|_| HookAction::TcpSocket)
    }

    fn http_get(&mut self, name: &str, get: &core::HTTPGetAction) -> Option<HttpGet> {
        let headers = get.http_headers.iter().flatten();
        Some(HttpGet {
            scheme: match get.scheme.as_deref() {
                Some("HTTPS") => Scheme::Https,
                _ => Scheme::Http,
            },
            host: host(get.host.as_ref()),
            port: self.port(&format!("{name}.httpGet.port"), &get.port)?,
            path: get.path.clone().unwrap_or_else(|| "/".to_owned()),
            headers: headers
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
        })
    }

    fn port(&mut self, field: &str, port: &IntOrString) -> Option<u16> {
        let number = match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let named = self
                    .ports
                    .iter()
                    .find(|port| port.name.as_deref() == Some(name));
                named.map(|port| port.container_port)
            }
        };
        let number = number
            .and_then(|number| u16::try_from(number).ok())
            .filter(|number| *number > 0);
        if number.is_none() {
            let shown = match port {
                IntOrString::Int(number) => number.to_string(),
                IntOrString::String(name) => format!("{name:?}"),
            };
            let message =
                format!("Invalid value: {shown}: no port of this container has that name");
            self.invalid.push(Invalid {
                path: format!("{}.{field}", self.path),
                kind: InvalidKind::Invalid,
                message,
            });
        }
        number
    }
}

fn host(host: Option<&String>) -> Option<String> {
    host.filter(|host| !host.is_empty()).cloned()
}
