//! The commands: a file for each, with its arguments, their meaning and its work in a session; and here their list, from which
//! the command line and its task are made.

mod cat;
mod check;
mod chmod;
mod choosing;
mod complete_line;
mod completions;
mod cp;
mod df;
mod doctor;
mod du;
mod each;
mod edit;
mod find;
mod gc;
mod get;
mod hash;
mod job;
mod limits;
mod ln;
mod ls;
mod man;
mod matching;
mod mirror;
mod mkdir;
mod moving;
mod mv;
mod preview;
mod profile;
mod progress;
mod put;
mod retry;
mod rm;
mod script;
mod shell;
mod stat;
mod tail;
mod together;
mod touch;
mod transfer;
mod trust;
mod unlisted;

pub(crate) use complete_line::CompleteLineArgs;
pub(crate) use script::ScriptArgs;
pub(crate) use shell::ShellArgs;

use crate::cli::args::Common;
use crate::cli::input;
use crate::cli::output::Output;
use crate::cli::profiles::Profiles;
use crate::cli::results;
use crate::cli::scope::{NotedPatterns, Scope};
use crate::cli::server::ServerTarget;
use crate::cli::settings::Settings;
use clap::{Parser, Subcommand};
use each::{About, UNDER_WAY_MAX, each, each_done, in_turn};
use ftp_client::{Error, Session};
use std::path::PathBuf;
use std::sync::Arc;
use wire::{Failure, FailureCode, RemotePath};

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
A REMOTE is [user@]host:path over ssh (or ssh://[user@]host[:port]/path), [user@]host::path or
ftpx://[user@]host[:port]/path[?pin=sha256:HEX] on a standing server, or NAME:path with a profile's name.
Exit codes: 0 done; 1 some items failed; 2 wrong usage; 3 server not reached or lost; 4 not allowed;
5 no such path; 6 refused to protect data; 7 verification failed; 8 no space or storage failure; 130 interrupted.

Example:
  ftp-client get -r ann@files.example.org::/photos .";

/// One variant per command.
#[derive(Clone, Subcommand)]
pub(crate) enum Command {
    Ls(ls::LsArgs),
    Stat(stat::StatArgs),
    Hash(hash::HashArgs),
    Df(df::DfArgs),
    Du(du::DuArgs),
    Find(find::FindArgs),
    #[command(alias = "mget")]
    Get(get::GetArgs),
    #[command(alias = "mput")]
    Put(put::PutArgs),
    Mirror(Box<mirror::MirrorArgs>),
    Apply(mirror::ApplyArgs),
    Check(Box<check::CheckArgs>),
    Retry(retry::RetryArgs),
    Cat(cat::CatArgs),
    Tail(tail::TailArgs),
    Mkdir(mkdir::MkdirArgs),
    Rm(rm::RmArgs),
    Mv(mv::MvArgs),
    Cp(cp::CpArgs),
    Edit(edit::EditArgs),
    Touch(touch::TouchArgs),
    Chmod(chmod::ChmodArgs),
    Ln(ln::LnArgs),
    Shell(ShellArgs),
    Script(ScriptArgs),
    Profile(profile::ProfileArgs),
    Gc(gc::GcArgs),
    Doctor(doctor::DoctorArgs),
    Trust(trust::TrustArgs),
    Completions(completions::CompletionsArgs),
    CompleteLine(CompleteLineArgs),
    Man(man::ManArgs),
}

/// The session that a command runs in, and its output.
#[derive(Clone, Copy)]
pub(crate) struct CommandContext<'a> {
    pub(crate) session: &'a Session,
    pub(crate) server: &'a ServerTarget,
    pub(crate) output: &'a Arc<Output>,
}

/// The task of a command line.
pub(crate) enum Task {
    /// It needs no server.
    Offline(OfflineCommand),
    /// It needs a session with a server.
    Online(ServerTarget, Box<OnlineCommand>),
}

/// Commands that need no server.
pub(crate) enum OfflineCommand {
    Profile(profile::ProfileCommand),
    Trust(trust::TrustCommand),
    Completions(completions::CompletionsCommand),
    Man(man::ManCommand),
    /// All is done already.
    Retry(retry::RetryCommand),
    Gc(gc::GcCommand),
}

/// Commands that need a session.
pub(crate) enum OnlineCommand {
    Ls(ls::LsCommand),
    Stat(stat::StatCommand),
    Hash(hash::HashCommand),
    Df(df::DfCommand),
    Du(du::DuCommand),
    Find(find::FindCommand),
    Get(get::GetCommand),
    Put(put::PutCommand),
    Mirror(mirror::MirrorCommand),
    Check(check::CheckCommand),
    Retry(retry::RetryCommand),
    Cat(cat::CatCommand),
    Tail(tail::TailCommand),
    Mkdir(mkdir::MkdirCommand),
    Rm(rm::RmCommand),
    Mv(mv::MvCommand),
    Cp(cp::CpCommand),
    Edit(edit::EditCommand),
    Touch(touch::TouchCommand),
    Chmod(chmod::ChmodCommand),
    Ln(ln::LnCommand),
    Gc(gc::GcCommand),
    Doctor(doctor::DoctorCommand),
    /// Any of them, with patterns.
    Matching(matching::MatchingCommand),
}

impl Command {
    /// Returns the result file that the command begins with.
    ///
    /// # Errors
    /// If it is one of the files that the command sends or fetches.
    fn result_file(&self) -> Result<Option<PathBuf>, Error> {
        if let Self::Get(typed) = self {
            typed.result_file()
        } else if let Self::Put(typed) = self {
            typed.result_file()
        } else if let Self::Retry(typed) = self {
            Ok(typed.result_file())
        } else {
            Ok(None)
        }
    }

    /// Returns true if folders are taken with all that is in them.
    fn is_recursive(&self) -> bool {
        if let Self::Mv(_) = self {
            true
        } else if let Self::Get(get) = self {
            get.is_recursive()
        } else if let Self::Rm(rm) = self {
            rm.is_recursive()
        } else if let Self::Hash(hash) = self {
            hash.is_recursive()
        } else if let Self::Cp(cp) = self {
            cp.is_recursive()
        } else if let Self::Chmod(chmod) = self {
            chmod.is_recursive()
        } else {
            false
        }
    }

    /// Returns true if the command reads standard input.
    pub(crate) fn reads_stdin(&self) -> bool {
        if let Self::Put(put) = self {
            put.reads_stdin()
        } else if let Self::Get(get) = self {
            get.reads_stdin()
        } else if let Self::Mirror(mirror) = self {
            mirror.reads_stdin()
        } else if let Self::Check(check) = self {
            check.reads_stdin()
        } else if let Self::Hash(hash) = self {
            hash.reads_stdin()
        } else if let Self::Apply(mirror::ApplyArgs { plan: file })
        | Self::Retry(retry::RetryArgs { file, .. }) = self
        {
            input::is_dash(file)
        } else {
            false
        }
    }
}

impl Task {
    /// As [`new`](Self::new), but also empties an older result file, since the task is about to run.
    pub(crate) fn begin(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        let result = typed.result_file()?;
        let task = Self::new(typed, scope, json);
        if !matches!(task, Err(Error::Usage(_))) {
            result.map_or(Ok(()), |path| results::empty_older(&path))?;
        }
        task
    }

    /// Makes the task of a typed command. `json` reserves standard output for programs.
    pub(crate) fn new(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        let scope = scope.noting_patterns();
        let task = Self::of_paths(typed.clone(), &scope, json)?;
        let NotedPatterns { remotes, has_local } = scope.noted_patterns();
        match task {
            Self::Online(server, first) if has_local || !remotes.is_empty() => {
                let work = matching::MatchingCommand::new(typed, scope, json, remotes, &first);
                Ok(online((server, work), OnlineCommand::Matching))
            }
            task @ (Self::Online(..) | Self::Offline(_)) => Ok(task),
        }
    }

    /// Makes the task of a command whose paths are all names.
    fn of_paths(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        Ok(match typed {
            Command::Ls(typed) => online(ls::LsCommand::new(typed, scope)?, OnlineCommand::Ls),
            Command::Stat(typed) => online(stat::StatCommand::new(typed, scope)?, OnlineCommand::Stat),
            Command::Hash(typed) => online(hash::HashCommand::new(typed, scope)?, OnlineCommand::Hash),
            Command::Df(typed) => online(df::DfCommand::new(typed, scope)?, OnlineCommand::Df),
            Command::Du(typed) => online(du::DuCommand::new(typed, scope)?, OnlineCommand::Du),
            Command::Find(typed) => online(find::FindCommand::new(typed, scope)?, OnlineCommand::Find),
            Command::Get(typed) if typed.is_to_stdout() => {
                online(cat::CatCommand::new(typed.into_cat(json)?, scope, json)?, OnlineCommand::Cat)
            }
            Command::Get(typed) => online(get::GetCommand::new(typed, scope)?, OnlineCommand::Get),
            Command::Put(typed) => online(put::PutCommand::new(typed, scope)?, OnlineCommand::Put),
            Command::Mirror(typed) => {
                online(mirror::MirrorCommand::new(*typed, scope)?, OnlineCommand::Mirror)
            }
            Command::Apply(typed) => online(mirror::MirrorCommand::of_plan(&typed)?, OnlineCommand::Mirror),
            Command::Check(typed) => online(check::CheckCommand::new(*typed, scope)?, OnlineCommand::Check),
            Command::Retry(typed) => match retry::RetryCommand::new(typed)? {
                (_, retry) if retry.is_empty() => Self::Offline(OfflineCommand::Retry(retry)),
                retry => online(retry, OnlineCommand::Retry),
            },
            Command::Cat(typed) => online(cat::CatCommand::new(typed, scope, json)?, OnlineCommand::Cat),
            Command::Tail(typed) => online(tail::TailCommand::new(typed, scope, json)?, OnlineCommand::Tail),
            Command::Mkdir(typed) => online(mkdir::MkdirCommand::new(typed, scope)?, OnlineCommand::Mkdir),
            Command::Rm(typed) => online(rm::RmCommand::new(typed, scope)?, OnlineCommand::Rm),
            Command::Mv(typed) => online(mv::MvCommand::new(typed, scope)?, OnlineCommand::Mv),
            Command::Cp(typed) => online(cp::CpCommand::new(typed, scope)?, OnlineCommand::Cp),
            Command::Edit(typed) => online(edit::EditCommand::new(typed, scope)?, OnlineCommand::Edit),
            Command::Touch(typed) => online(touch::TouchCommand::new(typed, scope)?, OnlineCommand::Touch),
            Command::Chmod(typed) => online(chmod::ChmodCommand::new(typed, scope)?, OnlineCommand::Chmod),
            Command::Ln(typed) => online(ln::LnCommand::new(typed, scope)?, OnlineCommand::Ln),
            Command::Script(_) | Command::Shell(_) | Command::CompleteLine(_) => {
                return Err(of_command_lines());
            }
            Command::Profile(typed) => {
                Self::Offline(OfflineCommand::Profile(profile::ProfileCommand::new(typed)))
            }
            Command::Gc(typed) => match gc::GcCommand::new(typed, scope)? {
                (Some(server), gc) => online((server, gc), OnlineCommand::Gc),
                (None, gc) => Self::Offline(OfflineCommand::Gc(gc)),
            },
            Command::Doctor(typed) => {
                online(doctor::DoctorCommand::new(typed, scope)?, OnlineCommand::Doctor)
            }
            Command::Trust(typed) => Self::Offline(OfflineCommand::Trust(trust::TrustCommand::new(typed)?)),
            Command::Completions(typed) => Self::Offline(OfflineCommand::Completions(
                completions::CompletionsCommand::new(&typed, json)?,
            )),
            Command::Man(typed) => Self::Offline(OfflineCommand::Man(man::ManCommand::new(typed, json)?)),
        })
    }
}

impl OfflineCommand {
    /// Runs the command and returns the exit code.
    pub(crate) fn run(self, settings: &Settings, profiles: &Profiles, output: &Output) -> Result<u8, Error> {
        match self {
            Self::Profile(profile) => profile.run(settings, profiles, output),
            Self::Trust(trust) => trust.run(&settings.known_hosts, output),
            Self::Completions(completions) => completions.run(output),
            Self::Man(man) => man.run(output),
            Self::Retry(retry) => retry.run_empty(),
            Self::Gc(gc) => gc.run_here(output),
        }
    }
}

impl OnlineCommand {
    /// Returns true if the command may run in the background.
    pub(crate) fn is_transfer(&self) -> bool {
        if let Self::Matching(matching) = self {
            return matching.is_transfer();
        }
        matches!(self, Self::Get(_) | Self::Put(_) | Self::Mirror(_))
    }

    /// Runs the command and returns the exit code.
    pub(crate) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        let CommandContext { session, output, .. } = context;
        match self {
            Self::Ls(ls) => ls.run(session, output).await,
            Self::Stat(stat) => stat.run(session, output).await,
            Self::Hash(hash) => hash.run(session, output).await,
            Self::Df(df) => df.run(session, output).await,
            Self::Du(du) => du.run(session, output).await,
            Self::Find(find) => find.run(session, output).await,
            Self::Get(get) => Box::pin(get.run(context)).await,
            Self::Put(put) => Box::pin(put.run(context)).await,
            Self::Mirror(mirror) => mirror.run(context).await,
            Self::Check(check) => check.run(context).await,
            Self::Retry(retry) => Box::pin(retry.run(context)).await,
            Self::Cat(cat) => cat.run(session, output).await,
            Self::Tail(tail) => Box::pin(tail.run(session, output)).await,
            Self::Mkdir(mkdir) => mkdir.run(session, output).await,
            Self::Rm(rm) => rm.run(session, output).await,
            Self::Mv(mv) => mv.run(session, output).await,
            Self::Cp(cp) => cp.run(session, output).await,
            Self::Edit(edit) => Box::pin(edit.run(context)).await,
            Self::Touch(touch) => touch.run(session, output).await,
            Self::Chmod(chmod) => chmod.run(session, output).await,
            Self::Ln(ln) => ln.run(session, output).await,
            Self::Gc(gc) => gc.run(session, output).await,
            Self::Doctor(doctor) => doctor.run(session, output).await,
            Self::Matching(matching) => matching.run(context).await,
        }
    }
}

/// The error of a command that has no place in a script or shell.
pub(crate) fn of_command_lines() -> Error {
    Error::Usage("this works on the command line only, not in a script or shell".to_owned())
}

fn online<T>((server, work): (ServerTarget, T), variant: fn(T) -> OnlineCommand) -> Task {
    Task::Online(server, Box::new(variant(work)))
}

/// Adds advice about -r, which people forget.
fn advise_recursive(error: Error, path: &RemotePath) -> Error {
    match error.failure_code() {
        Some(code @ FailureCode::IsAFolder) => {
            Error::remote(path, Failure::new(code, "is a folder (use -r)"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests;
