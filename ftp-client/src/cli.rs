//! The command line: its arguments, their meaning, and the output for people and scripts.
//!
//! A command's file in `commands` defines its arguments and gives them meaning; `args` has the options that commands share. All
//! errors of a request by itself are found there, before any question, connection or change.

mod advice;
mod args;
mod commands;
mod complete;
mod connect;
mod defaults;
mod environment;
mod goodbye;
mod help;
mod identities;
mod input;
mod interpreter;
mod interrupts;
mod line;
mod local_patterns;
mod login;
mod output;
mod parse;
mod places;
mod profiles;
mod reflexes;
mod results;
mod scope;
mod script;
mod server;
mod settings;
mod shell;
mod terminal;

use clap::CommandFactory;
use commands::{Cli, Command, CommandContext, OnlineCommand, Task};
use connect::Connecting;
use defaults::Completed;
use ftp_client::{Error, Session};
use interpreter::Interpreter;
use interrupts::Interrupts;
use output::Output;
use profiles::Profiles;
use scope::Scope;
use script::Script;
use server::ServerTarget;
use settings::Settings;
use shell::Shell;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use wire::message::Welcome;

/// Runs the typed command. The exit code is part of the interface.
pub(crate) fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().collect();
    let matches = parse::matches(Cli::command(), &words);
    let typed = parse::typed(&matches, &words);
    let found = profiles(&typed).and_then(|profiles| {
        let profile = defaults::profile(&matches, &profiles)?.cloned();
        Ok((profiles, profile))
    });
    let (completed, profiles) = match found {
        Ok((profiles, profile)) => {
            (defaults::complete(&words, &matches, typed, profile.as_ref()), Ok(profiles))
        }
        Err(error) => (defaults::as_typed(typed), Err(error)),
    };
    let output = Arc::new(Output::new(&completed.typed.common));
    output.remark(reflexes::note(&matches).as_deref());
    let result = profiles.and_then(|profiles| run(completed, profiles, &words, &output));
    let code = output.finish(result);
    terminal::restore();
    ExitCode::from(code)
}

fn run(
    typed: Completed<Cli>,
    profiles: Profiles,
    words: &[OsString],
    output: &Arc<Output>,
) -> Result<u8, Error> {
    if let Command::CompleteLine(typed) = &typed.typed.command {
        return complete::run(typed, output);
    }
    let tell = |origins: &[String]| origins.iter().for_each(|origin| output.note(|| origin.clone()));
    let of_file = defaults::is_of_file(&typed.typed.command);
    if !of_file {
        tell(&typed.origins);
    }
    let Cli { common, command } = typed.typed;
    let scope = Scope::new(profiles);
    let scope = if common.no_glob { scope.literal() } else { scope };
    let mut settings = Settings::new(common)?;
    let interpreter = |scope| Interpreter::new(words, scope);
    if let Some(script) = script(&command)? {
        return in_runtime(interpreter(scope), async |interpreter| script.run(interpreter, output).await);
    }
    if let Command::Shell(typed) = &command {
        let remote = typed.remote.as_deref();
        return in_runtime(interpreter(scope), async |interpreter| {
            Shell::new(interpreter, output)?.run(remote).await
        });
    }
    match Task::begin(command, &scope, output.json())? {
        Task::Offline(task) => task.run(&settings, scope.profiles(), output),
        Task::Online(server, work) => {
            if of_file {
                let typed = defaults::of_file(words, &server, scope.profiles());
                tell(&typed.origins);
                settings = Settings::new(typed.typed.common)?;
            }
            online(&server, *work, &settings, output)
                .map_err(|error| scope.profiles().advise(error, &server.host))
        }
    }
}

/// A command that needs no profile runs even if the configuration cannot be read.
fn profiles(typed: &Cli) -> Result<Profiles, Error> {
    let named = typed.common.config.as_deref();
    if matches!(typed.command, Command::Profile(_)) {
        return Profiles::of_file(named);
    }
    let needs_none = matches!(
        typed.command,
        Command::Trust(_) | Command::Completions(_) | Command::Man(_) | Command::CompleteLine(_)
    );
    if needs_none { Ok(Profiles::default()) } else { Profiles::load(named) }
}

fn online(
    server: &ServerTarget,
    work: OnlineCommand,
    settings: &Settings,
    output: &Arc<Output>,
) -> Result<u8, Error> {
    let connecting = connect::options(server, settings, output)?;
    let runtime = Runtime::new().map_err(|source| Error::local(Path::new("threads"), source))?;
    let result = runtime.block_on(Box::pin(in_session(connecting, server, work, output)));
    // A thread that still waits for standard input or an answer on the terminal must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Without a person, the shell is a script too.
fn script(command: &Command) -> Result<Option<Script>, Error> {
    if let Command::Script(typed) = command {
        return Script::read(typed).map(Some);
    }
    let Command::Shell(typed) = command else { return Ok(None) };
    if let Some(commands) = &typed.command {
        return Script::of_commands(commands, typed.remote.clone()).map(Some);
    }
    if io::stdin().is_terminal() { Ok(None) } else { Script::of_stdin(typed).map(Some) }
}

/// Runs a script or the shell; closes the connection at its end.
fn in_runtime(
    mut interpreter: Interpreter,
    work: impl AsyncFnOnce(&mut Interpreter) -> Result<u8, Error>,
) -> Result<u8, Error> {
    let runtime = Runtime::new().map_err(|source| Error::local(Path::new("threads"), source))?;
    let result = runtime.block_on(async {
        let result = work(&mut interpreter).await;
        interpreter.close().await;
        result
    });
    runtime.shutdown_background();
    result
}

async fn in_session(
    connecting: Connecting,
    server: &ServerTarget,
    work: OnlineCommand,
    output: &Arc<Output>,
) -> Result<u8, Error> {
    let mut interrupts = Interrupts::listen()?;
    let session = interrupts.guard(Box::pin(connect::session(connecting))).await?;
    let result = interrupts.guard(Box::pin(do_work(&session, server, work, output))).await;
    // A second signal, while saying goodbye, ends at once.
    let goodbye = Box::pin(async {
        goodbye::in_time(session.close()).await;
        Ok(())
    });
    let _ = interrupts.guard(goodbye).await;
    result
}

/// Waits for the answer to the login on its own only with `--verbose`.
async fn do_work(
    session: &Session,
    server: &ServerTarget,
    work: OnlineCommand,
    output: &Arc<Output>,
) -> Result<u8, Error> {
    if output.verbose() {
        output.say(&connected(server, &session.welcome().await?));
    }
    work.run(CommandContext { session, server, output }).await
}

fn connected(server: &ServerTarget, welcome: &Welcome) -> String {
    format!(
        "connected to {} ({}) as {}, access: {}",
        server.address(),
        output::shown(welcome.agent.as_bytes()),
        output::shown(welcome.user.as_bytes()),
        welcome.access,
    )
}
