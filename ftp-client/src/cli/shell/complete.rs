//! Completion: commands, options, and paths here and on the server. A listing of the server is waited for a moment only,
//! and kept for some seconds.

use crate::cli::args::line_parser;
use crate::cli::complete::{local_names, names_in};
use ftp_client::Session;
use ftp_client::remote::Remote;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// What the prompt's thread knows of the session.
#[derive(Clone)]
pub(crate) struct Shared {
    runtime: Handle,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Option<(Remote, Session)>,
    listings: HashMap<Vec<u8>, (Instant, Vec<String>)>,
}

/// The completer of the prompt.
pub(crate) struct Completion {
    shared: Shared,
}

/// Which paths a word may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Here,
    There,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), state: Arc::default() }
    }

    /// A command may have changed everything: what was listed is forgotten.
    pub(crate) fn look(&self, open: Option<(Remote, Session)>) {
        *self.lock() = State { open, listings: HashMap::new() };
    }

    /// The names in a folder of the server, folders with a `/`; none if they do not come at once.
    fn names(&self, folder: &OsStr) -> Vec<String> {
        let Some((here, session)) = self.lock().open.clone() else { return Vec::new() };
        let Ok(there) = here.at(folder) else { return Vec::new() };
        let key = there.path.as_bytes().to_vec();
        if let Some((when, names)) = self.lock().listings.get(&key)
            && when.elapsed() < LISTING_AGE_MAX
        {
            return names.clone();
        }
        let listed = names_in(&session, &there.path);
        let Ok(Some(names)) = self.runtime.block_on(async { timeout(LISTING_WAIT, listed).await }) else {
            return Vec::new();
        };
        self.lock().listings.insert(key, (Instant::now(), names.clone()));
        names
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Completion {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    fn paths(&self, typed: &str, side: Side) -> Vec<Pair> {
        let (mark, typed) = match typed.strip_prefix(':') {
            Some(rest) => (":", rest),
            None => ("", typed),
        };
        let (folder, begun) = typed
            .rsplit_once('/')
            .map_or(("", typed), |(_, begun)| (&typed[..typed.len() - begun.len()], begun));
        let names = match side {
            Side::There => self.shared.names(OsStr::new(folder)),
            Side::Here => local_names(folder),
        };
        let fits =
            |name: &String| name.starts_with(begun) && (begun.starts_with('.') || !name.starts_with('.'));
        let pair = |name: String| Pair {
            replacement: format!("{mark}{}", quoted(&format!("{folder}{name}"))),
            display: name,
        };
        names.into_iter().filter(fits).map(pair).collect()
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let start = word_start(&line[..pos]);
        let (before, typed) = (&line[..start], unquoted(&line[start..pos]));
        let mut words = before.split_whitespace().skip_while(|word| *word == "queue");
        let Some(command) = words.next() else {
            let names =
                line_parser().get_subcommands().map(|command| command.get_name().to_owned()).collect();
            return Ok((start, beginning_with(&typed, names)));
        };
        if typed.starts_with('-') {
            return Ok((start, beginning_with(&typed, options_of(command))));
        }
        let paths = words.filter(|word| !word.starts_with('-')).count();
        Ok((start, self.paths(&typed, side(command, &typed, paths))))
    }
}

impl Helper for Completion {}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Hinter for Completion {
    type Hint = String;
}

/// Where the path with this number belongs: the same rule as when the line is run.
fn side(command: &str, typed: &str, paths: usize) -> Side {
    match command {
        "put" if paths == 0 => Side::Here,
        "get" if paths > 0 && !typed.starts_with(':') => Side::Here,
        "lcd" | "lls" | "apply" | "retry" => Side::Here,
        "mirror" if !typed.starts_with(':') => Side::Here,
        _ => Side::There,
    }
}

fn options_of(command: &str) -> Vec<String> {
    let parser = line_parser();
    let found = parser.find_subcommand(command);
    let shown =
        found.into_iter().flat_map(clap::Command::get_arguments).filter(|option| !option.is_hide_set());
    shown.filter_map(|option| Some(format!("--{}", option.get_long()?))).collect()
}

fn beginning_with(typed: &str, mut words: Vec<String>) -> Vec<Pair> {
    words.sort();
    let fitting = words.into_iter().filter(|word| word.starts_with(typed));
    fitting.map(|word| Pair { display: word.clone(), replacement: word }).collect()
}

/// Where the word begins that is being typed.
fn word_start(line: &str) -> usize {
    let (mut start, mut escaped) = (0, false);
    for (index, character) in line.char_indices() {
        if character == ' ' && !escaped {
            start = index + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    start
}

fn unquoted(word: &str) -> String {
    let (mut out, mut escaped) = (String::new(), false);
    for character in word.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(character);
            escaped = false;
        }
    }
    out
}

/// A name as it must be typed. One with control characters could not be, and completes to what cannot be run.
fn quoted(name: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-./,+:@%=~".contains(character);
    let mut out = String::new();
    for character in name.chars().filter(|character| !character.is_control()) {
        if !plain(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// How long a person's keys may stand still.
const LISTING_WAIT: Duration = Duration::from_millis(700);
const LISTING_AGE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_and_quoted() {
        assert_eq!(word_start("get a\\ b"), 4);
        assert_eq!(word_start("get "), 4);
        assert_eq!(unquoted("a\\ b\\\\"), "a b\\");
        assert_eq!(quoted("a b$'"), "a\\ b\\$\\'");
    }

    #[test]
    fn paths_belong_where_the_line_would_look_for_them() {
        for (command, typed, paths, expected) in [
            ("put", "a", 0, Side::Here),
            ("put", "a", 1, Side::There),
            ("get", "a", 0, Side::There),
            ("get", "a", 1, Side::Here),
            ("mirror", "a", 0, Side::Here),
            ("mirror", ":a", 0, Side::There),
            ("rm", "a", 0, Side::There),
        ] {
            assert!(side(command, typed, paths) == expected, "{command} {typed}");
        }
    }
}
