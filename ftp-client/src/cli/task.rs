//! The task of a command line, once it is known to make sense by itself.

use crate::cli::args::{self, Command};
use crate::cli::commands::{
    cat, chmod, completions, df, doctor, gc, get, hash, ln, ls, man, mirror, mkdir, mv, profile, put, retry,
    rm, stat, touch, trust,
};
use crate::cli::output::Output;
use crate::cli::profiles::Profiles;
use crate::cli::results;
use crate::cli::scope::Scope;
use crate::cli::server::Server;
use crate::cli::settings::Settings;
use ftp_client::{Error, Session};
use std::path::Path;
use std::sync::Arc;

/// The task of a command line.
pub(crate) enum Task {
    /// It needs no server.
    Offline(Offline),
    /// It needs a session with a server.
    Online(Server, Box<Work>),
}

/// Commands that need no server.
pub(crate) enum Offline {
    Profile(profile::Profile),
    Trust(trust::Trust),
    Completions(completions::Completions),
    Man(man::Man),
    /// All is done already.
    Retry(retry::Retry),
    Gc(gc::Gc),
}

/// Commands that need a session.
pub(crate) enum Work {
    Ls(ls::Ls),
    Stat(stat::Stat),
    Hash(hash::Hash),
    Df(df::Df),
    Get(get::Get),
    Put(put::Put),
    Mirror(mirror::Mirror),
    Retry(retry::Retry),
    Cat(cat::Cat),
    Mkdir(mkdir::Mkdir),
    Rm(rm::Rm),
    Mv(mv::Mv),
    Touch(touch::Touch),
    Chmod(chmod::Chmod),
    Ln(ln::Ln),
    Gc(gc::Gc),
    Doctor(doctor::Doctor),
}

impl Task {
    /// The same as [`new`](Self::new), for what is about to be done.
    pub(crate) fn begin(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        let result = results::written_by(&typed)?;
        let task = Self::new(typed, scope, json);
        if !matches!(task, Err(Error::Usage(_))) {
            result.map_or(Ok(()), |path| results::empty_older(&path))?;
        }
        task
    }

    /// Finds out what was meant. `json`: standard output is for programs.
    pub(crate) fn new(typed: Command, scope: &Scope, json: bool) -> Result<Self, Error> {
        Ok(match typed {
            Command::Ls(typed) => online(ls::Ls::new(typed, scope)?, Work::Ls),
            Command::Stat(typed) => online(stat::Stat::new(typed, scope)?, Work::Stat),
            Command::Hash(typed) => online(hash::Hash::new(typed, scope)?, Work::Hash),
            Command::Df(typed) => online(df::Df::new(typed, scope)?, Work::Df),
            Command::Get(typed) if typed.output.as_deref() == Some(Path::new("-")) => {
                to_stdout(typed, scope, json)?
            }
            Command::Get(typed) => online(get::Get::new(typed, scope)?, Work::Get),
            Command::Put(typed) => online(put::Put::new(typed, scope)?, Work::Put),
            Command::Mirror(typed) => online(mirror::Mirror::new(*typed, scope)?, Work::Mirror),
            Command::Apply(typed) => online(mirror::Mirror::of_plan(&typed)?, Work::Mirror),
            Command::Retry(typed) => match retry::Retry::new(typed)? {
                (_, retry) if retry.is_empty() => Self::Offline(Offline::Retry(retry)),
                retry => online(retry, Work::Retry),
            },
            Command::Cat(typed) => online(cat::Cat::new(typed, scope, json)?, Work::Cat),
            Command::Mkdir(typed) => online(mkdir::Mkdir::new(typed, scope)?, Work::Mkdir),
            Command::Rm(typed) => online(rm::Rm::new(typed, scope)?, Work::Rm),
            Command::Mv(typed) => online(mv::Mv::new(typed, scope)?, Work::Mv),
            Command::Touch(typed) => online(touch::Touch::new(typed, scope)?, Work::Touch),
            Command::Chmod(typed) => online(chmod::Chmod::new(typed, scope)?, Work::Chmod),
            Command::Ln(typed) => online(ln::Ln::new(typed, scope)?, Work::Ln),
            Command::Script(_) | Command::Shell(_) | Command::CompleteLine(_) => {
                return Err(of_command_lines());
            }
            Command::Profile(typed) => Self::Offline(Offline::Profile(profile::Profile::new(typed))),
            Command::Gc(typed) => match gc::Gc::new(typed, scope)? {
                (Some(server), gc) => online((server, gc), Work::Gc),
                (None, gc) => Self::Offline(Offline::Gc(gc)),
            },
            Command::Doctor(typed) => online(doctor::Doctor::new(typed, scope)?, Work::Doctor),
            Command::Trust(typed) => Self::Offline(Offline::Trust(trust::Trust::new(typed)?)),
            Command::Completions(typed) => {
                Self::Offline(Offline::Completions(completions::Completions::new(&typed, json)?))
            }
            Command::Man(typed) => Self::Offline(Offline::Man(man::Man::new(typed, json)?)),
        })
    }
}

impl Offline {
    /// Does it; gives the exit code.
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

impl Work {
    /// True for what may run in the background.
    pub(crate) fn is_transfer(&self) -> bool {
        matches!(self, Self::Get(_) | Self::Put(_) | Self::Mirror(_))
    }

    /// Does it; gives the exit code.
    pub(crate) async fn run(
        self,
        session: &Session,
        server: &Server,
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
    Error::Usage("this begins on a command line, not in a script or shell".to_owned())
}

/// `get -o -`.
fn to_stdout(typed: args::GetArgs, scope: &Scope, json: bool) -> Result<Task, Error> {
    let in_vain = match (json, typed.transfer.result) {
        (true, _) => "--json",
        (false, Some(_)) => "--result",
        (false, None) => {
            return Ok(online(
                cat::Cat::new(args::CatArgs { remotes: typed.paths }, scope, json)?,
                Work::Cat,
            ));
        }
    };
    Err(Error::Usage(format!("get -o - writes content to standard output: there is no {in_vain}")))
}

fn online<T>((server, work): (Server, T), variant: fn(T) -> Work) -> Task {
    Task::Online(server, Box::new(variant(work)))
}
