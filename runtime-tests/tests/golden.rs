//! Does a Pod live as it lived under a real kubelet? Each `golden/NAME.yaml` has been run there;
//! `golden/NAME.expect` says what was seen that may be compared, and why it matters.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use runtime_tests::expect::Expected;
use runtime_tests::life::so_far;
use runtime_tests::{Test, Verdict, World, ensure, failed, run};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("{} cannot be read", folder.display());
        return ExitCode::FAILURE;
    };
    let mut manifests: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    manifests.sort();
    let named = |path: PathBuf| {
        let name = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().replace('-', "_"));
        Test::new(name, move |world| live(world, &path))
    };
    run(manifests.into_iter().map(named).collect())
}

fn live(world: &World, manifest: &Path) -> Verdict {
    let text = std::fs::read_to_string(manifest.with_extension("expect"))?;
    let expected = Expected::read(&text)?;
    let path = manifest
        .to_str()
        .ok_or_else(|| failed("the path of the manifest is not UTF-8"))?;
    let running = world
        .outrigger(&["run", path])
        .with_status(world)
        .limit_s(75.0)
        .start()?;
    if let Some((after_s, moment)) = &expected.delete {
        running.wait_until("the moment of deletion", |lines| {
            moment.find(&so_far(lines)).is_some()
        })?;
        std::thread::sleep(Duration::from_secs_f64(*after_s));
        running.signal(Signal::SIGINT)?;
    }
    let output = running.finish()?;
    let wrong = expected.differences(&output);
    ensure!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), output.shown());
    Ok(())
}
