//! Runs lines for scripts and the shell. One server is open at a time. Its connection is made once, and made
//! anew if it was lost. The local and the remote current folder are kept.

use crate::cli::advice::{sentence, with_command_meant, with_place_of_option};
use crate::cli::commands::{Command, CommandContext, Task, of_command_lines};
use crate::cli::connect;
use crate::cli::defaults;
use crate::cli::goodbye;
use crate::cli::line::{TypedLine, Word, help_parser, line_parser};
use crate::cli::output::{Object, Output, shown};
use crate::cli::places;
use crate::cli::profiles::Profile;
use crate::cli::reflexes;
use crate::cli::scope::{Scope, nothing_open};
use crate::cli::server::ServerTarget;
use crate::cli::settings::Settings;
use clap::FromArgMatches;
use ftp_client::remote::Remote;
use ftp_client::{ConnectOptions, Error, Session, fingerprint};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::block_in_place;

/// A line that was understood.
pub(crate) struct Parsed {
    pub(crate) word: Word,
    /// The note about options that are not needed.
    pub(crate) note: Option<String>,
}

/// The state that lines are run in.
pub(crate) struct Interpreter {
    /// The command line that began this: its options are those of all connections.
    command_line: Vec<OsString>,
    /// The current folder at that time.
    started_in: PathBuf,
    scope: Scope,
    /// The profile of the open server: its options are those of the lines too.
    profile: Option<String>,
    open: Option<OpenServer>,
}

struct OpenServer {
    server: ServerTarget,
    options: ConnectOptions,
    session: Session,
    /// The next command needs a new connection.
    stale: bool,
}

/// Follows a script without running it.
pub(crate) struct Checker {
    scope: Scope,
    profile: Option<String>,
    /// Standard input is the script itself.
    stdin_taken: bool,
}

impl Interpreter {
    pub(crate) fn new(command_line: &[OsString], scope: Scope) -> Self {
        let started_in = env::current_dir().unwrap_or_default();
        Self { command_line: command_line.to_vec(), started_in, scope, profile: None, open: None }
    }

    /// Understands a line's words.
    pub(crate) fn parse(&self, words: &[OsString]) -> Result<Parsed, Error> {
        parse(words, &self.scope, self.profile.as_deref())
    }

    /// Follows from here.
    pub(crate) fn checker(&self, stdin_taken: bool) -> Checker {
        Checker { scope: self.scope.clone(), profile: self.profile.clone(), stdin_taken }
    }

    /// Runs a line; gives its exit code.
    pub(crate) async fn run(&mut self, line: Parsed, output: &Arc<Output>) -> Result<u8, Error> {
        output.remark(line.note.as_deref());
        match line.word {
            Word::Command(command) => self.command(command, output).await,
            Word::Open(open) => self.open(&open.remote, output).await.map(|()| 0),
            Word::Cd(cd) => self.change_folder(cd.folder.as_deref(), output).await,
            Word::Lcd(lcd) => change_local_folder(&lcd.folder).map(|()| 0),
            Word::Pwd(_) => tell_folder(output, &places::rooted(&self.here()?.path)),
            Word::Lpwd(_) => tell_folder(output, current_folder()?.as_os_str().as_bytes()),
            Word::Lls(lls) => list_local(&local(&lls.folder)?, output),
            Word::Limit(limit) => self.redial(|options| options.rate_limit = limit.rate),
            Word::Lanes(lanes) => self.redial(|options| options.lanes = lanes.lanes),
            Word::Exit(_) => Ok(0),
            Word::Queue(_) | Word::Jobs(_) | Word::Wait(_) | Word::Kill(_) | Word::History(_) => {
                Err(of_the_shell())
            }
        }
    }

    /// Connects to a server, and begins in that folder.
    pub(crate) async fn open(&mut self, typed: &OsStr, output: &Arc<Output>) -> Result<(), Error> {
        let scope = self.scope.closed();
        let (server, remote) = scope.remote(typed)?;
        let profile = scope.profiles().named(typed).map(|(profile, _)| profile);
        let settings = self.settings(profile)?;
        let profile = profile.map(|profile| profile.name.clone());
        let advised = |error| scope.profiles().advise(error, &server.host);
        let connecting = block_in_place(|| connect::options(&server, &settings, output)).map_err(advised)?;
        let (session, options) = connect::lasting(connecting).await.map_err(advised)?;
        session.welcome().await?;
        places::require_folder(&session, &remote.path).await?;
        self.close().await;
        (self.profile, self.scope) = (profile, scope.opened(remote));
        self.open = Some(OpenServer { server, options, session, stale: false });
        Ok(())
    }

    /// The session of the open server, connected anew if the connection was lost.
    pub(crate) async fn session(&mut self, output: &Output) -> Result<(ServerTarget, Session), Error> {
        let opened = self.open.as_mut().ok_or_else(nothing_open)?;
        if opened.stale {
            goodbye::in_time(opened.session.close()).await;
        } else if let Some(error) = opened.session.ended() {
            let reason = if matches!(error, Error::Revoked { .. }) {
                error.to_string()
            } else {
                format!("the connection to {} was lost", opened.server.address())
            };
            output.warn(&format!("{reason}; connecting again"));
        }
        if opened.stale || opened.session.is_over() {
            opened.session = connect::patiently(opened.options.clone()).await?;
            opened.session.welcome().await?;
            opened.stale = false;
        }
        Ok((opened.server.clone(), opened.session.clone()))
    }

    /// Parses a line's words. The error is the full text for a person, which may be help.
    pub(crate) fn understand(&self, words: &[OsString]) -> Result<Parsed, clap::Error> {
        understand(words, &self.scope, self.profile.as_deref())
    }

    /// The scope of paths and the open session, for completion.
    pub(crate) fn current(&self) -> (Scope, Option<Session>) {
        (self.scope.clone(), self.open.as_ref().map(|opened| opened.session.clone()))
    }

    /// How to connect to the open server once more.
    pub(crate) fn dialing(&self) -> Result<(ServerTarget, ConnectOptions), Error> {
        let opened = self.open.as_ref().ok_or_else(nothing_open)?;
        Ok((opened.server.clone(), opened.options.clone()))
    }

    /// Drops the connection and its running requests; the next command connects anew.
    pub(crate) async fn hang_up(&mut self) {
        if let Some(opened) = &mut self.open {
            opened.stale = true;
            goodbye::in_time(opened.session.close()).await;
        }
    }

    /// Changes options of the connection, from the next command on.
    fn redial(&mut self, change: impl FnOnce(&mut ConnectOptions)) -> Result<u8, Error> {
        let opened = self.open.as_mut().ok_or_else(nothing_open)?;
        change(&mut opened.options);
        opened.stale = true;
        Ok(0)
    }

    /// Returns the remote current folder.
    pub(crate) fn here(&self) -> Result<&Remote, Error> {
        self.scope.here().ok_or_else(nothing_open)
    }

    /// Says goodbye to the open server.
    pub(crate) async fn close(&mut self) {
        if let Some(opened) = self.open.take() {
            goodbye::in_time(opened.session.close()).await;
        }
    }

    async fn command(&mut self, command: Command, output: &Arc<Output>) -> Result<u8, Error> {
        match self.task(command, output)? {
            Task::Offline(task) => {
                let settings = self.settings(None)?;
                task.run(&settings, self.scope.profiles(), output)
            }
            Task::Online(server, work) => {
                let (open, session) = self.session(output).await?;
                same_server(&server, &open, &session)?;
                let context = CommandContext { session: &session, server: &open, output };
                Box::pin(work.run(context)).await
            }
        }
    }

    /// Returns the command line's options with a profile's. Relative files are resolved from the folder in which the program was started.
    fn settings(&self, profile: Option<&Profile>) -> Result<Settings, Error> {
        let mut common = defaults::again(&self.command_line, profile).common;
        let named = [&mut common.password_file, &mut common.known_hosts].into_iter().flatten();
        for file in named.chain(&mut common.identity) {
            *file = self.started_in.join(&*file);
        }
        Settings::new(common)
    }

    /// The task of a command here.
    pub(crate) fn task(&self, command: Command, output: &Output) -> Result<Task, Error> {
        begins_in_a_line(&command)?;
        if self.scope.here().is_none() && needs_server(&command) {
            return Err(nothing_open());
        }
        Task::begin(command, &self.scope, output.json())
    }

    /// Changes the remote folder. Prints it after `cd -`, as a POSIX shell does.
    async fn change_folder(&mut self, folder: Option<&OsStr>, output: &Output) -> Result<u8, Error> {
        let there = self.scope.folder(folder)?;
        let (_, session) = self.session(output).await?;
        places::require_folder(&session, &there.path).await?;
        self.scope = self.scope.moved(there);
        match folder {
            Some(back) if back == "-" => tell_folder(output, &places::rooted(&self.here()?.path)),
            Some(_) | None => Ok(0),
        }
    }
}

impl Checker {
    /// Understands a line's words.
    pub(crate) fn parse(&self, words: &[OsString]) -> Result<Parsed, Error> {
        parse(words, &self.scope, self.profile.as_deref())
    }

    /// Checks a line and follows its changes of folder. Errors that only a run can find are not reported.
    pub(crate) fn check(&mut self, word: Word, output: &Output) -> Result<(), Error> {
        if self.stdin_taken && reads_stdin(&word) {
            return Err(stdin_taken());
        }
        match word {
            Word::Open(open) => {
                let scope = self.scope.closed();
                let (_, remote) = scope.remote(&open.remote)?;
                self.profile = scope.profiles().named(&open.remote).map(|(profile, _)| profile.name.clone());
                self.scope = scope.opened(remote);
                Ok(())
            }
            Word::Cd(cd) => {
                self.scope = self.scope.moved(self.scope.folder(cd.folder.as_deref())?);
                Ok(())
            }
            Word::Pwd(_) => self.scope.here().map(|_| ()).ok_or_else(nothing_open),
            Word::Lcd(_) | Word::Lpwd(_) | Word::Lls(_) => Ok(()),
            Word::Limit(_) | Word::Lanes(_) => self.scope.here().map(|_| ()).ok_or_else(nothing_open),
            Word::Exit(_) => Ok(()),
            Word::Queue(_) | Word::Jobs(_) | Word::Wait(_) | Word::Kill(_) | Word::History(_) => {
                Err(of_the_shell())
            }
            Word::Command(command) => self.command(command, output),
        }
    }

    fn command(&self, command: Command, output: &Output) -> Result<(), Error> {
        begins_in_a_line(&command)?;
        if self.scope.here().is_none() && needs_server(&command) {
            return Err(nothing_open());
        }
        // Their file may still have to be written.
        if matches!(command, Command::Apply(_) | Command::Retry(_)) {
            return Ok(());
        }
        match Task::new(command, &self.scope, output.json()) {
            Err(error @ Error::Usage(_)) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Parses a line's words, with the options of the open server's profile as defaults.
pub(crate) fn understand(
    words: &[OsString],
    scope: &Scope,
    profile: Option<&str>,
) -> Result<Parsed, clap::Error> {
    let meant = |error: clap::Error| {
        // The text of an error or help costs more to make than a line that is right.
        let error =
            help_parser().try_get_matches_from(words).err().filter(|_| !error.use_stderr()).unwrap_or(error);
        with_place_of_option(with_command_meant(error, &line_parser(), words))
    };
    let mut matches = reflexes::parse(line_parser(), words).map_err(meant)?;
    let profile = profile.and_then(|name| scope.profiles().get(name));
    if let (Some((name, sub)), Some(profile)) = (matches.subcommand(), profile) {
        matches = reflexes::parse(defaults::with_profile(line_parser(), name, sub, profile), words)?;
    }
    let note = reflexes::note(&matches);
    TypedLine::from_arg_matches(&matches).map(|line| Parsed { word: line.word, note })
}

fn parse(words: &[OsString], scope: &Scope, profile: Option<&str>) -> Result<Parsed, Error> {
    understand(words, scope, profile).map_err(|error| Error::Usage(sentence(&error)))
}

/// Plans and result files name a server of their own.
fn same_server(wanted: &ServerTarget, open: &ServerTarget, session: &Session) -> Result<(), Error> {
    let same_user = wanted.user.is_none() || open.user.is_none() || wanted.user == open.user;
    let same_key =
        wanted.pin.or(wanted.recorded).is_none_or(|pin| fingerprint::show(&pin) == session.server_key());
    if wanted.is_at_same_place(open) && same_user && same_key {
        Ok(())
    } else {
        let (there, open) = (wanted.address(), open.address());
        Err(Error::Usage(format!("this is for {there}, not for the open server and user {open}")))
    }
}

fn needs_server(command: &Command) -> bool {
    !matches!(
        command,
        Command::Profile(_)
            | Command::Trust(_)
            | Command::Completions(_)
            | Command::CompleteLine(_)
            | Command::Man(_)
            | Command::Script(_)
            | Command::Shell(_)
    )
}

/// Returns true if the line reads standard input, and so the lines that follow.
pub(crate) fn reads_stdin(word: &Word) -> bool {
    matches!(word, Word::Command(command) if command.reads_stdin())
}

/// The error of a command that would read the lines that follow.
pub(crate) fn stdin_taken() -> Error {
    Error::Usage("standard input already supplies the commands".to_owned())
}

/// A profile is added with the common options, which belong to a whole script.
fn begins_in_a_line(command: &Command) -> Result<(), Error> {
    let adds = matches!(command, Command::Profile(typed) if typed.adds());
    if adds { Err(of_command_lines()) } else { Ok(()) }
}

fn of_the_shell() -> Error {
    Error::Usage("this belongs to the shell".to_owned())
}

fn change_local_folder(folder: &OsStr) -> Result<(), Error> {
    let folder = local(folder)?;
    env::set_current_dir(&folder).map_err(|error| Error::local(&folder, error))
}

/// A local path, whose `~` is the home folder.
fn local(typed: &OsStr) -> Result<PathBuf, Error> {
    let rest = match typed.as_bytes() {
        b"~" => "".as_bytes(),
        bytes => match bytes.strip_prefix(b"~/") {
            Some(rest) => rest,
            None => return Ok(PathBuf::from(typed)),
        },
    };
    let home = etcetera::home_dir().map_err(|_| Error::Usage("there is no home folder (HOME)".to_owned()))?;
    Ok(home.join(OsStr::from_bytes(rest)))
}

fn current_folder() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|error| Error::local(Path::new("."), error))
}

fn tell_folder(output: &Output, path: &[u8]) -> Result<u8, Error> {
    if output.json() {
        output.event(Object::event("folder").path(path))
    } else {
        output.print(format!("{}\n", shown(path)).as_bytes())?
    }
    Ok(0)
}

fn list_local(folder: &Path, output: &Output) -> Result<u8, Error> {
    let failed = |error| Error::local(folder, error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>();
    let mut names = names.map_err(failed)?;
    names.sort();
    for name in names {
        tell_folder(output, name.as_bytes())?;
    }
    Ok(0)
}
