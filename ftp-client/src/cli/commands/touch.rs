//! `touch`: sets modification times, and makes missing files.

use super::each_done;
use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use wire::message::SetMetadata;
use wire::metadata;

/// Set the modification time, and make missing files
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client touch -d 2026-05-01T12:00:00Z ann@files.example.org::stamp")]
pub(crate) struct TouchArgs {
    /// Do not create missing files
    #[arg(short = 'c', long)]
    no_create: bool,
    /// Set this time instead of now: RFC 3339, or a local date and time
    #[arg(short, long)]
    date: Option<String>,
    /// The files
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct TouchCommand {
    remotes: Vec<Remote>,
    create: bool,
    time: metadata::Timestamp,
}

impl TouchCommand {
    pub(crate) fn new(typed: TouchArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        let time = match &typed.date {
            Some(date) => parse(date, &TimeZone::system())
                .ok_or_else(|| Error::Usage(format!("{date:?} is not a date as 2026-05-01T12:00:00Z")))?,
            None => Timestamp::now(),
        };
        Ok((server, Self { remotes, create: !typed.no_create, time: of_wire(time) }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, create, time } = self;
        each_done(remotes, output, async |remote| {
            let path = places::meant(session, remote).await?;
            let change = SetMetadata { path, modified: Some(time), mode: None, create };
            session.call(change).await
        })
        .await
    }
}

/// A date without offset is meant here; one without time is midnight.
fn parse(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let local = || text.parse::<DateTime>().ok().and_then(|date| date.to_zoned(zone.clone()).ok());
    text.parse().ok().or_else(|| local().map(|zoned| zoned.timestamp()))
}

/// The protocol counts nanoseconds forwards, before 1970 too.
fn of_wire(time: Timestamp) -> metadata::Timestamp {
    let (mut seconds, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    metadata::Timestamp { seconds, nanos: nanos.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<metadata::Timestamp> {
        parse(text, &TimeZone::fixed(jiff::tz::offset(1))).map(of_wire)
    }

    fn at(seconds: i64, nanos: u32) -> Option<metadata::Timestamp> {
        Some(metadata::Timestamp { seconds, nanos })
    }

    #[test]
    fn dates() {
        assert_eq!(time("1970-01-01T00:00:05Z"), at(5, 0));
        assert_eq!(time("1970-01-01T02:00:00+01:00"), at(3600, 0));
        assert_eq!(time("1970-01-01 02:00"), at(3600, 0));
        assert_eq!(time("1970-01-02"), at(82_800, 0));
        assert_eq!(time("1969-12-31T23:59:59.25Z"), at(-1, 250_000_000));
        assert_eq!(time("yesterday"), None);
    }
}
