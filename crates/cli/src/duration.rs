//! How long is `1h30m`?

use std::time::Duration;

/// Reads a duration of hours, minutes, seconds and milliseconds, in this order, such as `1h30m`,
/// `45s` or `1.5s`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration; write it like 30s, 5m, 1h30m or 500ms");
    let units = [("h", 3_600_000_u64), ("ms", 1), ("m", 60_000), ("s", 1000)];
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut last_unit_ms = u64::MAX;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let (unit, unit_ms) = units
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))
            .ok_or_else(wrong)?;
        if unit_ms >= last_unit_ms {
            return Err(wrong());
        }
        last_unit_ms = unit_ms;
        rest = &tail[unit.len()..];
        total_ms = amount(number, unit_ms)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or_else(wrong)?;
    }
    if total_ms == 0 {
        Err(wrong())
    } else {
        Ok(Duration::from_millis(total_ms))
    }
}

fn amount(number: &str, unit_ms: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let digits = u32::try_from(fraction.len())
        .ok()
        .filter(|digits| (1..=6).contains(digits))?;
    let fraction: u64 = fraction.parse().ok()?;
    whole
        .checked_mul(unit_ms)?
        .checked_add(fraction * unit_ms / 10_u64.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1.5s", 1500),
        ] {
            assert_eq!(parse(text).map(|d| d.as_millis()), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5x",
            "-1s",
            "0s",
            "30s5m",
            "1s1s",
            "99999999999999999999h",
            "1.s",
            "1..5s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
