//! Makes Debian packages of both programs from existing builds: the programs write manual pages and completions themselves, and
//! `cargo deb` does the rest. The destinations are in the programs' `Cargo.toml`.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The programs that are packaged.
pub const PROGRAMS: [&str; 2] = ["ftp-server", "ftp-client"];

/// True if `cargo deb` is installed.
#[must_use]
pub fn can_be_made() -> bool {
    let version = cargo().args(["deb", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// How much effort is put into compression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// For people.
    Small,
    /// For tests, which unpack them at once.
    Quick,
}

/// Makes a package of each program in a folder. Returns their paths.
///
/// # Errors
/// If a tool is missing or fails.
pub fn make(programs: &Path, packages: &Path, size: Size) -> Result<Vec<PathBuf>> {
    ensure!(can_be_made(), "cargo-deb is missing: cargo install cargo-deb");
    // Laid out like a target folder of cargo's, so that programs of any profile can be packed and no files are written beside
    // them.
    let target = TempDir::new()?;
    let release = target.path().join("release");
    fs::create_dir(&release)?;
    for program in PROGRAMS {
        symlink(programs.join(program), release.join(program))?;
        write_generated(&programs.join(program), &release.join("generated").join(program))?;
    }
    PROGRAMS.iter().map(|program| make_one(target.path(), program, packages, size)).collect()
}

fn make_one(target: &Path, program: &str, packages: &Path, size: Size) -> Result<PathBuf> {
    let mut deb = cargo();
    // Five sixths of a program as built by cargo is debug information.
    deb.args(["deb", "--no-build", "--strip", "--quiet", "--locked", "-p", program, "--output"])
        .arg(packages);
    if size == Size::Quick {
        deb.args(["--fast", "--compress-type", "gz", "--compress-system"]);
    }
    let told = run(deb.env("CARGO_TARGET_DIR", target))?;
    let path = told.lines().last().with_context(|| format!("cargo deb made no package of {program}"))?;
    Ok(PathBuf::from(path))
}

/// Writes a program's generated files: one manual page per command, compressed as in Debian, and completions.
pub(crate) fn write_generated(program: &Path, folder: &Path) -> Result<()> {
    let pages = folder.join("man");
    fs::create_dir_all(&pages)?;
    run(Command::new(program).arg("man").arg("--dir").arg(&pages))?;
    for page in fs::read_dir(&pages)? {
        run(Command::new("gzip").arg("-9n").arg(page?.path()))?;
    }
    for shell in ["bash", "zsh", "fish"] {
        fs::write(folder.join(shell), run(Command::new(program).args(["completions", shell]))?)?;
    }
    Ok(())
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo
}

/// Runs a command; returns its output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_owned();
    let ran = command.stdin(Stdio::null()).output().with_context(|| format!("running {}", name.display()))?;
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    ensure!(ran.status.success(), "{} failed: {}", name.display(), told.trim());
    Ok(String::from_utf8(ran.stdout)?)
}
