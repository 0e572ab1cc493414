//! `completions`: scripts for shells. Those of bash, zsh and fish ask the program itself at each Tab, so that they know paths on
//! servers too; others are made from the same definitions as the parser.

use super::Cli;
use crate::cli::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use ftp_client::Error;

/// Print a completion script for a shell
#[derive(Clone, Args)]
#[command(
    after_help = "Example:\n  ftp-client completions bash > ~/.local/share/bash-completion/completions/ftp-client"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) struct CompletionsCommand {
    shell: Shell,
}

impl CompletionsCommand {
    pub(crate) fn new(typed: &CompletionsArgs, json: bool) -> Result<Self, Error> {
        if json {
            Err(Error::Usage("completions writes a script, not JSON; leave out --json".to_owned()))
        } else {
            Ok(Self { shell: typed.shell })
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<u8, Error> {
        match ASKING.iter().find(|(shell, _)| *shell == self.shell) {
            Some((_, script)) => output.print(script)?,
            None => output.print(&generated(self.shell))?,
        }
        Ok(0)
    }
}

/// Through memory: the generator panics where it cannot write.
fn generated(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "ftp-client", &mut script);
    script
}

/// Scripts that ask the program.
const ASKING: [(Shell, &[u8]); 3] = [
    (Shell::Bash, include_bytes!("../complete/bash.sh")),
    (Shell::Zsh, include_bytes!("../complete/zsh.sh")),
    (Shell::Fish, include_bytes!("../complete/fish.fish")),
];
