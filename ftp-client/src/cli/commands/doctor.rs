//! `doctor`: measures the connection to a server, and reports the bottleneck in one line.

use crate::cli::args::values;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::doctor::{
    self, Culprit, Measured, MeasurementBounds, Measurements, TransferBottleneck, TransferDirection,
};
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use wire::RemotePath;
use wire::checksum::Checksum;

/// Measure the connection to a server, and report what limits transfers
#[derive(Clone, Args)]
#[command(
    after_help = "Round trip, uploads and downloads over one lane and over several, disks, hash and cipher are measured \
                  one after the other, which takes some fifteen seconds. For that a hidden file, .ftp-client-doctor-*, is \
                  made in the folder REMOTE, and removed in the end; nothing is made where that is not allowed. A \
                  file as REMOTE is fetched only.\n\n\
                  Example:\n  ftp-client doctor ann@files.example.org::/inbox"
)]
pub(crate) struct DoctorArgs {
    /// Approximate time of each measurement
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = values::duration)]
    time: Duration,
    /// Maximum size of an upload, at least one chunk (512K)
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = values::sample_size)]
    size: u64,
    /// The local folder whose disk is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// A folder on the server, or a file
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct DoctorCommand {
    remote: Remote,
    bounds: MeasurementBounds,
}

impl DoctorCommand {
    pub(crate) fn new(typed: DoctorArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remote) = scope.remote(&typed.remote)?;
        let bounds =
            MeasurementBounds { time: typed.time, bytes_max: typed.size, folder: scope.file(typed.dir)? };
        Ok((server, Self { remote, bounds }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let path = &self.remote.path;
        let tell = |what: &str| {
            if output.has_bars() || output.verbose() {
                output.say(&format!("measuring {what}"));
            }
        };
        let measured = Box::pin(doctor::examine(session, path, &self.bounds, tell)).await?;
        let limit = doctor::bottleneck(&measured);
        if output.json() {
            output.event(event(path, &measured, limit))
        } else {
            output.print((table(&measured) + &verdict(&measured, limit)).as_bytes())?
        }
        Ok(0)
    }
}

/// The measurements, by the names of their fields in events.
fn fields(measured: &Measurements) -> [(&'static str, &Measured); 10] {
    let Measurements { upload, download, here, server, .. } = measured;
    [
        ("upload", &upload.lanes),
        ("upload_one_lane", &upload.one_lane),
        ("download", &download.lanes),
        ("download_one_lane", &download.one_lane),
        ("disk_write", &here.disk_write),
        ("disk_read", &here.disk_read),
        ("hash", &here.hash),
        ("cipher", &here.cipher),
        ("server_disk_write", &server.disk_write),
        ("server_hash", &server.hash),
    ]
}

fn event(path: &RemotePath, measured: &Measurements, limit: Option<TransferBottleneck>) -> Object {
    let mut object = Object::event("doctor")
        .path(&places::rooted(path))
        .text("checksum", checksum(measured.checksum))
        .number("round_trip_us", micros(measured.round_trip_min))
        .number("round_trip_median_us", micros(measured.round_trip_median));
    let fields = fields(measured);
    for (name, measured) in &fields {
        if let Ok(rate) = measured {
            object = object.number(name, *rate);
        }
    }
    let skipped =
        fields.iter().filter_map(|(name, measured)| Some((*name, measured.as_ref().err()?.clone())));
    object = object.texts("skipped", skipped);
    let Some(limit) = limit else { return object };
    let (TransferBottleneck { culprit, rate, direction }, savings) = (limit, limit.savings(measured));
    object
        .text("limit", word(culprit))
        .number("limit_rate", rate)
        .text("direction", direction_word(direction))
        .text("advice", culprit.advice(measured, direction))
        .truth("compression_helps", savings.compression)
        .truth("delta_helps", savings.delta)
}

/// Formats the table in at most 80 columns; a missing value is a dash, with its reason below.
fn table(measured: &Measurements) -> String {
    let Measurements { upload, download, here, server, .. } = measured;
    let hash = format!("hash, {}", checksum(measured.checksum));
    let unknown = Err(String::new());
    let (min, median) = (measured.round_trip_min, measured.round_trip_median);
    let lines = [
        row("", ["shortest", "median"]),
        row("round trip", [&time_text(min), &time_text(median)]),
        String::new(),
        row("", ["several lanes", "one lane"]),
        rates("upload", [&upload.lanes, &upload.one_lane]),
        rates("download", [&download.lanes, &download.one_lane]),
        String::new(),
        row("", ["here", "server"]),
        rates("disk, writing", [&here.disk_write, &server.disk_write]),
        rates("disk, reading", [&here.disk_read, &unknown]),
        rates(&hash, [&here.hash, &server.hash]),
        rates("cipher", [&here.cipher, &unknown]),
        String::new(),
    ];
    let mut text: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    let mut skipped: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, measured) in fields(measured) {
        let Err(reason) = measured else { continue };
        match skipped.iter_mut().find(|(known, _)| *known == reason.as_str()) {
            Some((_, names)) => names.push(name),
            None => skipped.push((reason.as_str(), vec![name])),
        }
    }
    for (reason, names) in &skipped {
        text.push_str(&format!("not measured: {}\n  {reason}\n", names.join(", ").replace('_', " ")));
    }
    if !skipped.is_empty() {
        text.push('\n');
    }
    text
}

/// Returns a sentence about the bottleneck and its remedy.
fn verdict(measured: &Measurements, limit: Option<TransferBottleneck>) -> String {
    let Some(limit) = limit else {
        return "no data could be moved, so the bottleneck is unknown\n".to_owned();
    };
    let TransferBottleneck { culprit, rate, direction } = limit;
    let (way, savings) = (direction_word(direction), limit.savings(measured));
    let advice = culprit.advice(measured, direction);
    format!("limited by {culprit}, {} ({way})\n{savings}\nwhat would help: {advice}\n", rate_text(rate))
}

fn rates(name: &str, rates: [&Measured; 2]) -> String {
    let [one, other] =
        rates.map(|rate| rate.as_ref().map_or_else(|_| "-".to_owned(), |rate| rate_text(*rate)));
    row(name, [&one, &other])
}

fn row(name: &str, [one, other]: [&str; 2]) -> String {
    format!("{name:16}{one:>16}{other:>16}")
}

/// Formats a rate with three digits, which is more than its precision.
fn rate_text(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // a rate
    let mut value = bytes as f64;
    let mut units = ["B/s", "kB/s", "MB/s", "GB/s"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    let digits = if value < 9.95 && unit != "B/s" { 1 } else { 0 };
    format!("{value:.digits$} {unit}")
}

fn time_text(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 9.95 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn checksum(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::Sha256 => "sha256",
        Checksum::Blake3 => "blake3",
    }
}

fn direction_word(direction: TransferDirection) -> &'static str {
    match direction {
        TransferDirection::Upload => "upload",
        TransferDirection::Download => "download",
    }
}

fn word(culprit: Culprit) -> &'static str {
    match culprit {
        Culprit::RateLimit => "rate_limit",
        Culprit::Network => "network",
        Culprit::Disk => "disk",
        Culprit::Processor => "processor",
        Culprit::ServerDisk => "server_disk",
        Culprit::ServerProcessor => "server_processor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        let rates = [0, 999, 1_000, 182_400_000, 9_960_000, 999_600_000, 12_000_000_000].map(rate_text);
        assert_eq!(rates, ["0 B/s", "999 B/s", "1.0 kB/s", "182 MB/s", "10 MB/s", "1.0 GB/s", "12 GB/s"]);
        let times = [300, 12_345, 250_000].map(|micros| time_text(Duration::from_micros(micros)));
        assert_eq!(times, ["0.30 ms", "12 ms", "250 ms"]);
    }
}
