//! The lives of Pods, told to people on stderr: one line an event, with the time since the start,
//! whom it happened to, what it was and why.

mod sentences;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_node::{Finished, Observer, Remark, State, Status, Telling, Time, now, phase_word};
use outrigger_pod::{Pod, PodUid};

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It belongs to a good life.
    Plain,
    /// Something is not as the manifest wants it; the Pod goes on.
    Warning,
    /// What `--quiet` leaves.
    Error,
}

/// Tells; clones tell the same story.
#[derive(Clone)]
pub(crate) struct Story {
    teller: Arc<Mutex<Teller>>,
}

struct Teller {
    lines: Option<Sender<String>>,
    began: Time,
    quiet: bool,
    coloured: bool,
    /// With several Pods, names of containers need the Pod's.
    several: bool,
    width: usize,
    memory: BTreeMap<PodUid, sentences::Memory>,
}

impl Story {
    /// The story of these Pods, from now on.
    pub(crate) fn new(
        pods: &[Pod],
        lines: Option<Sender<String>>,
        quiet: bool,
        coloured: bool,
    ) -> Story {
        let several = pods.len() > 1;
        let names = pods.iter().flat_map(|pod| {
            let own = if several { pod.name.len() } else { "pod".len() };
            let prefix = if several { own + 1 } else { 0 };
            pod.containers
                .iter()
                .map(move |container| prefix + container.name.0.len())
                .chain([own])
        });
        let width = names.max().unwrap_or(0);
        let memory = BTreeMap::new();
        let teller = Teller {
            lines,
            began: now(),
            quiet,
            coloured,
            several,
            width,
            memory,
        };
        Story {
            teller: Arc::new(Mutex::new(teller)),
        }
    }

    /// Says something about the whole run.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        self.with(|teller| teller.say(now(), "outrigger", text.as_ref(), Weight::Warning));
    }

    fn with(&self, tell: impl FnOnce(&mut Teller)) {
        tell(&mut self.teller.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Story {
    fn on_accepted(&mut self, pod: &Pod, at: Time) {
        self.with(|teller| {
            let name = teller.pod_name(pod);
            teller.say(at, &name, &words::accepted(pod), Weight::Plain);
        });
    }

    fn on_fact(&mut self, telling: &Telling<'_>) {
        self.with(|teller| {
            let memory = teller.memory.entry(telling.pod.uid.clone()).or_default();
            let Some(told) = memory.tell(telling) else {
                return;
            };
            let name = match told.slot {
                Some(slot) => teller.container_name(telling.pod, &telling.pod[slot].name.0),
                None => teller.pod_name(telling.pod),
            };
            teller.say(telling.at, &name, &told.text, told.weight);
        });
    }

    fn on_status(&mut self, pod: &Pod, at: Time, old: Option<&Status>, new: &Status) {
        self.with(|teller| {
            for (slot, container) in pod.slots() {
                let waits = |status: &Status| match &status.containers.get(slot.0)?.state {
                    State::Waiting { reason, message } if reason == "CrashLoopBackOff" => {
                        Some(message.clone())
                    }
                    _ => None,
                };
                if let Some(message) = waits(new).filter(|_| old.and_then(waits).is_none()) {
                    let name = teller.container_name(pod, &container.name.0);
                    let text = words::back_off(&message);
                    teller.say(at, &name, &text, Weight::Warning);
                }
            }
            if let Some(old) = old.map(|old| old.phase).filter(|old| *old != new.phase) {
                let name = teller.pod_name(pod);
                let text = format!("{} → {}", phase_word(old), phase_word(new.phase));
                teller.say(at, &name, &text, Weight::Plain);
            }
        });
    }

    fn on_remark(&mut self, pod: &Pod, at: Time, remark: &Remark) {
        self.with(|teller| {
            let name = teller.pod_name(pod);
            let (text, weight) = match remark {
                Remark::Warning(text) => {
                    (format!("note: {}", words::one_line(text)), Weight::Warning)
                }
                Remark::Error(text) => (words::one_line(text), Weight::Error),
            };
            teller.say(at, &name, &text, weight);
        });
    }

    fn on_end(&mut self, end: &Finished, at: Time) {
        self.with(|teller| {
            let (text, weight) = words::outcome(end);
            let name = teller.pod_name(&end.pod);
            teller.say(at, &name, &text, weight);
        });
    }
}

impl Teller {
    fn say(&mut self, at: Time, name: &str, text: &str, weight: Weight) {
        if self.quiet && weight != Weight::Error {
            return;
        }
        let ms = at.since_ms(self.began);
        let time = format!("{:>4}.{:03}s", ms / 1000, ms % 1000);
        let width = self.width;
        let line = if self.coloured {
            let colour = match weight {
                Weight::Plain => "0",
                Weight::Warning => "33",
                Weight::Error => "31",
            };
            format!("\x1b[2m{time}\x1b[0m  {name:<width$}  \x1b[{colour}m{text}\x1b[0m")
        } else {
            format!("{time}  {name:<width$}  {text}")
        };
        if let Some(lines) = &self.lines {
            // When stderr is gone there is nobody to tell.
            lines.send(line).ok();
        }
    }

    fn pod_name(&self, pod: &Pod) -> String {
        if self.several {
            pod.name.clone()
        } else {
            "pod".to_owned()
        }
    }

    fn container_name(&self, pod: &Pod, container: &str) -> String {
        if self.several {
            format!("{}/{container}", pod.name)
        } else {
            container.to_owned()
        }
    }
}
