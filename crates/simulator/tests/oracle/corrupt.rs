//! How a trace is corrupted: events repeated, taken out, put elsewhere.

use outrigger_lifecycle::Time;
use outrigger_simulator::{Happened, Life};

fn place(life: &Life, which: impl Fn(&Happened) -> bool) -> usize {
    life.trace
        .iter()
        .position(|(_, happened)| which(happened))
        .expect("the event is in the trace")
}

pub(crate) fn time_of(life: &Life, which: impl Fn(&Happened) -> bool) -> Time {
    life.trace[place(life, which)].0
}

pub(crate) fn remove(life: &mut Life, which: impl Fn(&Happened) -> bool) {
    let at = place(life, which);
    life.trace.remove(at);
}

pub(crate) fn repeat(life: &mut Life, which: impl Fn(&Happened) -> bool) {
    let at = place(life, which);
    life.trace.insert(at, life.trace[at].clone());
}

pub(crate) fn insert_after(life: &mut Life, which: impl Fn(&Happened) -> bool, what: Happened) {
    let at = place(life, which);
    life.trace.insert(at + 1, (life.trace[at].0, what));
}

/// Puts an event right before another, at that one's time.
pub(crate) fn move_before(
    life: &mut Life,
    which: impl Fn(&Happened) -> bool,
    other: impl Fn(&Happened) -> bool,
) {
    let from = place(life, which);
    let (_, what) = life.trace.remove(from);
    let to = place(life, other);
    life.trace.insert(to, (life.trace[to].0, what));
}

/// Gives an event another time in its place.
pub(crate) fn give_time(life: &mut Life, which: impl Fn(&Happened) -> bool, time: Time) {
    let at = place(life, which);
    life.trace[at].0 = time;
}
