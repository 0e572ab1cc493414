//! The arguments of the command line.

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

pub(crate) use commands::{
    Cat, Chmod, CompleteLine, Completions, Df, Gc, Get, Hash, Ln, Ls, Man, Mkdir, Mv, Permissions, Put,
    Retry, Rm, Stat, Touch, Trust, TrustCommand,
};
pub(crate) use common::{Color, Common, Resuming};
pub(crate) use doctor::Doctor;
pub(crate) use line::{Line, Open, Word, line_parser};
pub(crate) use mirror::{Apply, CompareWord, DeleteWhenWord, Mirror, TypedRule, of_profile};
pub(crate) use profile::{Defaults, Profile, ProfileCommand, ProfileOption, profile_options};
pub(crate) use script::Script;
pub(crate) use shell::{Exit, History, Jobs, Kill, Lanes, Limit, Queue, Shell, Wait};
pub(crate) use values::{DeleteMax, DurabilityWord, OverwriteWord};

use clap::{Parser, Subcommand};

/// Moves files to and from an ftp-server: several streams, every byte verified, nothing half-written
#[derive(Parser)]
#[command(name = "ftp-client", version, subcommand_required = true, arg_required_else_help = true, after_help = PLACES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One variant per command.
#[derive(Subcommand)]
pub(crate) enum Command {
    Ls(Ls),
    Stat(Stat),
    Hash(Hash),
    Df(Df),
    Get(Get),
    Put(Put),
    Mirror(Box<Mirror>),
    Apply(Apply),
    Retry(Retry),
    Cat(Cat),
    Mkdir(Mkdir),
    Rm(Rm),
    Mv(Mv),
    Touch(Touch),
    Chmod(Chmod),
    Ln(Ln),
    Shell(Shell),
    Script(Script),
    Profile(Profile),
    Gc(Gc),
    Doctor(Doctor),
    Trust(Trust),
    Completions(Completions),
    CompleteLine(CompleteLine),
    Man(Man),
}

const PLACES: &str = "\
A REMOTE is ftpx://[user@]host[:port]/path[?pin=sha256:HEX], NAME:path with a profile's name, or [user@]host:path.
Exit codes: 0 done; 1 some items failed; 2 wrong usage; 3 server not reached or lost; 4 not allowed;
5 no such path; 6 refused to protect data; 7 verification failed; 8 no space or storage failure; 130 interrupted.

Example:
  ftp-client get -r ann@files.example.org:/photos .";

#[cfg(test)]
mod tests;
