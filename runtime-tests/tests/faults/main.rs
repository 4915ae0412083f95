//! The fault sweep: whatever becomes of a file that the daemon keeps, the next daemon takes up what it can and leaves
//! alone what it cannot, or it refuses to start and names the file. No running container is touched, none that has
//! finished runs again, and nothing else is removed.
//!
//! The table of what came of each fault is written to `target/fault-sweep.md`.

mod fault;
mod scene;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use runtime_tests::{Verdict, World, run, tests};

use fault::Fault;
use scene::Scene;

fn main() -> ExitCode {
    table::begin();
    run(tests![
        the_store_of_api_objects,
        the_record_of_a_pod_that_runs,
        the_record_of_a_pod_that_has_finished,
        the_ledger_of_a_shim,
        the_locks,
        the_certificates,
        the_image_store,
        how_far_the_daemon_had_come,
    ])
}

/// Does all faults to these files, one after the other.
fn sweep(world: &World, name: &str, files: impl Fn(&Scene) -> Vec<PathBuf>) -> Verdict {
    let mut scene = Scene::set(world)?;
    if name == "adoption" {
        scene.with_progress()?;
    }
    let files = files(&scene);
    runtime_tests::ensure!(!files.is_empty(), "there is no file of the kind {name}");
    for file in &files {
        for fault in Fault::all(file)? {
            scene.after(name, file, &fault)?;
        }
    }
    scene.finish()
}

fn the_store_of_api_objects(world: &World) -> Verdict {
    sweep(world, "store", |scene| vec![scene.root("objects.redb")])
}

fn the_record_of_a_pod_that_runs(world: &World) -> Verdict {
    sweep(world, "record, running", |scene| vec![scene.record("web")])
}

fn the_record_of_a_pod_that_has_finished(world: &World) -> Verdict {
    sweep(world, "record, finished", |scene| vec![scene.record("job")])
}

fn the_ledger_of_a_shim(world: &World) -> Verdict {
    sweep(world, "ledger", |scene| vec![scene.state("web", "/ledger")])
}

fn the_locks(world: &World) -> Verdict {
    sweep(world, "lock", |scene| {
        vec![scene.root("daemon.lock"), scene.state("web", ".lock")]
    })
}

fn the_certificates(world: &World) -> Verdict {
    sweep(world, "certificate", |scene| scene.files_in("pki"))
}

fn the_image_store(world: &World) -> Verdict {
    sweep(world, "image store", |scene| scene.files_in("images"))
}

fn how_far_the_daemon_had_come(world: &World) -> Verdict {
    sweep(world, "adoption", |scene| vec![scene.progress()])
}
