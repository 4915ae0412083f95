//! Does anyone listen there?

use std::time::Duration;

use outrigger_lifecycle::Outcome;
use tokio::time;

use super::Sockets;
use super::dial::dial;

pub(super) async fn probe(
    sockets: &impl Sockets,
    host: &str,
    port: u16,
    timeout: Duration,
) -> Outcome {
    match time::timeout(timeout, dial(sockets, host, port)).await {
        Ok(Ok(_connection)) => Outcome::Success,
        Ok(Err(failure)) => Outcome::Failure(failure),
        Err(_elapsed) => Outcome::Failure(format!("dial tcp {host}:{port}: i/o timeout")),
    }
}
