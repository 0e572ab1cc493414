//! Everything that only a command line needs: arguments, messages, prompts, signals, exit codes.

mod announce;
pub(crate) mod args;
mod check_config;
pub(crate) mod failure;
mod fingerprint;
mod generate;
mod journal;
mod key_input;
mod log_writer;
mod logging;
mod open_files;
mod output;
mod password_input;
mod pipe;
mod ports;
mod reachable;
mod reload;
mod running;
mod serve;
mod service;
mod setup;
mod share;
mod signals;
mod stdio;
mod user;
mod user_root;

use args::{Args, ServerCommand};

/// Runs the typed command.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        ServerCommand::Share(args) => share::run(&args),
        ServerCommand::Serve(args) => serve::run(&args),
        ServerCommand::Stdio(args) => stdio::run(&args),
        ServerCommand::Pipe { word } => pipe::run(&word),
        ServerCommand::User(args) => user::run(args),
        ServerCommand::Fingerprint(place) => fingerprint::run(&place),
        ServerCommand::CheckConfig(place) => check_config::run(&place),
        ServerCommand::Completions { shell } => generate::completions(shell),
        ServerCommand::Man { dir } => generate::man(dir.as_deref()),
    }
}
