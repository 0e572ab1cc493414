//! What a command line asks for, once it is known to make sense by itself.

use crate::cli::args::Command;
use crate::cli::commands::{
    cat, chmod, completions, df, get, hash, ln, ls, man, mirror, mkdir, mv, put, rm, stat, touch, trust,
};
use crate::cli::output::Output;
use crate::cli::places::Server;
use crate::cli::settings::Settings;
use ftp_client::{Error, Session};
use std::sync::Arc;

/// What is asked for.
pub(crate) enum Task {
    /// It needs no server.
    Offline(Offline),
    /// It needs a session with a server.
    Online(Server, Box<Work>),
}

/// Commands that need no server.
pub(crate) enum Offline {
    Trust(trust::Trust),
    Completions(completions::Completions),
    Man(man::Man),
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
    Cat(cat::Cat),
    Mkdir(mkdir::Mkdir),
    Rm(rm::Rm),
    Mv(mv::Mv),
    Touch(touch::Touch),
    Chmod(chmod::Chmod),
    Ln(ln::Ln),
}

impl Task {
    /// Finds out what was meant. `json`: standard output is for programs.
    pub(crate) fn new(typed: Command, json: bool) -> Result<Self, Error> {
        Ok(match typed {
            Command::Ls(typed) => online(ls::Ls::new(typed)?, Work::Ls),
            Command::Stat(typed) => online(stat::Stat::new(typed)?, Work::Stat),
            Command::Hash(typed) => online(hash::Hash::new(typed)?, Work::Hash),
            Command::Df(typed) => online(df::Df::new(typed)?, Work::Df),
            Command::Get(typed) => online(get::Get::new(typed)?, Work::Get),
            Command::Put(typed) => online(put::Put::new(typed)?, Work::Put),
            Command::Mirror(typed) => online(mirror::Mirror::new(*typed)?, Work::Mirror),
            Command::Apply(typed) => online(mirror::Mirror::of_plan(&typed)?, Work::Mirror),
            Command::Cat(typed) => online(cat::Cat::new(typed, json)?, Work::Cat),
            Command::Mkdir(typed) => online(mkdir::Mkdir::new(typed)?, Work::Mkdir),
            Command::Rm(typed) => online(rm::Rm::new(typed)?, Work::Rm),
            Command::Mv(typed) => online(mv::Mv::new(typed)?, Work::Mv),
            Command::Touch(typed) => online(touch::Touch::new(typed)?, Work::Touch),
            Command::Chmod(typed) => online(chmod::Chmod::new(typed)?, Work::Chmod),
            Command::Ln(typed) => online(ln::Ln::new(typed)?, Work::Ln),
            Command::Trust(typed) => Self::Offline(Offline::Trust(trust::Trust::new(typed)?)),
            Command::Completions(typed) => {
                Self::Offline(Offline::Completions(completions::Completions::new(&typed)))
            }
            Command::Man(typed) => Self::Offline(Offline::Man(man::Man::new(typed)?)),
        })
    }
}

impl Offline {
    /// Does it; gives the exit code.
    pub(crate) fn run(self, settings: &Settings, output: &Output) -> Result<u8, Error> {
        match self {
            Self::Trust(trust) => trust.run(&settings.known_hosts, output),
            Self::Completions(completions) => completions.run(output),
            Self::Man(man) => man.run(output),
        }
    }
}

impl Work {
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
            Self::Get(get) => get.run(session, server, output).await,
            Self::Put(put) => put.run(session, server, output).await,
            Self::Mirror(mirror) => mirror.run(session, server, output).await,
            Self::Cat(cat) => cat.run(session, output).await,
            Self::Mkdir(mkdir) => mkdir.run(session, output).await,
            Self::Rm(rm) => rm.run(session, output).await,
            Self::Mv(mv) => mv.run(session, output).await,
            Self::Touch(touch) => touch.run(session, output).await,
            Self::Chmod(chmod) => chmod.run(session, output).await,
            Self::Ln(ln) => ln.run(session, output).await,
        }
    }
}

fn online<T>((server, work): (Server, T), variant: fn(T) -> Work) -> Task {
    Task::Online(server, Box::new(variant(work)))
}
