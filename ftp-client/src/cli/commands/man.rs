//! `man`: manual pages, from the same definitions as the parser.

use crate::cli::args::{self, Cli};
use crate::cli::output::Output;
use clap::CommandFactory;
use clap_mangen::Man as Page;
use ftp_client::Error;
use std::path::Path;

pub(crate) struct Man {
    command: Box<clap::Command>,
}

impl Man {
    pub(crate) fn new(typed: args::Man) -> Result<Self, Error> {
        let mut program = Cli::command();
        program.build();
        let Some(name) = typed.command else { return Ok(Self { command: Box::new(program) }) };
        match program.find_subcommand(&name) {
            Some(command) => Ok(Self { command: Box::new(command.clone()) }),
            None => Err(Error::Usage(format!("there is no command {name:?}"))),
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<u8, Error> {
        let mut page = Vec::new();
        Page::new(*self.command)
            .render(&mut page)
            .map_err(|source| Error::local(Path::new("manual page"), source))?;
        output.print(&page)?;
        Ok(0)
    }
}
