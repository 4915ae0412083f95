//! Why is a Pod not taken up, and when is it tried again?

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

/// How soon what another process may let go of at any moment is tried again at first; the time doubles each time.
const SOON: Duration = Duration::from_secs(2);
/// The longest time between two such trials.
const SOON_AT_MOST: Duration = Duration::from_secs(300);
/// When what only a person can mend is tried again.
const FOR_LONG: Duration = Duration::from_secs(3600);
/// When a Pod with which the daemon died is tried again, alone: all others have been taken up by then, and a daemon
/// that is killed again and again for other reasons hardly comes that far.
const IN_A_MOMENT: Duration = Duration::from_secs(3);

/// A Pod that is left as it is: nothing of it is ended, removed or begun again. It can be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Why.
    pub problem: String,
    /// When it is tried again.
    pub(super) again_in: Duration,
    /// Whether it may be only a matter of time.
    pub(super) passes: bool,
    /// Whether nothing is wrong with it but that the daemon died while it was taken up, once.
    suspected: bool,
}

impl Left {
    /// Something that may pass by itself.
    pub(crate) fn soon(problem: String) -> Left {
        Left {
            problem,
            again_in: SOON,
            passes: true,
            suspected: false,
        }
    }

    /// Something that only a person can mend.
    pub(crate) fn for_long(problem: String) -> Left {
        Left {
            problem,
            again_in: FOR_LONG,
            passes: false,
            suspected: false,
        }
    }

    /// The daemon died once while it took up this Pod and no other.
    pub(crate) fn suspected() -> Left {
        Left {
            problem: "the daemon died while it took up this pod; it is tried once more, alone"
                .to_owned(),
            again_in: IN_A_MOMENT,
            passes: false,
            suspected: true,
        }
    }

    /// The daemon died twice in a row while it took up this Pod and no other, so many seconds ago.
    pub(crate) fn set_aside(ago: Duration) -> Left {
        let problem = "the daemon died twice in a row while it took up this pod and no other";
        Left {
            problem: problem.to_owned(),
            again_in: FOR_LONG.saturating_sub(ago),
            passes: false,
            suspected: false,
        }
    }

    /// There is no record, and yet there was a life.
    pub(crate) fn without_record(record: &Path, trace: &str) -> Left {
        Left::for_long(format!(
            "its record {} is missing, and {trace} says that it has lived: put the record back, or delete the pod",
            record.display()
        ))
    }

    /// The record tells no life.
    pub(super) fn unreadable(record: &Path, problem: &impl Display) -> Left {
        Left::for_long(format!("its record {}: {problem}", record.display()))
    }

    /// The same after one more trial.
    pub(crate) fn after(self, before: &Left) -> Left {
        let doubled = (before.again_in * 2).min(SOON_AT_MOST);
        match self.passes && before.passes {
            true => Left {
                again_in: doubled,
                ..self
            },
            false => self,
        }
    }

    /// Whether nothing is wrong with it as far as anybody knows.
    pub(crate) fn is_suspected(&self) -> bool {
        self.suspected
    }

    /// When it is tried again.
    pub(crate) fn again_in(&self) -> Duration {
        self.again_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_ever_more_seldom_and_the_rest_once_an_hour() {
        let mut left = Left::soon("locked".to_owned());
        let mut times = Vec::new();
        for _ in 0..10 {
            times.push(left.again_in().as_secs());
            left = Left::soon("locked".to_owned()).after(&left);
        }
        assert_eq!(times, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        let damaged = Left::for_long("damaged".to_owned()).after(&left);
        assert_eq!(damaged.again_in().as_secs(), 3600);
        let aside = Left::set_aside(Duration::from_secs(3000));
        assert_eq!(aside.again_in().as_secs(), 600);
        assert_eq!(Left::set_aside(Duration::MAX).again_in(), Duration::ZERO);
    }
}
