//! Values of the configuration that carry their own bounds, so that a parse error can point at the line.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::time::Duration;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Between<const MIN: usize, const MAX: usize>(usize);

/// A time such as `30s` or `10m`, from `MIN` to `MAX` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds<const MIN: u64, const MAX: u64>(Duration);

/// An amount such as `64 MiB`, of at least `MIN` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSize<const MIN: usize>(usize);

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important level that is still logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// No lines.
    Off,
    /// A setting that keeps the server from working.
    Error,
    /// Also problems that need attention.
    Warn,
    /// Also the events of each session.
    #[default]
    Info,
    /// Also details of the work.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word that stands in configuration files and log filters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl<const MIN: usize, const MAX: usize> Between<MIN, MAX> {
    pub(super) const fn new(number: usize) -> Self {
        Self(number)
    }

    pub(super) const fn get(self) -> usize {
        self.0
    }
}

impl<const MIN: usize> ByteSize<MIN> {
    pub(super) const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) const fn get(self) -> usize {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    pub(super) const fn new(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(super) const fn of(duration: Duration) -> Self {
        Self(duration)
    }

    pub(super) const fn duration(self) -> Duration {
        self.0
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Between<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        usize::try_from(number)
            .ok()
            .filter(|number| (MIN..=MAX).contains(number))
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("must be from {MIN} to {MAX}, not {number}")))
    }
}

impl<const MIN: usize, const MAX: usize> Serialize for Between<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, const MIN: usize> Deserialize<'de> for ByteSize<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = parse_bytes(&text).ok_or_else(|| {
            de::Error::custom(format!("{text:?} is not an amount such as \"64 MiB\" or \"1 GiB\""))
        })?;
        if bytes >= MIN {
            Ok(Self(bytes))
        } else {
            Err(de::Error::custom(format!("must be at least {} MiB, not {text:?}", MIN / MIB)))
        }
    }
}

impl<const MIN: usize> Serialize for ByteSize<MIN> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % MIB {
            0 => serializer.collect_str(&format_args!("{} MiB", self.0 / MIB)),
            _ => serializer.collect_str(&format_args!("{} KiB", self.0 / 1024)),
        }
    }
}

fn parse_bytes(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim() {
        "KiB" => 1024,
        "MiB" => MIB,
        "GiB" => 1024 * MIB,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

const MIB: usize = 1024 * 1024;

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Seconds<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text)
            .map_err(|error| de::Error::custom(format!("{text:?} is not a time such as \"30s\": {error}")))?;
        let (min, max) = (Duration::from_secs(MIN), Duration::from_secs(MAX));
        if (min..=max).contains(&duration) {
            return Ok(Self(duration));
        }
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        Err(de::Error::custom(format!("must be from {min} to {max}, not {text:?}")))
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Seconds<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}
