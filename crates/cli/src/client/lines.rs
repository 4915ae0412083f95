//! What does an answer say that goes on and on? A watch, object by object.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::{Ask, Client, Refusal};
use crate::failure::Failure;

/// The objects of an answer, one a line.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Client {
    /// Begins to watch.
    pub(crate) async fn watch(&self, mut ask: Ask) -> Result<Lines, Refusal> {
        ask.place = ask.place.with("watch", true);
        let body = self.send(ask).await?.into_body();
        let rest = Vec::new();
        Ok(Lines { body, rest })
    }
}

impl Lines {
    /// The next change: its type (`ADDED`, `MODIFIED`, `DELETED`) and its object. `None` when the server
    /// ends the watch.
    pub(crate) async fn next(&mut self) -> Result<Option<(String, Value)>, Refusal> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return read(&line).map(Some);
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame
                .map_err(|error| Failure::of("read what the daemon goes on saying", &error))?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

fn read(line: &[u8]) -> Result<(String, Value), Refusal> {
    let mut event: Value = serde_json::from_slice(line)
        .map_err(|error| Failure::of("read what the daemon goes on saying", &error))?;
    let object = event["object"].take();
    match event["type"].as_str() {
        Some("ERROR") => Err(Refusal::Status(object)),
        kind => Ok((kind.unwrap_or_default().to_owned(), object)),
    }
}
