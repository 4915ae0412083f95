//! Ten lives that between them meet every kind of step.

use outrigger_lifecycle::HookKind;
use outrigger_pod::{Pod, RestartPolicy, Slot};
use outrigger_simulator::{
    Build, Faults, Happened, OnSignal, Order, Probing, Run, Scripts, exec_probe,
};

/// A Pod, how its containers behave and what is done to it.
pub(crate) struct Scripted {
    pub(crate) what: &'static str,
    pub(crate) pod: Pod,
    pub(crate) scripts: Scripts,
    pub(crate) faults: Faults,
    /// Whether its containers go their own ways, so that only the order in each counts.
    pub(crate) apart: bool,
}

fn scripted(what: &'static str, build: Build, runs: Vec<Vec<Run>>) -> Scripted {
    Scripted {
        what,
        pod: build.done(),
        scripts: Scripts((0..).map(Slot).zip(runs).collect()),
        faults: Faults::default(),
        apart: false,
    }
}

impl Scripted {
    fn apart(mut self) -> Scripted {
        self.apart = true;
        self
    }

    /// Something is done to the Pod so long after something happened.
    fn upon(mut self, what: Happened, after_ms: u64, order: Order) -> Scripted {
        self.faults.upon.push((what, after_ms, order));
        self
    }
}

/// A run that takes so long to answer a stop signal that whatever is killed meanwhile is back.
fn slow_to_stop() -> Run {
    Run {
        on_signal: OnSignal::Ends(40_000, 0),
        ..Run::serves()
    }
}

fn deletion() -> Order {
    Order::Delete(None)
}

/// A run with hooks that take four seconds each.
fn hooked(run: Run) -> Run {
    Run {
        post_start: (4_000, true),
        pre_stop: (4_000, true),
        ..run
    }
}

/// The ten.
pub(crate) fn lives() -> Vec<Scripted> {
    [starts(), ends(), deletions(), changes()]
        .into_iter()
        .flatten()
        .collect()
}

/// How Pods come up.
fn starts() -> Vec<Scripted> {
    vec![
        scripted(
            "inits one after the other, the second at its third try",
            Build::pod(RestartPolicy::OnFailure)
                .init("i")
                .init("j")
                .main("m"),
            vec![
                vec![Run::ends(2_000, 0)],
                vec![Run::ends(500, 1), Run::ends(500, 2), Run::ends(500, 0)],
                vec![Run::ends(9_000, 0)],
            ],
        ),
        scripted(
            "sidecars that startup probes gate, and a natural end in order",
            Build::pod(RestartPolicy::Never)
                .grace_s(200)
                .sidecar("s")
                .startup(exec_probe(1, 1_000))
                .sidecar("t")
                .startup(exec_probe(1, 1_000))
                .init("i")
                .main("m"),
            vec![
                vec![Run {
                    up_after_ms: Some(2_500),
                    ..Run::serves()
                }],
                vec![Run {
                    up_after_ms: Some(1_500),
                    ..Run::serves()
                }],
                vec![Run::ends(1_000, 0)],
                vec![Run::ends(200_000, 0)],
            ],
        ),
        scripted(
            "commands as hooks of a sidecar and a main that is deleted",
            Build::pod(RestartPolicy::Always)
                .grace_s(300)
                .sidecar("s")
                .post_start()
                .pre_stop()
                .main("m")
                .post_start()
                .pre_stop(),
            vec![vec![hooked(Run::serves())], vec![hooked(slow_to_stop())]],
        )
        .upon(
            Happened::HookEnded(Slot(1), 0, HookKind::PostStart, true),
            1_000,
            deletion(),
        ),
    ]
}

/// Hooks and crashes.
fn ends() -> Vec<Scripted> {
    vec![
        scripted(
            "waits as hooks",
            Build::pod(RestartPolicy::Always)
                .grace_s(300)
                .main("m")
                .post_start()
                .pre_stop()
                .sleeping()
                .main("n")
                .pre_stop()
                .sleeping(),
            vec![vec![hooked(Run::serves())], vec![hooked(slow_to_stop())]],
        )
        .upon(Happened::Started(Slot(1), 0), 1_000, deletion()),
        scripted(
            "a crash loop beside a main that serves, deleted in its back-off",
            Build::pod(RestartPolicy::Always)
                .grace_s(60)
                .main("m")
                .main("n"),
            vec![vec![Run::ends(300, 7)], vec![slow_to_stop()]],
        )
        .apart()
        .upon(Happened::Exited(Slot(0), 4, 7, false), 20_000, deletion()),
        scripted(
            "a liveness probe that fails twice",
            Build::pod(RestartPolicy::Always)
                .grace_s(30)
                .main("m")
                .liveness(exec_probe(2, 2)),
            vec![vec![
                Run {
                    probing: Probing::FailsFrom(1_000),
                    ..Run::serves()
                },
                Run {
                    probing: Probing::FailsFrom(1_000),
                    ..Run::serves()
                },
                Run::serves(),
            ]],
        )
        .upon(Happened::Started(Slot(0), 2), 5_000, deletion()),
    ]
}

/// Ends that somebody asks for.
fn deletions() -> Vec<Scripted> {
    vec![
        scripted(
            "deleted while its first init runs, and asked for less grace in its end",
            Build::pod(RestartPolicy::Always)
                .grace_s(90)
                .sidecar("s")
                .init("i")
                .main("m"),
            vec![
                vec![slow_to_stop()],
                vec![slow_to_stop()],
                vec![Run::serves()],
            ],
        )
        .upon(Happened::Started(Slot(1), 0), 2_000, deletion())
        .upon(
            Happened::Signalled(Slot(1), 0),
            1_000,
            Order::Delete(Some(60)),
        ),
        scripted(
            "deaf to its stop signal",
            Build::pod(RestartPolicy::Never)
                .grace_s(5)
                .main("m")
                .main("n"),
            vec![
                vec![Run {
                    on_signal: OnSignal::Ignores,
                    ..Run::serves()
                }],
                vec![Run::ends(60_000, 0)],
            ],
        )
        .upon(Happened::Started(Slot(1), 0), 2_000, deletion()),
    ]
}

/// What happens to Pods that run.
fn changes() -> Vec<Scripted> {
    let replaced = Build::pod(RestartPolicy::Never)
        .grace_s(60)
        .main("m")
        .pre_stop();
    vec![
        {
            let mut fails = scripted(
                "a sandbox that fails twice, is lost once, and a main that is done stays so",
                Build::pod(RestartPolicy::OnFailure)
                    .init("i")
                    .main("m")
                    .main("n"),
                vec![
                    vec![Run::ends(1_000, 0)],
                    vec![Run::ends(20_000, 0)],
                    vec![Run::serves(), Run::ends(30_000, 0)],
                ],
            )
            .upon(
                Happened::Exited(Slot(1), 0, 0, false),
                30_000,
                Order::KillShim,
            );
            fails.faults.sandbox_failures = 2;
            fails
        },
        scripted(
            "another image, other resources and an ephemeral container under Never",
            replaced.clone(),
            vec![
                vec![hooked(Run::serves()), Run::ends(50_000, 0)],
                vec![Run::ends(4_000, 3)],
            ],
        )
        .upon(
            Happened::Started(Slot(0), 0),
            5_000,
            Order::Update(Box::new(replaced.clone().image("m", "new").done())),
        )
        .upon(
            Happened::Started(Slot(0), 1),
            5_000,
            Order::Update(Box::new(
                replaced
                    .image("m", "new")
                    .limit("m", "cpu", "2")
                    .ephemeral("e")
                    .done(),
            )),
        ),
    ]
}
