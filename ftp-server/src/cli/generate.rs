//! `completions` and `man`: made from the argument types, so that they cannot be out of date.

use super::args::Args;
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "ftp-server", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// One page on standard output, shown by man on a terminal; or one per command into a folder.
pub(crate) fn man(dir: Option<&Path>) -> anyhow::Result<()> {
    match dir {
        Some(dir) => clap_mangen::generate_to(without_help(Args::command()), dir)
            .with_context(|| format!("cannot write manual pages into {}", dir.display())),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(without_help(Args::command())).render(&mut page)?;
            if !io::stdout().is_terminal() {
                return Ok(io::stdout().write_all(&page)?);
            }
            if !shown_by_man(&page) {
                write!(io::stdout(), "{}", Args::command().render_long_help())?;
            }
            Ok(())
        }
    }
}

/// Shows a page to a person. Returns false if `man` is not installed or cannot.
fn shown_by_man(page: &[u8]) -> bool {
    let man = Command::new("man").args(["-l", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut man) = man else { return false };
    let written = man.stdin.take().is_some_and(|mut stdin| stdin.write_all(page).is_ok());
    man.wait().is_ok_and(|status| status.success()) && written
}

/// `help` has no page of its own, so no page speaks of one.
fn without_help(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_help))
}
