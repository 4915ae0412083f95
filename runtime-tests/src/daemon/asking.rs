//! What does the API say, and what is waited for?

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Daemon, http, spoken};
use crate::{Failure, failed};

impl Daemon {
    /// Asks the API over the unix socket: the status and the object of its answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value), Failure> {
        ask(&self.socket(), method, path, body)
    }

    /// Applies a manifest by our own command; gives what it says. A client of somebody else's has bounds of time
    /// that no slow machine stretches.
    ///
    /// # Errors
    /// If it fails.
    pub fn apply(&self, manifest: &str) -> Result<String, Failure> {
        let apply = &["apply", "-f", "-"];
        spoken(&mut self.outrigger(apply), Some(manifest))?.ended(0)
    }

    /// A Pod of the namespace `default` as the API shows it now; `Null` if there is none.
    ///
    /// # Errors
    /// If the API does not answer.
    pub fn pod(&self, name: &str) -> Result<Value, Failure> {
        let path = format!("/api/v1/namespaces/default/pods/{name}");
        match self.ask("GET", &path, "")? {
            (200, pod) => Ok(pod),
            (404, _) => Ok(Value::Null),
            (status, answer) => Err(failed(format!("GET {path}: {status} {answer}"))),
        }
    }

    /// Waits until a Pod of the namespace `default` satisfies the predicate, and gives it.
    ///
    /// # Errors
    /// If that does not happen in time; the error shows the Pod and the daemon's log.
    pub fn until_pod(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let mut last = Value::Null;
        let seen = crate::daemon::until(30.0, || {
            last = self.pod(name)?;
            Ok(holds(&last))
        })?;
        crate::ensure!(
            seen,
            "{name}: {what} did not happen: {:?} {:?}\n{last:#}\n{}",
            crate::status::phase(&last),
            crate::status::containers(&last),
            self.log_text()
        );
        Ok(last)
    }

    /// Asks that every Pod be deleted now; gives the names of those that still are.
    pub(super) fn delete_all(&self) -> Result<Vec<String>, Failure> {
        let (_, list) = self.ask("GET", "/api/v1/pods", "")?;
        let mut left = Vec::new();
        for pod in list["items"].as_array().into_iter().flatten() {
            let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
            let path = format!(
                "/api/v1/namespaces/{}/pods/{}?gracePeriodSeconds=1",
                text("namespace"),
                text("name")
            );
            if text("deletionTimestamp").is_empty() {
                self.ask("DELETE", &path, "")?;
            }
            left.push(text("name").to_owned());
        }
        Ok(left)
    }
}

/// Asks the API that listens on a unix socket: the status and the object of its answer.
///
/// # Errors
/// If there is no whole answer.
pub fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Result<(u16, Value), Failure> {
    let answer = http::ask(socket, method, path, body)?;
    let object = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&answer.body).into_owned().into());
    Ok((answer.status, object))
}

/// Asks again and again until something holds; whether it did in time.
///
/// # Errors
/// If the question fails.
pub fn until(
    limit_s: f64,
    mut holds: impl FnMut() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let deadline = Instant::now() + crate::at_most_s(limit_s);
    loop {
        if holds()? {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
