//! The `ftp-server` command: parses the arguments, calls the library, prints, and turns the outcome into an exit code.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    wire::secrets::forbid_dumps();
    let args = cli::args::Args::parse();
    match cli::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::failure::report(&error),
    }
}
