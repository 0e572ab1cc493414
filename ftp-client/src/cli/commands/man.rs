//! `man`: manual pages, from the same definitions as the parser.

use super::Cli;
use crate::cli::advice::meant;
use crate::cli::output::Output;
use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;
use ftp_client::Error;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

/// Print the manual page of the program or of a command
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client man get\n  ftp-client man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The command
    command: Option<String>,
    /// Write one page per command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(crate) enum ManCommand {
    /// On standard output; on a terminal shown by man, or as text without it.
    Page(Box<clap::Command>),
    /// All of them, into a folder.
    Folder(PathBuf),
}

impl ManCommand {
    pub(crate) fn new(typed: ManArgs, json: bool) -> Result<Self, Error> {
        if let Some(folder) = typed.dir {
            return Ok(Self::Folder(folder));
        }
        if json {
            return Err(Error::Usage("man writes a manual page, not JSON; leave out --json".to_owned()));
        }
        let mut program = without_help(Cli::command());
        program.build();
        let Some(name) = typed.command else { return Ok(Self::Page(Box::new(program))) };
        match program.find_subcommand(&name) {
            Some(command) => Ok(Self::Page(Box::new(command.clone()))),
            None => {
                let text = format!("there is no command {name:?}");
                Err(Error::Usage(meant(&text, &name, {
                    program
                        .get_subcommands()
                        .filter(|command| !command.is_hide_set())
                        .map(clap::Command::get_name)
                })))
            }
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<u8, Error> {
        match self {
            Self::Folder(folder) => {
                clap_mangen::generate_to(without_help(Cli::command()), &folder)
                    .map_err(|error| Error::local(&folder, error))?;
            }
            Self::Page(command) => {
                let mut page = Vec::new();
                Page::new((*command).clone())
                    .render(&mut page)
                    .map_err(|source| Error::local(Path::new("manual page"), source))?;
                if !io::stdout().is_terminal() {
                    output.print(&page)?;
                } else if !shown_by_man(&page) {
                    output.print(command.clone().render_long_help().to_string().as_bytes())?;
                }
            }
        }
        Ok(0)
    }
}

/// Shows a page to a person. Returns false if `man` is not installed or cannot.
fn shown_by_man(page: &[u8]) -> bool {
    let mut man = process::Command::new("man");
    let running = man.args(["-l", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut man) = running else { return false };
    let written = man.stdin.take().is_some_and(|mut stdin| stdin.write_all(page).is_ok());
    man.wait().is_ok_and(|status| status.success()) && written
}

/// `help` has no page of its own, so no page speaks of one.
fn without_help(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_help))
}
