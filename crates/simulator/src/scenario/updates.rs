//! What the lines of a script mean that replace the Pod's manifest.

use outrigger_pod::{Kind, Slot};

use super::{Reading, lines};
use crate::Build;

/// Makes the versions of the Pod, each of the one before it.
pub(super) fn apply(reading: &mut Reading) -> Result<(), String> {
    let mut build = reading.build.clone();
    for (at_ms, words) in std::mem::take(&mut reading.updates) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        build = match words[..] {
            ["grace", value] => build.grace_s(lines::number(Some(value))?),
            ["deadline", value] => build.deadline_s(lines::number(Some(value))?),
            ["ephemeral", name, ":", ..] => add(reading, build, name, &words[3..])?,
            [name, "image", image] => build.image(name, image),
            [name, resource @ ("cpu" | "memory"), amount] => build.limit(name, resource, amount),
            _ => return Err(format!("{words:?} is no update")),
        };
        reading.faults.updates.push((at_ms, build.clone().done()));
    }
    Ok(())
}

fn add(reading: &mut Reading, build: Build, name: &str, run: &[&str]) -> Result<Build, String> {
    let runs = vec![lines::run(&run.join(" "))?];
    reading.scripts.0.insert(Slot(reading.slots), runs);
    reading.slots += 1;
    Ok(build.container(Kind::Ephemeral, name))
}
