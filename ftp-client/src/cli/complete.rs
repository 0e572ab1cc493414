//! `complete-line`: prints the completions of the word that is being typed in a shell, for the scripts of `completions`.
//!
//! The user waits after pressing Tab: completion asks no questions, trusts no new server, reports no
//! errors, and ends after two seconds.

mod expected;
mod line;
mod places;

pub(crate) use expected::{Expected, expected};
pub(crate) use line::PartialLine;
pub(crate) use places::{fitting, local, names_in, profile_names};

use crate::cli::commands::{Cli, CompleteLineArgs};
use crate::cli::output::Output;
use crate::cli::terminal;
use clap::CommandFactory;
use ftp_client::Error;
use places::Places;
use std::process;
use std::thread;
use std::time::Duration;

/// Prints the candidates at the cursor, one per line.
pub(crate) fn run(typed: &CompleteLineArgs, output: &Output) -> Result<u8, Error> {
    if terminal::interactive() {
        return Ok(0); // our scripts always disable questions
    }
    thread::spawn(|| {
        thread::sleep(WAIT);
        process::exit(0);
    });
    let Some(line) = PartialLine::split(&typed.line) else { return Ok(0) };
    let (candidates, files) = candidates(&line);
    let mut text = if typed.mark_files && files { ".\n".to_owned() } else { String::new() };
    for word in candidates.into_iter().filter(|word| !word.contains(char::is_control)) {
        let placed = match &typed.piece {
            Some(piece) => line.in_place_of(piece, &word),
            None => Some(word),
        };
        text.extend(placed.into_iter().flat_map(|word| [word, "\n".to_owned()]));
    }
    output.print(text.as_bytes())?;
    Ok(0)
}

/// Returns the candidates, and whether a local path is possible too: the shell completes local paths itself, with its own expansions.
fn candidates(line: &PartialLine) -> (Vec<String>, bool) {
    let mut program = Cli::command();
    program.build();
    let Some((_, before)) = line.words.split_first() else { return (Vec::new(), false) };
    let last = &line.last;
    match expected(&program, before, last) {
        Expected::Words(words) => (words.into_iter().filter(|word| word.starts_with(last)).collect(), false),
        Expected::Place(_) => (Places::of(&line.words, last).candidates(last), !last.contains(':')),
        Expected::Profile => (Places::of(&line.words, last).profiles(last, ""), false),
        Expected::File(head) => (local(last, &head), true),
    }
}

const WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(line: &str) -> Vec<String> {
        super::candidates(&PartialLine::split(line).unwrap()).0
    }

    #[test]
    fn paths_of_this_machine_stand_where_no_other_is_meant() {
        let files = |line: &str| super::candidates(&PartialLine::split(line).unwrap()).1;
        assert!(files("ftp-client put ~/a") && files("ftp-client put --result=~/a"));
        for line in
            ["ftp-client rm h:a", "ftp-client put --overwrite=zl", "ftp-client man zl", "ftp-client zl"]
        {
            assert!(!files(line), "{line}");
        }
    }

    #[test]
    fn commands_options_and_values_are_known() {
        assert_eq!(candidates("ftp-client mirr"), ["mirror"]);
        assert_eq!(candidates("ftp-client profile r"), ["remove"]);
        assert_eq!(candidates("ftp-client put --overw"), ["--overwrite"]);
        assert_eq!(candidates("ftp-client put -r --limit"), ["--limit-rate"]);
        assert_eq!(candidates("ftp-client put --overwrite n"), ["never", "newer"]);
        assert_eq!(candidates("ftp-client put --overwrite=d"), ["--overwrite=different"]);
        assert_eq!(candidates("ftp-client completions z"), ["zsh"]);
        assert_eq!(candidates("ftp-client man mir"), ["mirror"]);
        assert!(candidates("ftp-client complete").iter().all(|word| word != "complete-line"));
    }
}
