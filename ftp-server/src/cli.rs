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
mod reachable;
mod reload;
mod running;
mod serve;
mod service;
mod setup;
mod share;
mod signals;
mod user;

use args::{Args, Command};

/// Does what was asked for.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Share(args) => share::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::User(args) => user::run(args),
        Command::Fingerprint(place) => fingerprint::run(&place),
        Command::CheckConfig(place) => check_config::run(&place),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::man(dir.as_deref()),
    }
}
