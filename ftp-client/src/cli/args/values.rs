//! Values of options: numbers with units, and words.

use clap::ValueEnum;
use ftp_client::fingerprint::{self, ServerKey};
use ftp_client::mirror::filter::{parse_age, parse_size};
use std::time::Duration;
use wire::checksum::Checksum;
use wire::limits::{CHUNK_LEN, COMPRESSION_LEVEL_MAX, LANES_MAX};
use wire::message::{Changing, Compress, Overwrite};

/// `--checksum`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChecksumWord {
    /// The faster one that both ends support
    Auto,
    /// SHA-256
    Sha256,
    /// BLAKE3
    Blake3,
}

/// `--overwrite`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverwriteArg {
    /// Replace files that exist
    Always,
    /// Keep files that exist
    Never,
    /// Replace files that are older than the source
    Newer,
    /// Replace files whose size or modification time differs
    Different,
}

/// `--changing`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangingArg {
    /// Read it again, a few times; a file that changes each time fails
    Retry,
    /// Skip the file
    Skip,
    /// Send what was read, with a warning: of a growing log, its beginning
    AsIs,
}

impl From<ChangingArg> for Changing {
    fn from(word: ChangingArg) -> Self {
        match word {
            ChangingArg::Retry => Self::Retry,
            ChangingArg::Skip => Self::Skip,
            ChangingArg::AsIs => Self::AsIs,
        }
    }
}

/// `None` stands for the agreed checksum.
impl From<ChecksumWord> for Option<Checksum> {
    fn from(word: ChecksumWord) -> Self {
        match word {
            ChecksumWord::Auto => None,
            ChecksumWord::Sha256 => Some(Checksum::Sha256),
            ChecksumWord::Blake3 => Some(Checksum::Blake3),
        }
    }
}

impl From<OverwriteArg> for Overwrite {
    fn from(word: OverwriteArg) -> Self {
        match word {
            OverwriteArg::Always => Self::Always,
            OverwriteArg::Never => Self::Never,
            OverwriteArg::Newer => Self::Newer,
            OverwriteArg::Different => Self::Different,
        }
    }
}

/// A number of lanes; 0 stands for `auto`.
pub(crate) fn lanes(text: &str) -> Result<u16, String> {
    match text.parse() {
        _ if text == "auto" => Ok(0),
        Ok(lanes) if (1..=LANES_MAX).contains(&lanes) => Ok(lanes),
        _ => Err(format!("must be auto or a number from 1 to {LANES_MAX}")),
    }
}

/// The number of a job in the background, with or without the `%` of other shells.
pub(crate) fn job(text: &str) -> Result<usize, String> {
    text.strip_prefix('%')
        .unwrap_or(text)
        .parse()
        .map_err(|_| "must be the number of a job, as 1 or %1".to_owned())
}

/// `--compress`.
pub(super) fn compress(text: &str) -> Result<Compress, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(Compress::Auto),
        ("never", _) => Ok(Compress::Never),
        (_, Ok(level)) if (1..=COMPRESSION_LEVEL_MAX).contains(&level) => Ok(Compress::Level(level)),
        _ => Err(format!("must be auto, never, or a level from 1 to {COMPRESSION_LEVEL_MAX}")),
    }
}

/// Bytes per second; as with curl and rsync, K is 1024.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let unit = text.chars().last().map_or(0, |last| match last.to_ascii_lowercase() {
        'k' => 10,
        'm' => 20,
        'g' => 30,
        _ => 0,
    });
    let digits = if unit == 0 { text } else { &text[..text.len() - 1] };
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| digits.parse::<f64>().ok());
    match number.flatten().map(|number| number * f64::from(1_u32 << unit)) {
        Some(rate) if (1.0..RATE_MAX).contains(&rate) => Ok(whole(rate)),
        _ => Err("must be a number of bytes per second above 0, as 500K, 10M or 1.5G".to_owned()),
    }
}

/// The same, or 0 for no bound.
pub(crate) fn rate_or_none(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { rate(text) }
}

/// Parses a duration above zero; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if duration.is_zero() { Err("must be longer than zero".to_owned()) } else { Ok(duration) }
}

/// `--max-delete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeleteMaxArg {
    Count(u64),
    Percent(u8),
}

/// A number of entries, or hundredths of them.
pub(crate) fn delete_max(text: &str) -> Result<DeleteMaxArg, String> {
    let bad = || "must be a number, or a share from 0% to 100%".to_owned();
    match text.strip_suffix('%') {
        Some(share) => match share.parse() {
            Ok(percent @ 0..=100) => Ok(DeleteMaxArg::Percent(percent)),
            Ok(_) | Err(_) => Err(bad()),
        },
        None => text.parse().map(DeleteMaxArg::Count).map_err(|_| bad()),
    }
}

/// A file's size.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

/// Parses the size of a measured transfer; less than a chunk cannot be measured.
pub(crate) fn sample_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        size if size >= CHUNK_LEN as u64 => Ok(size),
        _ => Err(format!("must be at least a chunk, {}K", CHUNK_LEN >> 10)),
    }
}

/// A moment: seconds and nanoseconds since 1970.
pub(crate) type Moment = (i64, u32);

/// An age, counted from now, or a time.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let time = parse_age(text, &jiff::Zoned::now()).map_err(|error| error.to_string())?;
    Ok((time.seconds, time.nanos))
}

/// A key that is pinned.
pub(crate) fn pin(text: &str) -> Result<ServerKey, String> {
    fingerprint::parse(text).ok_or_else(|| "must be sha256: and 64 hexadecimal digits".to_owned())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the caller has checked the range
fn whole(rate: f64) -> u64 {
    rate as u64
}

/// A terabyte per second: beyond any network, and far from overflow.
const RATE_MAX: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units() {
        for (text, bytes) in
            [("1", 1), ("10K", 10_240), ("10k", 10_240), ("1.5M", 1_572_864), ("2G", 2 << 30)]
        {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "0K", "0.1", "K", "-1", "1e9", "inf", "NaN", "10MB", "1.2.3", "1ü"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lanes_are_few() {
        assert_eq!((lanes("auto"), lanes("1"), lanes("64")), (Ok(0), Ok(1), Ok(64)));
        for text in ["0", "65", "-1", "", "Auto", "99999999"] {
            assert!(lanes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_of_compression_are_few() {
        assert_eq!((compress("auto"), compress("never")), (Ok(Compress::Auto), Ok(Compress::Never)));
        assert_eq!((compress("1"), compress("9")), (Ok(Compress::Level(1)), Ok(Compress::Level(9))));
        for text in ["0", "10", "-1", "", "Auto", "best"] {
            assert!(compress(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deletions_are_counted_or_shared() {
        assert_eq!(delete_max("0"), Ok(DeleteMaxArg::Count(0)));
        assert_eq!(delete_max("7%"), Ok(DeleteMaxArg::Percent(7)));
        for text in ["", "%", "-1", "101%", "half", "1.5"] {
            assert!(delete_max(text).is_err(), "{text}");
        }
    }

    #[test]
    fn samples_are_a_chunk_at_least() {
        assert_eq!(sample_size("512K"), Ok(512 << 10));
        for text in ["0", "1", "511K", "x"] {
            assert!(sample_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m 5s"), Ok(Duration::from_secs(125)));
        assert!(duration("0").is_err() && duration("").is_err() && duration("-1s").is_err());
    }
}
