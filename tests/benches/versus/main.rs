//! `cargo bench -p tests --bench versus -- CASE`: compares the product with the usual tools, in turn, on the same data.
//! Needs Linux; tools that are not installed are named and left out. Cases over a simulated network need root and iproute2.
//!
//! A comparison must be fair, so: every tool copies the same files between the same folders, over the same network, in the same
//! turns; time runs from a client's start to its exit; clean-up between runs is outside of that time; and the first result of
//! each tool is compared with its source. The exit code is 0 if everything went well, 1 if something failed (a missing product
//! is a failure, a tool that is not installed is not), and 2 for wrong usage.

mod args;
mod cases;
mod contenders;
mod daemon;
mod data;
mod measure;
mod place;
mod procfs;
mod report;
mod rounds;
mod site;
mod stage;
mod table;
mod tools;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("versus: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let Some(case) = args.case else {
        Args::command().print_help()?; // a plain `cargo bench` measures everything else
        return Ok(true);
    };
    let report = cases::run(case, args)?;
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(report.succeeded())
}
