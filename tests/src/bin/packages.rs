//! `cargo packages`: an archive and Debian packages of both programs, in `target/packages`.

use anyhow::{Context, Result};
use std::process::ExitCode;
use tests::archive;
use tests::packages::{Size, make};
use tests::world::binaries;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("packages: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let programs = binaries().server.parent().context("the programs are in a folder")?.to_owned();
    let folder = programs.with_file_name("packages");
    std::fs::create_dir_all(&folder)?;
    println!("{}", archive::make(&programs, &folder)?.display());
    for package in make(&programs, &folder, Size::Small)? {
        println!("{}", package.display());
    }
    Ok(())
}
