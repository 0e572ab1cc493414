//! `complete-line`: what the word may become that is being typed in a shell. The scripts of `completions` ask for it.
//!
//! Somebody waits with a finger on Tab: nobody is asked for anything, no server is trusted because of it, what fails is not
//! told, and after two seconds all is over.

mod expected;
mod line;
mod places;

pub(crate) use places::{local_names, names_in};

use crate::cli::args::{Cli, CompleteLine};
use crate::cli::output::Output;
use crate::cli::terminal;
use clap::CommandFactory;
use expected::{Expected, expected};
use ftp_client::Error;
use line::Line;
use places::Places;
use std::process;
use std::thread;
use std::time::Duration;

/// Prints what may stand where the cursor is, a word a line.
pub(crate) fn run(typed: &CompleteLine, output: &Output) -> Result<u8, Error> {
    if terminal::interactive() {
        return Ok(0); // a script of ours would have seen to it that there is nobody to ask
    }
    thread::spawn(|| {
        thread::sleep(WAIT);
        process::exit(0);
    });
    let Some(line) = Line::split(&typed.line) else { return Ok(0) };
    let mut text = String::new();
    for word in candidates(&line).into_iter().filter(|word| !word.contains(char::is_control)) {
        let placed = match &typed.piece {
            Some(piece) => line.in_place_of(piece, &word),
            None => Some(word),
        };
        text.extend(placed.into_iter().flat_map(|word| [word, "\n".to_owned()]));
    }
    output.print(text.as_bytes())?;
    Ok(0)
}

fn candidates(line: &Line) -> Vec<String> {
    let mut program = Cli::command();
    program.build();
    let Some((_, before)) = line.words.split_first() else { return Vec::new() };
    match expected(&program, before, &line.last) {
        Expected::Words(words) => words.into_iter().filter(|word| word.starts_with(&line.last)).collect(),
        Expected::Place => Places::of(&line.words, &line.last).candidates(&line.last),
        Expected::Profile => Places::of(&line.words, &line.last).profiles(&line.last, ""),
        Expected::File(head) => places::local(&line.last, &head),
    }
}

const WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(line: &str) -> Vec<String> {
        super::candidates(&Line::split(line).unwrap())
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
