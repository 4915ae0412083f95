//! What amount does a text such as `250m`, `64Mi` or `1e3` name, and how does Kubernetes write it?
//!
//! Amounts are kept in thousand-millionths (nano) as integers. Whatever is finer is rounded away
//! from zero, whatever is larger than 2^63-1 is capped there, as Kubernetes does.

use std::cmp::Ordering;
use std::fmt;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use thiserror::Error;

const NANOS: i128 = 1_000_000_000;
const NANOS_MAX: i128 = (i64::MAX as i128) * NANOS;

/// Why a text is no quantity; the words are Kubernetes'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// It is not a number followed by a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The suffix is none that Kubernetes knows.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// How a quantity was written, which decides how it is written again.
#[derive(Debug, Clone, Copy)]
enum Notation {
    Decimal,
    Binary,
    Exponent,
}

/// An amount of a resource. Two are equal when they name the same amount, however written.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity {
        nanos: 0,
        notation: Notation::Decimal,
    };

    /// Reads a quantity.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || whole.len() + fraction.len() == 0 {
            return Err(QuantityError::Format);
        }
        let unit = unit(suffix)?;
        let nanos = nanos_of(whole, fraction, unit);
        Ok(Quantity {
            nanos: if negative { -nanos } else { nanos },
            notation: unit.notation,
        })
    }

    /// Reads a manifest's quantity; one that does not parse, which validation refuses, is nothing.
    #[must_use]
    pub fn of(text: &Text) -> Quantity {
        Quantity::parse(&text.0).unwrap_or(Quantity::ZERO)
    }

    /// A whole number, written decimally.
    #[must_use]
    pub fn whole(value: i64) -> Quantity {
        Quantity {
            nanos: i128::from(value) * NANOS,
            notation: Notation::Decimal,
        }
    }

    /// A number of thousandths, written decimally.
    #[must_use]
    pub fn milli(value: i64) -> Quantity {
        Quantity {
            nanos: i128::from(value) * 1_000_000,
            notation: Notation::Decimal,
        }
    }

    /// The amount as a whole number, rounded up.
    #[must_use]
    pub fn value(self) -> i64 {
        narrow(divide_up(self.nanos, NANOS))
    }

    /// The amount in thousandths, rounded up.
    #[must_use]
    pub fn milli_value(self) -> i64 {
        narrow(divide_up(self.nanos, 1_000_000))
    }

    /// The amount rounded up to whole thousandths, in the same notation.
    #[must_use]
    pub fn rounded_to_milli(self) -> Quantity {
        Quantity {
            nanos: divide_up(self.nanos, 1_000_000) * 1_000_000,
            notation: self.notation,
        }
    }

    /// How often `divisor` goes into this amount, rounded up; a divisor of nothing counts as 1.
    #[must_use]
    pub fn divided_up(self, divisor: Quantity) -> i64 {
        narrow(divide_up(
            self.nanos,
            if divisor.nanos == 0 {
                NANOS
            } else {
                divisor.nanos
            },
        ))
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether this is less than nothing.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether this is a whole number.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.nanos % NANOS == 0
    }

    /// The sum, capped at the largest amount, in the notation of the first that is not nothing.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        let notation = if self.is_zero() {
            other.notation
        } else {
            self.notation
        };
        Quantity {
            nanos: cap(self.nanos + other.nanos),
            notation,
        }
    }

    /// The difference, in this one's notation.
    #[must_use]
    pub fn minus(self, other: Quantity) -> Quantity {
        Quantity {
            nanos: cap(self.nanos - other.nanos),
            notation: self.notation,
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        // A binary suffix can write neither fractions nor amounts below 1Ki.
        let binary = matches!(self.notation, Notation::Binary)
            && self.is_whole()
            && self.nanos.unsigned_abs() >= (1024 * NANOS).unsigned_abs();
        if binary {
            let (number, steps) = reduced(self.nanos / NANOS, 1024, 6);
            return write!(f, "{number}{}", BINARY[steps]);
        }
        let (number, steps) = reduced(self.nanos, 1000, DECIMAL.len() - 1);
        match self.notation {
            Notation::Exponent if steps != 3 => write!(f, "{number}e{}", (steps as i64 - 3) * 3),
            _ => write!(f, "{number}{}", DECIMAL[steps]),
        }
    }
}

const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Takes out of `number` as many factors `base` as it has, at most `most`.
fn reduced(mut number: i128, base: i128, most: usize) -> (i128, usize) {
    let mut steps = 0;
    while steps < most && number % base == 0 {
        number /= base;
        steps += 1;
    }
    (number, steps)
}

/// What a suffix multiplies by: 2^`twos` × 10^`tens`.
#[derive(Debug, Clone, Copy)]
struct Unit {
    twos: u32,
    tens: i64,
    notation: Notation,
}

fn unit(suffix: &str) -> Result<Unit, QuantityError> {
    if let Some(steps) = DECIMAL.iter().position(|known| *known == suffix) {
        return Ok(Unit {
            twos: 0,
            tens: (steps as i64 - 3) * 3,
            notation: Notation::Decimal,
        });
    }
    if let Some(steps) = BINARY.iter().position(|known| *known == suffix) {
        return Ok(Unit {
            twos: steps as u32 * 10,
            tens: 0,
            notation: Notation::Binary,
        });
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .ok_or(QuantityError::Suffix)?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Suffix);
    }
    // An exponent that overflows is absurdly large or small all the same: capped, or rounded up.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 32);
    let tens = if exponent.starts_with('-') {
        -size
    } else {
        size
    };
    Ok(Unit {
        twos: 0,
        tens,
        notation: Notation::Exponent,
    })
}

/// The amount in nanos, rounded up and capped. Of a mantissa only the first digits count that
/// cannot overflow; a rest that is not zero rounds up like any other fraction.
fn nanos_of(whole: &str, fraction: &str, unit: Unit) -> i128 {
    let kept = if unit.twos > 0 { 19 } else { 28 };
    let mut mantissa: i128 = 0;
    let mut tens = unit.tens.saturating_add(9);
    let mut digits = 0;
    let mut rest = false;
    let all = whole
        .bytes()
        .map(|b| (b, false))
        .chain(fraction.bytes().map(|b| (b, true)));
    for (byte, fractional) in all {
        if digits < kept {
            mantissa = mantissa * 10 + i128::from(byte - b'0');
            digits += usize::from(mantissa > 0);
            tens -= i64::from(fractional);
        } else {
            rest |= byte != b'0';
            tens += i64::from(!fractional);
        }
    }
    if mantissa == 0 {
        return 0;
    }
    mantissa <<= unit.twos;
    if tens >= 0 {
        let power = u32::try_from(tens)
            .ok()
            .and_then(|tens| 10i128.checked_pow(tens));
        return cap(power
            .and_then(|power| mantissa.checked_mul(power))
            .unwrap_or(i128::MAX));
    }
    let power = u32::try_from(-tens)
        .ok()
        .and_then(|tens| 10i128.checked_pow(tens));
    let Some(power) = power else { return 1 };
    let exact = mantissa % power == 0;
    cap(mantissa / power + i128::from(rest || !exact))
}

fn cap(nanos: i128) -> i128 {
    nanos.clamp(-NANOS_MAX, NANOS_MAX)
}

/// Division that rounds away from zero.
fn divide_up(number: i128, by: i128) -> i128 {
    let quotient = number / by;
    match number % by {
        0 => quotient,
        _ if (number < 0) == (by < 0) => quotient + 1,
        _ => quotient - 1,
    }
}

fn narrow(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
