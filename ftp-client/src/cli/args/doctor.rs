//! The arguments of `doctor`.

use super::values;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Measure the connection to a server, and report what limits transfers
#[derive(Args)]
#[command(
    after_help = "Round trip, uploads and downloads over one lane and over several, disks, hash and cipher are measured \
                  one after the other, which takes some fifteen seconds. For that a hidden file, .ftp-client-doctor-*, is \
                  made in the folder REMOTE, and removed in the end; nothing is made where that is not allowed. A \
                  file as REMOTE is fetched only.\n\n\
                  Example:\n  ftp-client doctor ann@files.example.org:/inbox"
)]
pub(crate) struct DoctorArgs {
    /// Approximate time of each measurement
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = values::duration)]
    pub(crate) time: Duration,
    /// Maximum size of an upload, at least one chunk (512K)
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = values::sample_size)]
    pub(crate) size: u64,
    /// The local folder whose disk is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// A folder on the server, or a file
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}
