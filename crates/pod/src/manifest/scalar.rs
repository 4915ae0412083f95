//! What a plain scalar means: the rules of YAML 1.1 as the Kubernetes API server reads them.

use super::tree::Value;

/// Resolves a scalar that is neither quoted nor tagged.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let starts_a_number =
        text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if !starts_a_number {
        return Value::Text(text.to_owned());
    }
    if matches!(
        text.trim_start_matches(['+', '-']),
        ".inf" | ".Inf" | ".INF"
    ) {
        return Value::Float(f64::INFINITY, text.to_owned());
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Value::Float(f64::NAN, text.to_owned());
    }
    let digits = text.replace('_', "");
    whole(&digits)
        .or_else(|| fraction(&digits))
        .unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn whole(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` takes a sign of its own, and there was one place for it already.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (true, _) => 0_i64.checked_sub_unsigned(magnitude).map(Value::Int),
        (false, Ok(number)) => Some(Value::Int(number)),
        (false, Err(_)) => Some(Value::Big(magnitude)),
    }
}

fn fraction(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_mantissa =
        all_digits(before) && all_digits(after) && !(before.is_empty() && after.is_empty());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !is_mantissa || !is_exponent {
        return None;
    }
    let number: f64 = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())?;
    // JSON knows one kind of number: the API server takes 1e3 and 08 for the whole numbers they are.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "whole and within the exact range, as tested"
        )]
        return Some(Value::Int(number as i64));
    }
    Some(Value::Float(
        number,
        text.strip_prefix('+').unwrap_or(text).to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        format!("{:?}", resolve(text))
    }

    #[test]
    fn scalars_mean_what_they_mean_to_the_api_server() {
        for (text, value) in [
            ("0644", "Int(420)"),
            ("0o644", "Int(420)"),
            ("0x1F", "Int(31)"),
            ("-12", "Int(-12)"),
            ("1_000", "Int(1000)"),
            ("1e3", "Int(1000)"),
            ("08", "Int(8)"),
            ("0.5", "Float(0.5, \"0.5\")"),
            ("18446744073709551615", "Big(18446744073709551615)"),
            ("yes", "Bool(true)"),
            ("Off", "Bool(false)"),
            ("~", "Null"),
            ("1.2.3", "Text(\"1.2.3\")"),
            ("100m", "Text(\"100m\")"),
            ("2026-01-01", "Text(\"2026-01-01\")"),
            ("1:30", "Text(\"1:30\")"),
            ("-", "Text(\"-\")"),
            ("0x", "Text(\"0x\")"),
            ("+-1", "Text(\"+-1\")"),
            (".", "Text(\".\")"),
            ("yES", "Text(\"yES\")"),
            ("1e400", "Text(\"1e400\")"),
            ("-9223372036854775808", "Int(-9223372036854775808)"),
            (
                "99999999999999999999",
                "Float(1e20, \"99999999999999999999\")",
            ),
            ("0o8", "Text(\"0o8\")"),
            ("_1", "Text(\"_1\")"),
            ("5.", "Int(5)"),
            (".5", "Float(0.5, \".5\")"),
            ("0_1", "Int(1)"),
            ("012.5", "Float(12.5, \"012.5\")"),
            ("=", "Text(\"=\")"),
        ] {
            assert_eq!(shown(text), value, "{text}");
        }
    }
}
