//! Sizes as people type them for rsync: `10`, `1.5M`, `2GB+1`. Counted exactly, where rsync counts in floating point.

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size; write bytes, or a number as 10K, 1.5M or 1GiB (1024s) or 10KB (1000s)")]
pub struct SizeError {
    text: String,
}

/// Reads a size in bytes.
///
/// Units are B, K, M, G, T and P in either case; alone or with `iB` they count 1024s, with `B` 1000s. Fractions of a
/// byte are dropped. `+1` or `-1` at the end is one byte more or less.
///
/// # Errors
/// A text of another form, or a size below 0 or above [`u64::MAX`].
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    size(text).ok_or_else(|| SizeError { text: text.to_owned() })
}

fn size(text: &str) -> Option<u64> {
    let (text, offset) = match (text.strip_suffix("+1"), text.strip_suffix("-1")) {
        (Some(rest), _) => (rest, 1),
        (None, Some(rest)) => (rest, -1),
        (None, None) => (text, 0),
    };
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    times(number, unit_bytes(unit)?)?.checked_add_signed(offset)
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    let Some(letter) = unit.chars().next() else { return Some(1) };
    let power = u32::try_from("bkmgtp".find(letter)?).ok()?;
    match &unit[letter.len_utf8()..] {
        "" | "ib" => Some(1024_u64.pow(power)),
        "b" => Some(1000_u64.pow(power)),
        _ => None,
    }
}

/// A decimal number times `unit`, without its fraction.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(unit)?.checked_add(fraction_times(fraction, unit))
}

/// `0.fraction` times `unit`. Digits beyond the 18th are below a byte of any unit, and dropped.
fn fraction_times(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u128, 1_u128);
    for digit in fraction.bytes().take(18) {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    u64::try_from(value * u128::from(unit) / scale).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_their_units() {
        for (text, bytes) in [
            ("0", 0),
            ("10", 10),
            ("10b", 10),
            ("10K", 10 << 10),
            ("10k", 10 << 10),
            ("10KiB", 10 << 10),
            ("10kb", 10_000),
            ("1.5M", 3 << 19),
            (".5m", 1 << 19),
            ("1.", 1),
            ("1.9", 1),
            ("1.5mb-1", 1_499_999),
            ("2g+1", 2_147_483_649),
            ("3T", 3 << 40),
            ("1pb", 1_000_000_000_000_000),
            ("8192P-1", (1 << 63) - 1),
            ("0.333333333333333333333333333K", 341),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "", ".", "K", "-1", "0-1", "1k+2", "5x", "1kib2", "1.2.3", "1 k", "1kx", "99999P", "1é", "+1",
            "1e3",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_an_error(text in "[0-9.bkmgtpi+é-]{0,30}") {
            let _ = parse_size(&text);
        }

        #[test]
        fn a_plain_number_is_itself(bytes: u64) {
            prop_assert_eq!(parse_size(&bytes.to_string()), Ok(bytes));
        }
    }
}
