//! Do probes and hooks over HTTP, HTTPS, TCP and by command do what they say, and leave nothing?

use std::process::ExitCode;

use runtime_tests::told::has_told;
use runtime_tests::{Output, Source, Verdict, World, ensure, needs, pod_of, run, tests};

fn main() -> ExitCode {
    run(tests![
        http_probes_follow_the_answer,
        https_probes_do_not_ask_who_it_is,
        tcp_probes_ask_for_a_connection,
        a_command_that_hangs_is_ended_with_all_it_started,
        a_command_that_is_missing_is_named,
        a_probe_that_finds_no_room_for_a_process_counts_as_nothing,
        a_hook_over_http_reaches_the_container,
        a_sleeping_hook_holds_the_end_back,
        a_hook_that_fails_ends_its_container,
        a_hook_longer_than_the_grace_period_is_cut,
    ])
}

fn says_in_order(output: &Output, words: &[&str]) -> Verdict {
    let text = output.text(Source::Err);
    let mut rest = text.as_str();
    for word in words {
        let at = rest.find(word);
        ensure!(at.is_some(), "{word:?} does not follow: {}", output.shown());
        rest = &rest[at.unwrap_or(0) + word.len()..];
    }
    Ok(())
}

fn http_probes_follow_the_answer(world: &World) -> Verdict {
    needs!("python3");
    let slowly = runtime_tests::time_scale();
    let server = format!(
        "mkdir /w; cd /w; echo ok > healthz; python3 -u -m http.server 8080 2>&1 & server=$!; \
         sleep {}; rm /w/healthz; sleep 3; kill $server; true",
        4.0 * slowly
    );
    let probes = "    ports: [{name: web, containerPort: 8080}]
    startupProbe: {periodSeconds: 1, failureThreshold: 100, httpGet: {path: /healthz, port: 8080}}
    readinessProbe: {periodSeconds: 1, failureThreshold: 1, httpGet: {path: '/healthz?x=1', port: web, httpHeaders: [{name: X-Own, value: mine}]}}
";
    let manifest = pod_of("", &server) + probes;
    let output = world.run_pod(&manifest, &[])?.finish()?;
    says_in_order(
        &output,
        &[
            "startup probe failed",
            "connection refused",
            "startup probe passed",
            "readiness probe passed: ready",
            "readiness probe failed, not ready: HTTP probe failed with statuscode: 404",
        ],
    )?;
    ensure!(
        output.text(Source::Out).contains("GET /healthz?x=1"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn https_probes_do_not_ask_who_it_is(world: &World) -> Verdict {
    needs!("openssl");
    let script = "cd /tmp; openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 1 -subj /CN=x 2>/dev/null; \
                  exec openssl s_server -accept 8443 -key k -cert c -www -quiet >/dev/null 2>&1";
    let probe = "    readinessProbe: {periodSeconds: 1, failureThreshold: 1, httpGet: {port: 8443, scheme: HTTPS}}\n";
    let spec = "  terminationGracePeriodSeconds: 1\n";
    let running = world.run_pod(&(pod_of(spec, script) + probe), &[])?;
    running.wait_until("it is ready", |lines| {
        lines
            .iter()
            .any(|line| line.text.contains("readiness probe passed"))
    })?;
    running.signal(nix::sys::signal::Signal::SIGINT)?;
    running.finish()?;
    Ok(())
}

fn tcp_probes_ask_for_a_connection(world: &World) -> Verdict {
    needs!("python3");
    let script = "python3 -c 'import socket,time; s=socket.socket(); s.bind((\"127.0.0.1\",8081)); s.listen(9); time.sleep(2.5); s.close(); time.sleep(2)'";
    let probe =
        "    readinessProbe: {periodSeconds: 1, failureThreshold: 1, tcpSocket: {port: 8081}}\n";
    let output = world.ended(&(pod_of("", script) + probe), &[], 0)?;
    says_in_order(
        &output,
        &[
            "readiness probe passed: ready",
            "readiness probe failed, not ready: dial tcp 127.0.0.1:8081",
        ],
    )
}

fn a_command_that_hangs_is_ended_with_all_it_started(world: &World) -> Verdict {
    let script = "sleep 0.5; echo before $(cat /proc/[0-9]*/comm | grep -c sleep); sleep 1.5; \
                  echo after $(cat /proc/[0-9]*/comm | grep -c sleep)";
    let probe = "    readinessProbe: {periodSeconds: 60, timeoutSeconds: 1, failureThreshold: 1, exec: {command: \
                 [sh, -c, 'setsid sleep 981 & sleep 982']}}\n";
    let output = world.ended(&(pod_of("", script) + probe), &[], 0)?;
    has_told(&output, &[("main.before", "2"), ("main.after", "0")])?;
    says_in_order(&output, &["readiness probe failed", "timed out after 1 s"])
}

fn a_command_that_is_missing_is_named(world: &World) -> Verdict {
    let probe = "    readinessProbe: {periodSeconds: 1, failureThreshold: 1, exec: {command: [/no/such/program]}}\n";
    let output = world.ended(&(pod_of("", "sleep 2.5") + probe), &[], 0)?;
    // As under a kubelet it counts neither as passed nor as failed.
    says_in_order(
        &output,
        &[
            "readiness probe could not be carried out",
            "/no/such/program",
        ],
    )
}

fn a_probe_that_finds_no_room_for_a_process_counts_as_nothing(world: &World) -> Verdict {
    needs!("python3");
    // Threads count as processes do.
    let script = "exec python3 -c '
import threading, time
threading.stack_size(65536)
go = threading.Event()
try:
    while True: threading.Thread(target=go.wait).start()
except RuntimeError: print(\"full\", flush=True)
time.sleep(3.5)
go.set()
time.sleep(1.5)'";
    let probe =
        "    livenessProbe: {periodSeconds: 1, failureThreshold: 1, exec: {command: ['true']}}\n";
    let output = world.ended(&(pod_of("", script) + probe), &[], 0)?;
    ensure!(
        output.text(Source::Out).contains("| full"),
        "{}",
        output.shown()
    );
    says_in_order(&output, &["liveness probe could not be carried out"])
}

fn a_hook_over_http_reaches_the_container(world: &World) -> Verdict {
    needs!("python3");
    let script = "mkdir /w; cd /w; trap 'sleep 0.2; exit 0' TERM; python3 -u -m http.server 8080 2>&1 & wait; wait";
    let hooks = "    readinessProbe: {periodSeconds: 1, failureThreshold: 1, tcpSocket: {port: 8080}}\n    \
                 lifecycle: {preStop: {httpGet: {port: 8080, path: /goodbye}}}\n";
    let spec = "  terminationGracePeriodSeconds: 3\n";
    let running = world.run_pod(&(pod_of(spec, script) + hooks), &[])?;
    running.wait_until("it is ready", |lines| {
        lines
            .iter()
            .any(|line| line.text.contains("readiness probe passed"))
    })?;
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let output = running.finish()?;
    ensure!(
        output.text(Source::Out).contains("GET /goodbye"),
        "{}",
        output.shown()
    );
    says_in_order(&output, &["preStop hook runs", "SIGTERM sent"])
}

fn a_sleeping_hook_holds_the_end_back(world: &World) -> Verdict {
    let script = "trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let hooks = "    lifecycle: {preStop: {sleep: {seconds: 2}}}\n";
    let running = world.run_pod(&(pod_of("", script) + hooks), &[])?;
    running.wait_until("it is up", |lines| {
        lines.iter().any(|line| line.text.ends_with("| up"))
    })?;
    let began = std::time::Instant::now();
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let output = running.finish()?.ended_with(0)?;
    let took = began.elapsed();
    ensure!(
        took >= std::time::Duration::from_secs(2) && took < runtime_tests::at_most_s(4.0),
        "it took {took:?}: {}",
        output.shown()
    );
    says_in_order(&output, &["preStop hook runs", "SIGTERM sent"])
}

fn a_hook_that_fails_ends_its_container(world: &World) -> Verdict {
    let hooks = "    lifecycle: {postStart: {exec: {command: [sh, -c, 'echo no >&2; exit 5']}}}\n";
    let spec = "  terminationGracePeriodSeconds: 1\n";
    let output = world
        .run_pod(&(pod_of(spec, "exec sleep 100") + hooks), &[])?
        .finish()?;
    ensure!(output.code == Some(137), "{}", output.shown());
    says_in_order(&output, &["postStart hook failed"])
}

fn a_hook_longer_than_the_grace_period_is_cut(world: &World) -> Verdict {
    let script = "trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let hooks = "    lifecycle: {preStop: {exec: {command: [sleep, '971']}}}\n";
    let spec = "  terminationGracePeriodSeconds: 1\n";
    let running = world.run_pod(&(pod_of(spec, script) + hooks), &[])?;
    running.wait_until("it is up", |lines| {
        lines.iter().any(|line| line.text.ends_with("| up"))
    })?;
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let output = running.finish()?;
    ensure!(
        output.took < runtime_tests::at_most_s(6.0),
        "{}",
        output.shown()
    );
    says_in_order(&output, &["preStop hook", "SIGTERM sent"])
}
