//! `df`: free and used space.

use crate::cli::args::LongHelp;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use indicatif::HumanBytes;
use std::ffi::OsString;
use wire::RemotePath;
use wire::message::{Space, SpaceReport};

/// Show free and used space
#[derive(Clone, Args)]
#[command(disable_help_flag = true, after_help = "Example:\n  ftp-client df ann@files.example.org::/")]
pub(crate) struct DfArgs {
    /// Ignored, for compatibility: sizes are always shown as 1.5 MiB
    #[arg(short = 'h', long, hide = true)]
    human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// A path on the filesystem
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct DfCommand {
    remote: Remote,
}

impl DfCommand {
    pub(crate) fn new(typed: DfArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remote) = scope.remote(&typed.remote)?;
        Ok((server, Self { remote }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let path = &self.remote.path;
        places::require_as_typed(session, &self.remote).await?;
        let report = session.call(Space { path: path.clone() }).await?;
        if output.json() {
            output.event(event(path, report))
        } else {
            output.print(table(path, report).as_bytes())?
        }
        Ok(0)
    }
}

fn event(path: &RemotePath, report: SpaceReport) -> Object {
    Object::event("space")
        .path(&places::rooted(path))
        .number("total", report.total)
        .number("free", report.free)
        .number("available", report.available)
}

fn table(path: &RemotePath, report: SpaceReport) -> String {
    let used = report.total.saturating_sub(report.free);
    let size = |bytes| HumanBytes(bytes).to_string();
    format!(
        "{:>12} {:>12} {:>12} {:>4}  Path\n{:>12} {:>12} {:>12} {:>3}%  {path}\n",
        "Size",
        "Used",
        "Available",
        "Use",
        size(report.total),
        size(used),
        size(report.available),
        percent(used, report.available),
    )
}

/// The used part of what users may fill, rounded up, as in df.
fn percent(used: u64, available: u64) -> u128 {
    let (used, all) = (u128::from(used), u128::from(used) + u128::from(available));
    (used * 100).div_ceil(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        let report = SpaceReport { total: 100 << 30, free: 60 << 30, available: 50 << 30 };
        let table = table(&RemotePath::root(), report);
        assert_eq!(table.lines().nth(1), Some("  100.00 GiB    40.00 GiB    50.00 GiB  45%  /"));
        assert_eq!((percent(0, 0), percent(u64::MAX, 0)), (0, 100));
    }
}
