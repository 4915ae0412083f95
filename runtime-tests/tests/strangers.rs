//! Whom do clients keep out that show no certificate? Nobody, in whatever phase they hang.

#[path = "tls/client.rs"]
mod tls;

use std::io::Write;
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use runtime_tests::daemon::Daemon;
use runtime_tests::{Verdict, World, ensure, run, tests};
use tls::{Client, send, status};

fn main() -> ExitCode {
    run(tests![strangers_keep_nobody_out])
}

const PODS: &str = "/api/v1/namespaces/default/pods";

/// As many as there are places, each in the middle of a request; and each goes on with it, letter by letter.
fn strangers_keep_nobody_out(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let [known, unproven] = [Client::of(&daemon, true)?, Client::of(&daemon, false)?];
    let mut crowd = Vec::new();
    for _ in 0..960 {
        let mut tls = unproven.connect()?;
        tls.write_all(b"GET /api/v1/pods HTTP/1.1\r\nX: ")?;
        tls.flush()?;
        crowd.push(tls);
    }
    for number in 0..25 {
        crowd.retain_mut(|tls| tls.write_all(b"x").and_then(|()| tls.flush()).is_ok());
        let mut tls = known.connect()?;
        send(&mut tls, "GET", PODS, b"")?;
        let code = status(&mut tls);
        ensure!(
            code == Some(200),
            "request {number} is answered with {code:?}"
        );
    }
    drop(crowd);
    daemon.finish()
}
