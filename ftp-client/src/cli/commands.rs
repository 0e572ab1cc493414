//! The commands: a file for each, with the meaning of its arguments and its work in a session; and here their list, from which
//! the task of a command line is made.

mod cat;
mod chmod;
mod completions;
mod cp;
mod df;
mod doctor;
mod each;
mod gc;
mod get;
mod hash;
mod job;
mod limits;
mod ln;
mod ls;
mod man;
mod mirror;
mod mkdir;
mod mv;
mod profile;
mod put;
mod retry;
mod rm;
mod stat;
mod together;
mod touch;
mod transfer;
mod trust;

use crate::cli::args::{self, Command};
use crate::cli::output::Output;
use crate::cli::profiles::Profiles;
use crate::cli::results;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use crate::cli::settings::Settings;
use each::{About, UNDER_WAY_MAX, each, each_done, in_turn};
use ftp_client::{Error, Session};
use std::path::Path;
use std::sync::Arc;
use wire::{Failure, FailureCode, RemotePath};

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
    Get(get::GetCommand),
    Put(put::PutCommand),
    Mirror(mirror::MirrorCommand),
    Retry(retry::RetryCommand),
    Cat(cat::CatCommand),
    Mkdir(mkdir::MkdirCommand),
    Rm(rm::RmCommand),
    Mv(mv::MvCommand),
    Cp(cp::CpCommand),
    Touch(touch::TouchCommand),
    Chmod(chmod::ChmodCommand),
    Ln(ln::LnCommand),
    Gc(gc::GcCommand),
    Doctor(doctor::DoctorCommand),
}

impl Task {
    /// As [`new`](Self::new), but also empties an older result file, since the task is about to run.
    pub(crate) fn begin(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        let result = results::written_by(&typed)?;
        let task = Self::new(typed, scope, json);
        if !matches!(task, Err(Error::Usage(_))) {
            result.map_or(Ok(()), |path| results::empty_older(&path))?;
        }
        task
    }

    /// Makes the task of a typed command. `json` reserves standard output for programs.
    pub(crate) fn new(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        Ok(match typed {
            Command::Ls(typed) => online(ls::LsCommand::new(typed, scope)?, OnlineCommand::Ls),
            Command::Stat(typed) => online(stat::StatCommand::new(typed, scope)?, OnlineCommand::Stat),
            Command::Hash(typed) => online(hash::HashCommand::new(typed, scope)?, OnlineCommand::Hash),
            Command::Df(typed) => online(df::DfCommand::new(typed, scope)?, OnlineCommand::Df),
            Command::Get(typed) if typed.output.as_deref() == Some(Path::new("-")) => {
                to_stdout(typed, scope, json)?
            }
            Command::Get(typed) => online(get::GetCommand::new(typed, scope)?, OnlineCommand::Get),
            Command::Put(typed) => online(put::PutCommand::new(typed, scope)?, OnlineCommand::Put),
            Command::Mirror(typed) => {
                online(mirror::MirrorCommand::new(*typed, scope)?, OnlineCommand::Mirror)
            }
            Command::Apply(typed) => online(mirror::MirrorCommand::of_plan(&typed)?, OnlineCommand::Mirror),
            Command::Retry(typed) => match retry::RetryCommand::new(typed)? {
                (_, retry) if retry.is_empty() => Self::Offline(OfflineCommand::Retry(retry)),
                retry => online(retry, OnlineCommand::Retry),
            },
            Command::Cat(typed) => online(cat::CatCommand::new(typed, scope, json)?, OnlineCommand::Cat),
            Command::Mkdir(typed) => online(mkdir::MkdirCommand::new(typed, scope)?, OnlineCommand::Mkdir),
            Command::Rm(typed) => online(rm::RmCommand::new(typed, scope)?, OnlineCommand::Rm),
            Command::Mv(typed) => online(mv::MvCommand::new(typed, scope)?, OnlineCommand::Mv),
            Command::Cp(typed) => online(cp::CpCommand::new(typed, scope)?, OnlineCommand::Cp),
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
        matches!(self, Self::Get(_) | Self::Put(_) | Self::Mirror(_))
    }

    /// Runs the command and returns the exit code.
    pub(crate) async fn run(
        self,
        session: &Session,
        server: &ServerTarget,
        output: &Arc<Output>,
    ) -> Result<u8, Error> {
        match self {
            Self::Ls(ls) => ls.run(session, output).await,
            Self::Stat(stat) => stat.run(session, output).await,
            Self::Hash(hash) => hash.run(session, output).await,
            Self::Df(df) => df.run(session, output).await,
            Self::Get(get) => Box::pin(get.run(session, server, output)).await,
            Self::Put(put) => Box::pin(put.run(session, server, output)).await,
            Self::Mirror(mirror) => mirror.run(session, server, output).await,
            Self::Retry(retry) => Box::pin(retry.run(session, server, output)).await,
            Self::Cat(cat) => cat.run(session, output).await,
            Self::Mkdir(mkdir) => mkdir.run(session, output).await,
            Self::Rm(rm) => rm.run(session, output).await,
            Self::Mv(mv) => mv.run(session, output).await,
            Self::Cp(cp) => cp.run(session, output).await,
            Self::Touch(touch) => touch.run(session, output).await,
            Self::Chmod(chmod) => chmod.run(session, output).await,
            Self::Ln(ln) => ln.run(session, output).await,
            Self::Gc(gc) => gc.run(session, output).await,
            Self::Doctor(doctor) => doctor.run(session, output).await,
        }
    }
}

/// The error of a command that has no place in a script or shell.
pub(crate) fn of_command_lines() -> Error {
    Error::Usage("this works on the command line only, not in a script or shell".to_owned())
}

/// `get -o -`.
fn to_stdout(typed: args::GetArgs, scope: &Scope, json: bool) -> Result<Task, Error> {
    let in_vain = match (json, typed.transfer.result) {
        (true, _) => "--json",
        (false, Some(_)) => "--result",
        (false, None) => {
            return Ok(online(
                cat::CatCommand::new(args::CatArgs { remotes: typed.paths }, scope, json)?,
                OnlineCommand::Cat,
            ));
        }
    };
    Err(Error::Usage(format!("get -o - writes content to standard output: there is no {in_vain}")))
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
