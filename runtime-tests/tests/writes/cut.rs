//! What if the disk took only the first lines of a record?

use runtime_tests::daemon::Daemon;
use runtime_tests::{Verdict, World, ensure, failed, loops};

use crate::life::{PODS, is_ready, web};

/// Wherever the record of a Pod that runs ends, it is taken up or left alone: its container goes on, and none is
/// begun a second time.
pub(crate) fn what_a_record_lacks_is_not_done_again(world: &World) -> Verdict {
    let ran = world.work.join("ran");
    std::fs::create_dir(&ran)?;
    let mut daemon = Daemon::start(world)?;
    let (code, answer) = daemon.ask("POST", PODS, &web(&ran).to_string())?;
    ensure!(code == 201, "{code} {answer}");
    let pod = daemon.until_pod("web", "runs", is_ready)?;
    daemon.stop()?;
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let record = daemon.root.join(format!("lives/{uid}.jsonl"));
    let whole = std::fs::read(&record)?;
    let ends: Vec<usize> = (1..=whole.len())
        .filter(|end| whole[end - 1] == b'\n')
        .collect();
    let times = loops::times(4 * u32::try_from(ends.len())?) as usize;
    for turn in 0..times.min(ends.len()) {
        let line = turn * ends.len() / times.min(ends.len());
        std::fs::write(&record, &whole[..ends[line]])?;
        daemon.up()?;
        let after = daemon.until_pod("web", "is taken up or left", |pod| {
            is_ready(pod) || pod["status"]["reason"] == "NotTakenUp"
        })?;
        let started = std::fs::read_to_string(ran.join("web"))?;
        let restarts = &after["status"]["containerStatuses"][0]["restartCount"];
        if started.lines().count() != 1 || !(restarts.is_null() || restarts == 0) {
            let last = whole[..ends[line]].rsplit(|byte| *byte == b'\n').nth(1);
            return Err(failed(format!(
                "after line {}, {}: {started:?} {}\n{}",
                line + 1,
                String::from_utf8_lossy(last.unwrap_or_default()),
                after["status"],
                daemon.log_end()
            )));
        }
        daemon.cut_off()?;
        std::fs::write(&record, &whole)?;
    }
    daemon.up()?;
    daemon.until_pod("web", "goes on", is_ready)?;
    daemon.finish()
}
