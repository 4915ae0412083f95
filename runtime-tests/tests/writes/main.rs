//! The write sweep: whichever write, fsync or rename of a rich life fails, alone or with all that follow it until there is
//! room again, what was acknowledged is not lost, nothing runs twice, and the daemon goes on.

mod cut;
mod disk;
mod life;

use std::process::ExitCode;

use runtime_tests::chance::Chance;
use runtime_tests::{Verdict, World, ensure, failed, loops, run, tests};

use cut::what_a_record_lacks_is_not_done_again;
use disk::{Disk, Trouble};
use life::{Ending, Life};

fn main() -> ExitCode {
    run(tests![
        a_disk_that_is_full_until_there_is_room,
        a_disk_that_fails_until_it_is_mended,
        one_write_without_room,
        one_write_that_fails,
        what_a_record_lacks_is_not_done_again,
    ])
}

fn a_disk_that_is_full_until_there_is_room(world: &World) -> Verdict {
    sweep(world, Trouble::new("full", "ENOSPC"))
}

fn a_disk_that_fails_until_it_is_mended(world: &World) -> Verdict {
    sweep(world, Trouble::new("full", "EIO"))
}

fn one_write_without_room(world: &World) -> Verdict {
    sweep(world, Trouble::new("once", "ENOSPC"))
}

fn one_write_that_fails(world: &World) -> Verdict {
    sweep(world, Trouble::new("once", "EIO"))
}

/// Lives a life for each n; `OUTRIGGER_WRITE` names one alone.
fn sweep(world: &World, trouble: Trouble) -> Verdict {
    let mut chance = Chance::of_variable("OUTRIGGER_WRITES_SEED");
    let asked = std::env::var("OUTRIGGER_WRITE").ok();
    if let Some(number) = asked.and_then(|text| text.parse().ok()) {
        return one(world, trouble, number).map(drop);
    }
    let count = one(world, trouble, 0)?;
    println!("{trouble:?}: {count} writes in a life in which none fails");
    ensure!(count > 50, "hardly a write was seen: {count}");
    let times = loops::times(count);
    for turn in 0..times {
        // One in each of as many equal parts.
        let (from, to) = (turn * count / times, (turn + 1) * count / times);
        let number = from + 1 + chance.below((to - from) as usize) as u32;
        one(world, trouble, number)?;
    }
    Ok(())
}

/// A life in which the write with this number fails; how many there were.
fn one(world: &World, trouble: Trouble, number: u32) -> Result<u32, runtime_tests::Failure> {
    let ending = if number.is_multiple_of(2) {
        Ending::Stopped
    } else {
        Ending::Killed
    };
    let disk = Disk::new(world, trouble, number)?;
    let lived = Life::begin(world, &disk).and_then(|life| life.live(ending));
    lived.map_err(|failure| {
        failed(format!(
            "{trouble:?}, write {number} ({}), {ending:?}: {failure}",
            disk.what_failed()
        ))
    })?;
    disk.count()
}
