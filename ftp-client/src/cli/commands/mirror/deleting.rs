//! Options of `mirror` for entries that only the target has, and for backups.

use crate::cli::args::values::{self, DeleteMaxArg};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::time::Duration;

/// Options for entries that only the target has.
#[derive(Clone, Args)]
#[command(next_help_heading = "Deletion")]
pub(super) struct Deleting {
    /// Delete entries that only TARGET has
    #[arg(long)]
    pub(super) delete: bool,
    /// Delete excluded entries too
    #[arg(long)]
    pub(super) delete_excluded: bool,
    /// Delete nothing if more than N entries, or N% of TARGET, would be deleted [default: half of 20 or more entries]
    #[arg(long, value_name = "N|N%", value_parser = values::delete_max)]
    pub(super) max_delete: Option<DeleteMaxArg>,
    /// Delete everything in TARGET if SOURCE is empty; otherwise this is refused, because SOURCE may not be mounted
    #[arg(long)]
    pub(super) allow_empty_source: bool,
    /// Delete after or before the transfer; auto: after it, but before it if TARGET lacks space
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) delete_when: DeleteWhenWord,
    /// Move deleted and replaced entries to DIR, on TARGET's side and filesystem, best outside TARGET: a DIR within TARGET is
    /// deleted by the next --delete without this --backup
    #[arg(long, value_name = "DIR")]
    pub(super) backup: Option<OsString>,
    /// Keep the newest N versions of each file in DIR: NAME.~1~ is the newest, as logrotate numbers them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=998))]
    pub(super) keep: Option<u32>,
    /// Keep versions in DIR for so long, as 30d; with --keep too, a version goes when neither keeps it
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(super) keep_for: Option<Duration>,
    /// Rename files in TARGET that were renamed in SOURCE, detected by content, instead of sending them
    #[arg(long)]
    pub(super) detect_moves: bool,
}

/// `--delete-when`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DeleteWhenWord {
    /// After the transfer, but before it if the target lacks space
    Auto,
    /// Before anything is sent
    Before,
    /// After the transfer, and only if everything else succeeded
    After,
}
