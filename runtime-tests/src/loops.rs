//! How much of a long loop is run here? Whole in `scripts/night`, a twentieth where nothing else is said, less in the
//! virtual machine, which is ten times as slow.

/// The share that is run if the variable is not set: that of `scripts/test`.
const USUAL: f64 = 0.05;

/// How often a loop goes round that goes round `whole` times in `scripts/night`: by the share in `OUTRIGGER_LOOPS`, and at
/// least once.
#[must_use]
pub fn times(whole: u32) -> u32 {
    let given = std::env::var("OUTRIGGER_LOOPS").ok();
    let times = part(whole, given.as_deref());
    println!("loops: {times} of {whole}");
    times
}

/// A share that cannot be read, or that is no share, is the whole: rather too long than hardly tested.
fn part(whole: u32, given: Option<&str>) -> u32 {
    let share = given.map_or(USUAL, |text| text.trim().parse().unwrap_or(1.0));
    let share = if share > 0.0 && share < 1.0 {
        share
    } else {
        1.0
    };
    // A share of at most 1 of a u32 fits into one again.
    ((f64::from(whole) * share).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_share_of_the_whole_and_never_nothing() {
        assert_eq!(part(10_000, Some("1")), 10_000);
        assert_eq!(part(10_000, Some("0.05")), 500);
        assert_eq!(part(10_000, Some("0.005")), 50);
        assert_eq!(part(10_000, None), 500);
        assert_eq!(part(10, Some("0.005")), 1);
        assert_eq!(part(u32::MAX, Some("1")), u32::MAX);
    }

    #[test]
    fn what_is_no_share_is_the_whole() {
        for text in ["", "a twentieth", "0", "-1", "2", "NaN", "inf"] {
            assert_eq!(part(200, Some(text)), 200, "{text}");
        }
    }
}
