//! May a container's hooks and its stop signal be so?

use k8s_openapi::api::core::v1 as core;

use super::finding::{Field, Findings};
use super::probes::Handlers;

pub(super) fn check(
    lifecycle: &core::Lifecycle,
    spec: &core::PodSpec,
    at: &Field,
    out: &mut Findings,
) {
    // A negative grace period is a finding of its own; here it counts as none at all.
    let grace_s = spec.termination_grace_period_seconds.unwrap_or(30).max(0);
    for (word, hook) in [
        ("postStart", &lifecycle.post_start),
        ("preStop", &lifecycle.pre_stop),
    ] {
        if let Some(hook) = hook {
            self::hook(hook, grace_s, &at.child(word), out);
        }
    }
    if let Some(signal) = &lifecycle.stop_signal {
        stop_signal(signal, spec, &at.child("stopSignal"), out);
    }
}

fn hook(hook: &core::LifecycleHandler, grace_s: i64, at: &Field, out: &mut Findings) {
    let mut handlers = Handlers::default();
    handlers.exec(hook.exec.as_ref(), at, out);
    handlers.http_get(hook.http_get.as_ref(), at, out);
    handlers.tcp_socket(hook.tcp_socket.as_ref(), at, out);
    if let Some(sleep) = &hook.sleep
        && handlers.first(&at.child("sleep"), out)
        && !(0..=grace_s).contains(&sleep.seconds)
    {
        let words =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace_s})");
        out.invalid(&at.child("sleep").child("seconds"), sleep.seconds, words);
    }
    handlers.at_least_one(at, out);
}

fn stop_signal(signal: &str, spec: &core::PodSpec, at: &Field, out: &mut Findings) {
    match spec.os.as_ref().map(|os| os.name.as_str()) {
        None | Some("") => {
            out.forbidden(
                at,
                "may not be set for containers with empty `spec.os.name`",
            );
        }
        Some("windows") => out.one_of(at, signal, &["SIGKILL", "SIGTERM"]),
        Some(_) => {
            let names = linux_signals();
            out.one_of(
                at,
                signal,
                &names.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    }
}

/// The 65 names that Kubernetes knows: unlike an image's `STOPSIGNAL`, neither numbers nor names
/// without `SIG`.
fn linux_signals() -> Vec<String> {
    const NAMED: &str = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX";
    let named = NAMED.split(' ').map(|name| format!("SIG{name}"));
    let upper = (1..=15).map(|n| format!("SIGRTMIN+{n}"));
    let lower = (1..=14).map(|n| format!("SIGRTMAX-{n}"));
    let mut all: Vec<String> = named.chain(upper).chain(lower).collect();
    all.sort();
    all
}
