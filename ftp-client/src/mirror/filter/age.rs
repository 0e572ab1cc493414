//! Points in time as people type them for a limit of age: how long ago, or when.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Zoned};
use wire::metadata::Timestamp;

/// Why a text is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an age as 2d, 12h or 1w nor a time as 2026-05-01T12:00:00Z")]
pub struct AgeError {
    text: String,
}

/// Reads an age before `now`, as `2d`, `12h` or `1w 3d`, or a time as RFC 3339 has it. A time without an offset is
/// meant in `now`'s zone, and a date without a time is its midnight.
///
/// # Errors
/// A text of another form, or a time that is out of range.
pub fn parse_age(text: &str, now: &Zoned) -> Result<Timestamp, AgeError> {
    let found = absolute(text, now).or_else(|| before(text, now));
    found.map(of_wire).ok_or_else(|| AgeError { text: text.to_owned() })
}

fn absolute(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(now.time_zone().clone()).ok();
    text.parse().ok().or_else(|| local().map(|zoned| zoned.timestamp()))
}

/// A day is 24 hours here, whatever the clocks of the zone did.
fn before(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let age = SignedDuration::try_from(humantime::parse_duration(text).ok()?).ok()?;
    now.timestamp().checked_sub(age).ok()
}

/// The protocol counts nanoseconds forwards, before 1970 too.
fn of_wire(time: jiff::Timestamp) -> Timestamp {
    let nanos = time.as_nanosecond();
    let second = nanos.div_euclid(NANOS_PER_SECOND);
    // Both fit: a jiff timestamp lies within years -9999 and 9999.
    Timestamp {
        seconds: i64::try_from(second).unwrap_or_default(),
        nanos: u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).unwrap_or_default(),
    }
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Zoned {
        "2026-05-10T12:00:00+02:00[+02:00]".parse().unwrap()
    }

    fn at(text: &str) -> Option<Timestamp> {
        parse_age(text, &now()).ok()
    }

    #[test]
    fn ages_count_back_from_now() {
        for (text, time) in [
            ("2d", "2026-05-08T10:00:00Z"),
            ("12h", "2026-05-09T22:00:00Z"),
            ("1w", "2026-05-03T10:00:00Z"),
            ("1day 30m", "2026-05-09T09:30:00Z"),
            ("0s", "2026-05-10T10:00:00Z"),
        ] {
            assert_eq!(at(text), at(time), "{text}");
        }
    }

    #[test]
    fn times_are_of_their_offset_or_of_here() {
        assert_eq!(at("1970-01-01T00:00:01.5Z"), Some(Timestamp { seconds: 1, nanos: 500_000_000 }));
        assert_eq!(at("1969-12-31T23:59:59.5Z"), Some(Timestamp { seconds: -1, nanos: 500_000_000 }));
        assert_eq!(at("2026-05-01T12:00:00+01:00"), at("2026-05-01T11:00:00Z"));
        assert_eq!(at("2026-05-01T12:00:00"), at("2026-05-01T10:00:00Z"));
        assert_eq!(at("2026-05-01"), at("2026-04-30T22:00:00Z"));
    }

    #[test]
    fn what_is_neither() {
        for text in ["", "5", "2x", "yesterday", "2026-13-01", "-2d", "99999y"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_an_error(text in "[0-9TZdhw:+. -]{0,30}") {
            at(&text);
        }
    }
}
