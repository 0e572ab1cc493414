//! Reads a new password from a file or a terminal; never from an argument, which others could see.

use super::args::PasswordArgs;
use super::failure::{Interrupted, OrUsage, usage};
use anyhow::Context;
use ftp_server::password::PasswordHash;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use wire::limits::SECRET_LEN_MAX;

/// Gets a new password and hashes it.
pub(crate) fn new_password(args: &PasswordArgs) -> anyhow::Result<PasswordHash> {
    let password = match &args.password_file {
        Some(path) => from_file(path)?,
        None => from_terminal()?,
    };
    PasswordHash::new(&password).or_usage()
}

fn from_file(path: &Path) -> anyhow::Result<String> {
    let line = if path == Path::new("-") {
        first_line(io::stdin().lock())
    } else {
        File::open(path).and_then(first_line)
    };
    let line =
        line.with_context(|| format!("cannot read the password from {}", path.display())).or_usage()?;
    if line.is_empty() {
        return Err(usage(format_args!(
            "the first line of {}, which is the password, is empty",
            path.display()
        )));
    }
    Ok(line)
}

fn from_terminal() -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return Err(usage(
            "there is no terminal to ask for the password on; give it with --password-file FILE (`-` for standard input)",
        ));
    }
    let [first, second] = [ask("New password: ")?, ask("Again: ")?];
    if first == second { Ok(first) } else { Err(usage("the two passwords differ; nothing was changed")) }
}

/// Asks for a password, which is not shown.
fn ask(prompt: &str) -> anyhow::Result<String> {
    // Ctrl-C raises a signal before the terminal is restored. Catching it keeps the program from ending there.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    let _caught = signal(SignalKind::interrupt())?;
    match rpassword::prompt_password(prompt) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Interrupted.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(usage("no password was given; nothing was changed"))
        }
        asked => asked.context("cannot ask for the password"),
    }
}

/// Reads no more than a password may be long, and its line's end.
fn first_line(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(SECRET_LEN_MAX as u64 + 3).read_to_string(&mut text)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text); // a byte order mark
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for (text, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("\u{feff}secret\n", "secret"),
            ("secret\nnot this\n", "secret"),
            (" se cret \n", " se cret "),
            ("\nsecret", ""),
            ("", ""),
        ] {
            assert_eq!(first_line(text.as_bytes()).unwrap(), password, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_shortened_into_a_valid_one() {
        let line = first_line("x".repeat(100_000).as_bytes()).unwrap();
        assert!(PasswordHash::new(&line).is_err());
    }

    #[test]
    fn empty_and_missing_files_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("password");
        for (content, expected) in [(None, "cannot read the password from"), (Some("\n"), "is empty")] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let error = new_password(&PasswordArgs { password_file: Some(path.clone()) }).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
