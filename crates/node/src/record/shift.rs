//! What do the times of an earlier boot mean on this one's clock? The same time of day.

use outrigger_lifecycle::{Exit, Instance, Life, PostStart, PreStop, Sandbox, Seen, Time};

/// Moves all times by `by_ns`.
pub(crate) fn shift(seen: &mut Seen, by_ns: i64) {
    let Seen {
        accepted,
        sandbox,
        containers,
        deletion,
        teardown,
        reset,
        sources_changed: _,
        silence,
    } = seen;
    let to = |time: &mut Time| time.0 = time.0.saturating_add_signed(by_ns);
    to(accepted);
    match sandbox {
        Sandbox::Absent { last, .. } => last.iter_mut().for_each(|last| to(&mut last.0)),
        Sandbox::Preparing { since, .. }
        | Sandbox::Ready { since }
        | Sandbox::Releasing { since }
        | Sandbox::Released { at: since } => to(since),
    }
    if let Some(deletion) = deletion {
        to(&mut deletion.at);
        to(&mut deletion.deadline);
        deletion.forced.iter_mut().for_each(&to);
    }
    if let Some(silence) = silence {
        to(&mut silence.since);
        silence.killed.iter_mut().for_each(&to);
    }
    teardown.iter_mut().for_each(|it| to(&mut it.began));
    reset.iter_mut().for_each(|it| to(&mut it.began));
    for history in containers {
        if let Some(current) = &mut history.current {
            instance(current, &to);
        }
        if let Some((started, exit)) = &mut history.previous {
            ended(started, exit, &to);
        }
        history
            .back_off
            .iter_mut()
            .for_each(|it| to(&mut it.updated));
        history.failure.iter_mut().for_each(|it| to(&mut it.0));
    }
}

fn instance(instance: &mut Instance, to: &impl Fn(&mut Time)) {
    to(&mut instance.began);
    match &mut instance.life {
        Life::Starting => {}
        Life::Running { since, post_start } => {
            to(since);
            if let PostStart::Running { since } = post_start {
                to(since);
            }
        }
        Life::Exited { started, exit } => ended(started, exit, to),
    }
    for probe in &mut instance.probes {
        probe.last_began.iter_mut().for_each(to);
        probe.last.iter_mut().for_each(|last| to(&mut last.0));
    }
    if let Some(stop) = &mut instance.stop {
        to(&mut stop.began);
        to(&mut stop.deadline);
        if let PreStop::Running { since } = &mut stop.pre_stop {
            to(since);
        }
        stop.signalled.iter_mut().for_each(to);
        stop.killed.iter_mut().for_each(to);
    }
    if let Some((at, _)) = instance
        .resize
        .as_mut()
        .and_then(|resize| resize.failed.as_mut())
    {
        to(at);
    }
}

fn ended(started: &mut Option<Time>, exit: &mut Exit, to: &impl Fn(&mut Time)) {
    started.iter_mut().for_each(to);
    to(&mut exit.at);
}
