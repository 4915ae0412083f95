//! May a probe, or what a probe or hook does, be so?

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::{names, ports};

pub(super) fn check(probe: &core::Probe, readiness: bool, at: &Field, out: &mut Findings) {
    let mut handlers = Handlers::default();
    handlers.exec(probe.exec.as_ref(), at, out);
    handlers.http_get(probe.http_get.as_ref(), at, out);
    handlers.tcp_socket(probe.tcp_socket.as_ref(), at, out);
    if let Some(grpc) = &probe.grpc
        && handlers.first(&at.child("grpc"), out)
    {
        ports::number(grpc.port, &at.child("grpc").child("port"), out);
    }
    handlers.at_least_one(at, out);
    for (word, number) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if let Some(number) = number.filter(|number| *number < 0) {
            out.invalid(
                &at.child(word),
                number,
                "must be greater than or equal to 0",
            );
        }
    }
    let at_grace = at.child("terminationGracePeriodSeconds");
    match probe.termination_grace_period_seconds {
        Some(grace_s) if readiness => {
            out.invalid(&at_grace, grace_s, "must not be set for readinessProbes");
        }
        Some(grace_s) if grace_s <= 0 => out.invalid(&at_grace, grace_s, "must be greater than 0"),
        _ => {}
    }
    let successes = probe.success_threshold.unwrap_or(1);
    if !readiness && successes != 1 {
        out.invalid(&at.child("successThreshold"), successes, "must be 1");
    }
}

/// Counts what a probe or hook says to do: it must be exactly one thing.
#[derive(Debug, Default)]
pub(super) struct Handlers {
    seen: bool,
}

impl Handlers {
    /// Notes one; false, and a finding, when it is not the first.
    pub(super) fn first(&mut self, at: &Field, out: &mut Findings) -> bool {
        if self.seen {
            out.forbidden(at, "may not specify more than 1 handler type");
            return false;
        }
        self.seen = true;
        true
    }

    pub(super) fn at_least_one(&self, at: &Field, out: &mut Findings) {
        if !self.seen {
            out.required(at, "must specify a handler type");
        }
    }

    pub(super) fn exec(&mut self, exec: Option<&core::ExecAction>, at: &Field, out: &mut Findings) {
        let Some(exec) = exec else { return };
        let at = at.child("exec");
        if self.first(&at, out) && exec.command.as_ref().is_none_or(Vec::is_empty) {
            out.required(&at.child("command"), "");
        }
    }

    pub(super) fn http_get(
        &mut self,
        get: Option<&core::HTTPGetAction>,
        at: &Field,
        out: &mut Findings,
    ) {
        let Some(get) = get else { return };
        let at = at.child("httpGet");
        if !self.first(&at, out) {
            return;
        }
        if get.path.as_deref().unwrap_or("").is_empty() {
            out.required(&at.child("path"), "");
        }
        ports::reference(&get.port, &at.child("port"), out);
        out.one_of(
            &at.child("scheme"),
            get.scheme.as_deref().unwrap_or(""),
            &["HTTP", "HTTPS"],
        );
        let at = at.child("httpHeaders");
        for (index, header) in get.http_headers.iter().flatten().enumerate() {
            out.each(
                &at.index(index).child("name"),
                &header.name,
                names::header(&header.name),
            );
        }
    }

    pub(super) fn tcp_socket(
        &mut self,
        tcp: Option<&core::TCPSocketAction>,
        at: &Field,
        out: &mut Findings,
    ) {
        let Some(tcp) = tcp else { return };
        let at = at.child("tcpSocket");
        if self.first(&at, out) {
            ports::reference(&tcp.port, &at.child("port"), out);
        }
    }
}
