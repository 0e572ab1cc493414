//! `completions`: scripts for shells, from the same definitions as the parser.

use crate::cli::args::{self, Cli};
use crate::cli::output::Output;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use ftp_client::Error;

pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn new(typed: &args::Completions) -> Self {
        Self { shell: typed.shell }
    }

    /// Through memory: the generator panics where it cannot write.
    pub(crate) fn run(self, output: &Output) -> Result<u8, Error> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "ftp-client", &mut script);
        output.print(&script)?;
        Ok(0)
    }
}
