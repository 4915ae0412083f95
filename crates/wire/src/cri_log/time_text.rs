//! How is a moment spelled in a log? As `2026-11-23T15:41:37.123456789Z`, always 30 bytes.

/// How long the text is.
pub(super) const TEXT_BYTES: usize = 30;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// Spells moments. The date is worked out once a second and kept, because a busy log asks for
/// thousands of times within one.
#[derive(Debug, Clone)]
pub struct TimeText {
    second: u64,
    text: [u8; TEXT_BYTES],
}

impl TimeText {
    /// A text for this moment, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn new(wall_ns: u64) -> TimeText {
        let mut new = TimeText {
            second: u64::MAX,
            text: *b"0000-00-00T00:00:00.000000000Z",
        };
        new.set(wall_ns);
        new
    }

    /// Changes the text to another moment.
    pub fn set(&mut self, wall_ns: u64) {
        let second = wall_ns / SECOND_NS;
        if second != self.second {
            self.second = second;
            self.write_second(second);
        }
        digits(&mut self.text[20..29], wall_ns % SECOND_NS);
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TEXT_BYTES] {
        &self.text
    }

    /// The second as `20261123-154137`, which stands in the names of rotated files.
    #[must_use]
    pub fn compact(&self) -> String {
        let keep = |&&byte: &&u8| byte.is_ascii_digit();
        let text: String = self.text[..19]
            .iter()
            .filter(keep)
            .map(|&byte| char::from(byte))
            .collect();
        format!("{}-{}", &text[..8], &text[8..])
    }

    fn write_second(&mut self, second: u64) {
        let (year, month, day) = date(second / DAY_S);
        let in_day = second % DAY_S;
        let fields = [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, in_day / 3600),
            (14..16, in_day / 60 % 60),
            (17..19, in_day % 60),
        ];
        for (place, value) in fields {
            digits(&mut self.text[place], value);
        }
    }
}

/// Writes a number right-aligned with leading zeros.
fn digits(place: &mut [u8], mut value: u64) {
    for byte in place.iter_mut().rev() {
        *byte = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of a day since the epoch. Years are counted from March, so that the leap
/// day is the last of its year and months have lengths in a pattern of 153 days in five months.
fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days_since_epoch + DAYS_FROM_MARCH_OF_YEAR_0;
    let era_day = days % DAYS_IN_400_YEARS;
    let era_year = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let march_month = (5 * year_day + 2) / 153;
    let day = year_day - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = days / DAYS_IN_400_YEARS * 400 + era_year + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(wall_ns: u64) -> String {
        String::from_utf8(TimeText::new(wall_ns).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn moments_are_spelled_as_rfc_3339_says() {
        assert_eq!(spelled(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            spelled(951_782_400 * SECOND_NS + 1),
            "2000-02-29T00:00:00.000000001Z"
        );
        assert_eq!(
            spelled(1_795_448_497_123_456_789),
            "2026-11-23T15:41:37.123456789Z"
        );
        assert_eq!(
            spelled(4_107_542_399 * SECOND_NS),
            "2100-02-28T23:59:59.000000000Z"
        );
        assert_eq!(
            spelled(4_107_542_400 * SECOND_NS),
            "2100-03-01T00:00:00.000000000Z"
        );
    }

    #[test]
    fn a_kept_second_does_not_stick() {
        let mut text = TimeText::new(1_795_448_497_999_999_999);
        text.set(1_795_448_498_000_000_000);
        assert_eq!(text.as_bytes(), b"2026-11-23T15:41:38.000000000Z");
        text.set(1_795_448_497_000_000_005);
        assert_eq!(text.as_bytes(), b"2026-11-23T15:41:37.000000005Z");
        assert_eq!(text.compact(), "20261123-154137");
    }
}
