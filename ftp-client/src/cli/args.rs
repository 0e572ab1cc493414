//! The arguments of the command line.

mod carrying;
mod commands;
mod common;
mod doctor;
mod explanations;
mod help;
mod line;
mod mirror;
mod profile;
mod script;
mod shell;
mod values;

pub(crate) use carrying::{CarryingArgs, Permissions};
pub(crate) use commands::*;
pub(crate) use common::{Color, Common};
pub(crate) use doctor::DoctorArgs;
pub(crate) use line::{OpenArgs, TypedLine, Word, line_parser};
pub(crate) use mirror::{ApplyArgs, CompareWord, DeleteWhenWord, MirrorArgs, TypedRule, of_profile};
pub(crate) use profile::{Defaults, ProfileArgs, ProfileOption, ProfileSubcommand, profile_options};
pub(crate) use script::ScriptArgs;
pub(crate) use shell::{
    ExitArgs, HistoryArgs, JobsArgs, KillArgs, LanesArgs, LimitArgs, QueueArgs, ShellArgs, WaitArgs,
};
pub(crate) use values::{DeleteMaxArg, OverwriteArg};

use clap::Parser;

/// Moves files to and from an ftp-server: several streams, every byte verified, nothing half-written
#[derive(Parser)]
#[command(name = "ftp-client", version, subcommand_required = true, arg_required_else_help = true, after_help = PLACES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const PLACES: &str = "\
A REMOTE is ftpx://[user@]host[:port]/path[?pin=sha256:HEX], NAME:path with a profile's name, or [user@]host:path.
Exit codes: 0 done; 1 some items failed; 2 wrong usage; 3 server not reached or lost; 4 not allowed;
5 no such path; 6 refused to protect data; 7 verification failed; 8 no space or storage failure; 130 interrupted.

Example:
  ftp-client get -r ann@files.example.org:/photos .";

#[cfg(test)]
mod tests;
