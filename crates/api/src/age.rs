//! How long is that ago, in the two coarse units in which kubectl's tables say it?

use k8s_openapi::jiff::Timestamp;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;
const YEAR_S: i64 = 365 * DAY_S;

/// Time since a moment in RFC 3339, such as `5d3h`; `<unknown>` without a moment.
#[must_use]
pub fn since(moment: Option<&str>, now: Timestamp) -> String {
    match moment.and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(moment) => human(now.duration_since(moment).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

/// Seconds in the form `2m30s`: the second unit goes when the first one is big enough, and when it is 0.
#[must_use]
pub fn human(seconds: i64) -> String {
    match seconds {
        // A clock that is a second behind ours is no reason for a complaint.
        i64::MIN..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE_S => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE_S => two(seconds, (MINUTE_S, "m"), (1, "s")),
        _ if seconds < 3 * HOUR_S => format!("{}m", seconds / MINUTE_S),
        _ if seconds < 8 * HOUR_S => two(seconds, (HOUR_S, "h"), (MINUTE_S, "m")),
        _ if seconds < 2 * DAY_S => format!("{}h", seconds / HOUR_S),
        _ if seconds < 8 * DAY_S => two(seconds, (DAY_S, "d"), (HOUR_S, "h")),
        _ if seconds < 2 * YEAR_S => format!("{}d", seconds / DAY_S),
        _ if seconds < 8 * YEAR_S => two(seconds, (YEAR_S, "y"), (DAY_S, "d")),
        _ => format!("{}y", seconds / YEAR_S),
    }
}

fn two(seconds: i64, (big_s, big): (i64, &str), (small_s, small): (i64, &str)) -> String {
    match seconds % big_s / small_s {
        0 => format!("{}{big}", seconds / big_s),
        rest => format!("{}{big}{rest}{small}", seconds / big_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_at_most_two_units() {
        for (seconds, said) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (599, "9m59s"),
            (600, "10m"),
            (659, "10m"),
            (3 * HOUR_S - 1, "179m"),
            (3 * HOUR_S, "3h"),
            (3 * HOUR_S + 61, "3h1m"),
            (8 * HOUR_S + 3599, "8h"),
            (2 * DAY_S - 1, "47h"),
            (2 * DAY_S, "2d"),
            (5 * DAY_S + 3 * HOUR_S, "5d3h"),
            (8 * DAY_S + 3 * HOUR_S, "8d"),
            (2 * YEAR_S - 1, "729d"),
            (2 * YEAR_S, "2y"),
            (3 * YEAR_S + 4 * DAY_S, "3y4d"),
            (9 * YEAR_S + 4 * DAY_S, "9y"),
        ] {
            assert_eq!(human(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn no_moment_and_no_sense_are_unknown() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(since(None, now), "<unknown>");
        assert_eq!(since(Some("yesterday"), now), "<unknown>");
        assert_eq!(since(Some("2026-01-01T23:57:30.5Z"), now), "2m29s");
    }
}
