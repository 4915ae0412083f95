//! `outrigger logs`: what containers have written, and what they write from now on.

use std::io::Write;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use outrigger_api::Resource;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::exec::{containers, default_container};
use super::get::items;
use crate::args::{Logs, Places};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::{kinds, screen};

/// Pieces of logs that wait to be printed.
const WAITING: usize = 16;

/// Prints logs.
pub(crate) fn logs(places: &Places, logs: &Logs) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    Client::run(async {
        let mut sources = Vec::new();
        for pod in pods(&client, logs).await? {
            sources.extend(sources_of(&client, logs, &pod)?);
        }
        if sources.is_empty() {
            let namespace = &logs.namespace.name;
            screen::error(&format!("No resources found in {namespace} namespace."));
        }
        if logs.follow && sources.len() > 1 {
            return together(sources).await;
        }
        for source in sources {
            if !source.print().await? {
                break;
            }
        }
        Ok(0)
    })
}

/// The Pods that are meant.
async fn pods(client: &Client, logs: &Logs) -> Result<Vec<Value>, Failure> {
    let namespace = &logs.namespace.name;
    if let Some(pod) = &logs.pod {
        let place = Place::one(Resource::Pods, namespace, kinds::pod(pod)?);
        return Ok(vec![client.json(Ask::get(place)).await?]);
    }
    let all = Place::all(Resource::Pods, Some(namespace));
    let selected = all.with_some("labelSelector", logs.selector.as_deref());
    Ok(items(client.json(Ask::get(selected)).await?))
}

/// The logs of a Pod that are meant.
fn sources_of(client: &Client, logs: &Logs, pod: &Value) -> Result<Vec<Source>, Failure> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let wanted = logs.container.as_ref().or(logs.second.as_ref());
    let names = match wanted {
        Some(name) => vec![name.clone()],
        None if logs.all_containers => in_order(containers(pod)),
        None => vec![default_container(pod, false)?],
    };
    let place = Place::one(Resource::Pods, &logs.namespace.name, name);
    let place = query(place.below("log"), logs);
    let source = |container: String| Source {
        client: client.clone(),
        prefix: logs.prefix.then(|| format!("[pod/{name}/{container}] ")),
        place: place.clone().with("container", container),
    };
    Ok(names.into_iter().map(source).collect())
}

/// Containers in the order in which they begin.
fn in_order(mut names: Vec<(String, &'static str)>) -> Vec<String> {
    names.sort_by_key(|(_, kind)| match *kind {
        " (init)" => 0,
        "" => 1,
        _ => 2,
    });
    names.into_iter().map(|(name, _)| name).collect()
}

fn query(place: Place, logs: &Logs) -> Place {
    let since_s = logs.since.map(|since| since.as_secs().max(1));
    // As of kubectl: many Pods say too much.
    let unasked = if logs.selector.is_some() { 10 } else { -1 };
    let tail = u64::try_from(logs.tail.unwrap_or(unasked)).ok();
    let flag = |is_set: bool| is_set.then_some(true);
    place
        .with_some("follow", flag(logs.follow))
        .with_some("previous", flag(logs.previous))
        .with_some("timestamps", flag(logs.timestamps))
        .with_some("tailLines", tail)
        .with_some("sinceSeconds", since_s)
        .with_some("sinceTime", logs.since_time.as_deref())
        .with_some("limitBytes", logs.limit_bytes)
}

struct Source {
    client: Client,
    place: Place,
    prefix: Option<String>,
}

impl Source {
    async fn open(&self) -> Result<Incoming, Failure> {
        let answer = self.client.send(Ask::get(self.place.clone())).await?;
        Ok(answer.into_body())
    }

    /// Prints a log; false if nobody reads any more.
    async fn print(self) -> Result<bool, Failure> {
        let mut body = self.open().await?;
        let mut prefixed = Prefixed::new(self.prefix.unwrap_or_default());
        while let Some(piece) = next(&mut body).await? {
            if !write(&prefixed.take(&piece, false))? {
                return Ok(false);
            }
        }
        write(&prefixed.take(b"", true))
    }

    /// Hands a log on line by line, so that lines of several logs do not mix.
    async fn hand_on(self, lines: mpsc::Sender<Vec<u8>>) -> Result<(), Failure> {
        let mut body = self.open().await?;
        let mut whole = Vec::new();
        let mut prefixed = Prefixed::new(self.prefix.unwrap_or_default());
        while let Some(piece) = next(&mut body).await? {
            whole.extend_from_slice(&piece);
            let Some(end) = whole.iter().rposition(|byte| *byte == b'\n') else {
                continue;
            };
            let rest = whole.split_off(end + 1);
            if lines.send(prefixed.take(&whole, false)).await.is_err() {
                return Ok(());
            }
            whole = rest;
        }
        if !whole.is_empty() {
            whole.push(b'\n');
            // Nobody waits for it when the program ends.
            lines.send(prefixed.take(&whole, false)).await.ok();
        }
        Ok(())
    }
}

async fn next(body: &mut Incoming) -> Result<Option<Vec<u8>>, Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::of("read the log", &error))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data.to_vec()));
        }
    }
    Ok(None)
}

/// Several logs at once.
async fn together(sources: Vec<Source>) -> Result<u8, Failure> {
    let (sender, mut lines) = mpsc::channel(WAITING);
    let mut tasks = JoinSet::new();
    for source in sources {
        tasks.spawn(source.hand_on(sender.clone()));
    }
    drop(sender);
    while let Some(piece) = lines.recv().await {
        if !write(&piece)? {
            return Ok(0);
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Failure::of("follow a log", &error))??;
    }
    Ok(0)
}

/// False if nobody reads any more.
fn write(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::of("write to stdout", &error)),
    }
}

/// Puts a prefix before each line.
struct Prefixed {
    prefix: String,
    at_start: bool,
}

impl Prefixed {
    fn new(prefix: String) -> Prefixed {
        Prefixed {
            prefix,
            at_start: true,
        }
    }

    /// The piece with prefixes; at the end of the log a last line is closed if others are to follow.
    fn take(&mut self, piece: &[u8], is_end: bool) -> Vec<u8> {
        if self.prefix.is_empty() {
            return piece.to_vec();
        }
        let mut out = Vec::with_capacity(piece.len() + self.prefix.len());
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.at_start {
                out.extend_from_slice(self.prefix.as_bytes());
            }
            out.extend_from_slice(line);
            self.at_start = line.ends_with(b"\n");
        }
        if is_end && !self.at_start {
            out.push(b'\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_before_each_line_however_the_pieces_are_cut() {
        let mut prefixed = Prefixed::new("[a] ".to_owned());
        let mut out = prefixed.take(b"one\ntw", false);
        out.extend(prefixed.take(b"o\nthree", false));
        out.extend(prefixed.take(b"", true));
        assert_eq!(
            String::from_utf8_lossy(&out),
            "[a] one\n[a] two\n[a] three\n"
        );
    }
}
