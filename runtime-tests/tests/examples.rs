//! Does each example show what it says it shows, end by itself and leave nothing behind?

use std::process::ExitCode;

use runtime_tests::life::{Event, events};
use runtime_tests::{Output, Test, Verdict, World, ensure, failed, needs, run, status};

/// An example, the exit code of its Pod, and what must happen in this order; a line may go on.
type Example = (&'static str, i32, &'static [&'static [&'static str]]);

const EXAMPLES: [Example; 13] = [
    (
        "sidecars.yaml",
        0,
        &[
            &[
                "prepare exited 0",
                "proxy says ready",
                "metrics started",
                "job started",
                "job exited 0",
            ],
            &["job says working on: done", "job says finished"],
            &["job exited 0", "metrics says sending", "proxy says closing"],
            &["job exited 0", "metrics exited 0", "proxy exited 0"],
        ],
    ),
    (
        "01-plain-pod.yaml",
        0,
        &[&["hello says Hello from plain-pod, process 1 of the pod plain-pod"]],
    ),
    (
        "02-inits-in-order.yaml",
        0,
        &[
            &[
                "fetch exited 0",
                "compile started",
                "compile exited 0",
                "serve started",
            ],
            &["serve says running a program"],
        ],
    ),
    (
        "03-one-sidecar.yaml",
        0,
        &[
            &["helper says at your service"],
            &["main exited 0", "helper says goodbye"],
        ],
    ),
    (
        "04-sidecar-chain.yaml",
        0,
        &[
            &[
                "keys says unlocked",
                "tunnel says open",
                "cache says full",
                "cache says writing",
            ],
            &[
                "cache says writing",
                "tunnel says closing",
                "keys says forgetting",
            ],
            &[
                "main exited 0",
                "cache exited 0",
                "tunnel exited 0",
                "keys exited 0",
            ],
        ],
    ),
    (
        "05-log-shipper.yaml",
        0,
        &[
            &["shipper says request 1", "shipper says the last words"],
            &["app exited 0", "shipper exited 0"],
        ],
    ),
    (
        "06-localhost-proxy.yaml",
        0,
        &[
            &["proxy says proxy listens", "proxy says proxy closed"],
            &["main says the proxy answered: hello"],
        ],
    ),
    (
        "07-job-with-sidecar.yaml",
        0,
        &[
            &[
                "database started",
                "job exited 1",
                "job started",
                "job exited 0",
                "database exited 0",
            ],
            &["database says saw 2 tries"],
        ],
    ),
    (
        "08-crashing-sidecar.yaml",
        0,
        &[
            &[
                "fragile exited 1",
                "fragile started",
                "fragile exited 1",
                "main exited 0",
            ],
            &["main says did my work all the same"],
        ],
    ),
    (
        "09-graceful-shutdown.yaml",
        0,
        &[
            &[
                "server says preStop: no new",
                "server says SIGTERM: finishing",
            ],
            &["main exited 0", "server exited 0"],
        ],
    ),
    (
        "10-readiness.yaml",
        0,
        &[&[
            "server says started",
            "server says ready",
            "server says ready again",
        ]],
    ),
    (
        "11-restart-rules.yaml",
        0,
        &[
            &["worker exited 42", "worker started", "worker exited 0"],
            &["worker says got it"],
        ],
    ),
    (
        "12-resources-and-oom.yaml",
        137,
        &[
            &["greedy exited 137", "modest exited 0"],
            &["modest says I had enough"],
        ],
    ),
];

fn main() -> ExitCode {
    let mut tests: Vec<Test> = EXAMPLES
        .into_iter()
        .map(|(file, code, orders)| {
            Test::new(file, move |world| {
                let seen = lived(world, file, code)?;
                orders.iter().try_for_each(|order| happens(&seen, order))
            })
        })
        .collect();
    tests.push(Test::new(
        "the_first_example_takes_a_moment",
        the_first_example_takes_a_moment,
    ));
    tests.push(Test::new(
        "a_container_out_of_memory_is_called_so",
        out_of_memory_is_called_so,
    ));
    run(tests)
}

fn the_first_example_takes_a_moment(world: &World) -> Verdict {
    let seen = lived(world, "sidecars.yaml", 0)?;
    ensure!(
        seen.output.took < runtime_tests::at_most_s(7.0),
        "it took too long: {}",
        seen.output.shown()
    );
    Ok(())
}

fn out_of_memory_is_called_so(world: &World) -> Verdict {
    let seen = lived(world, "12-resources-and-oom.yaml", 137)?;
    let pod = seen
        .output
        .status
        .as_ref()
        .ok_or_else(|| failed("no status file"))?;
    let sentence = "greedy: terminated OOMKilled 137; last none; restarts 0; ready no; started no";
    ensure!(
        status::containers(pod).iter().any(|line| line == sentence),
        "{:?}",
        status::containers(pod)
    );
    Ok(())
}

/// An example's run, and what happened in it.
struct Lived {
    output: Output,
    events: Vec<Event>,
}

fn lived(world: &World, file: &str, code: i32) -> Result<Lived, runtime_tests::Failure> {
    if file.contains("proxy") {
        needs!("perl");
    }
    let path = runtime_tests::repository().join("examples").join(file);
    let path = path
        .to_str()
        .ok_or_else(|| failed("the path is not UTF-8"))?;
    let output = world
        .outrigger(&["run", path])
        .with_status(world)
        .finish()?
        .ended_with(code)?;
    ensure!(
        output.took < runtime_tests::at_most_s(12.0),
        "an example takes a moment: {}",
        output.shown()
    );
    let events = events(&output);
    Ok(Lived { output, events })
}

/// These happen in this order, whatever lies between them; a line may go on.
fn happens(seen: &Lived, order: &[&str]) -> Verdict {
    let mut rest = seen.events.iter();
    for wanted in order {
        let found =
            rest.any(|event| format!("{} {}", event.container, event.what).starts_with(wanted));
        ensure!(
            found,
            "{wanted:?} did not come in its turn of {order:?}\n{}",
            seen.output.shown()
        );
    }
    Ok(())
}
