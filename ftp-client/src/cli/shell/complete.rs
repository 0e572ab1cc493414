//! Completion from the definitions of the arguments, with local and remote paths. A listing of the server is awaited for a
//! moment only, and cached for some seconds.

use crate::cli::complete::{Expected, PartialLine, expected, fitting, local, names_in, profile_names};
use crate::cli::line::line_parser;
use crate::cli::output::shown;
use crate::cli::scope::Scope;
use ftp_client::Session;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;
use wire::sync::lock;

/// The session, as far as the prompt's thread knows it.
#[derive(Clone)]
pub(crate) struct CompletionContext {
    runtime: Handle,
    state: Arc<Mutex<CompletionState>>,
}

#[derive(Default)]
struct CompletionState {
    scope: Scope,
    open: Option<Session>,
    listings: HashMap<Vec<u8>, (Instant, Vec<String>)>,
}

/// The completer of the prompt.
pub(crate) struct Completion {
    shared: CompletionContext,
}

/// Which paths a word may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathSide {
    Here,
    There,
}

impl CompletionContext {
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), state: Arc::default() }
    }

    /// Replaces the state and drops cached listings, since a command may have changed the folders.
    pub(crate) fn look(&self, scope: Scope, open: Option<Session>) {
        *self.lock() = CompletionState { scope, open, listings: HashMap::new() };
    }

    /// Returns the names in a folder of the server, folders with a `/`; empty if the answer takes too long.
    fn names(&self, folder: &str) -> Vec<String> {
        let (scope, Some(session)) = self.known() else { return Vec::new() };
        let Ok((_, there)) = scope.remote(OsStr::new(folder)) else { return Vec::new() };
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

    fn known(&self) -> (Scope, Option<Session>) {
        let state = self.lock();
        (state.scope.clone(), state.open.clone())
    }

    fn lock(&self) -> MutexGuard<'_, CompletionState> {
        lock(&self.state)
    }
}

impl Completion {
    pub(crate) fn new(shared: CompletionContext) -> Self {
        Self { shared }
    }

    /// Returns all completions of the word at the end of a line.
    fn candidates(&self, line: &str) -> Vec<String> {
        let Some(PartialLine { words, last, .. }) = PartialLine::split(line) else { return Vec::new() };
        let queued = words.iter().take_while(|word| *word == "queue").count();
        let (_, before) = words.split_at(queued);
        let command = before.first().map_or("", String::as_str);
        if command.starts_with('!') {
            return local(&last, "");
        }
        let mut program = line_parser();
        program.build();
        match expected(&program, before, &last) {
            Expected::Words(words) => words.into_iter().filter(|word| word.starts_with(&last)).collect(),
            Expected::Profile => profile_names(self.shared.known().0.profiles(), &last, ""),
            Expected::Place(_) if command == "open" => {
                profile_names(self.shared.known().0.profiles(), &last, ":")
            }
            Expected::Place(index) => match side(command, &last, index) {
                PathSide::Here => local(&last, ""),
                PathSide::There => self.there(&last),
            },
            Expected::File(head) => local(&last, &head),
        }
    }

    /// Paths on the server: `:path` and `NAME:path` too.
    fn there(&self, typed: &str) -> Vec<String> {
        let (head, begun) = typed.split_at(typed.rfind(['/', ':']).map_or(0, |end| end + 1));
        fitting(self.shared.names(head), begun).map(|name| format!("{head}{name}")).collect()
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let mut words = self.candidates(&line[..pos]);
        words.sort();
        Ok((word_start(&line[..pos]), words.iter().filter_map(|word| pair(word)).collect()))
    }
}

impl Helper for Completion {}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Hinter for Completion {
    type Hint = String;
}

/// Returns the side of the path with this number, by the rule that applies when the line is run.
fn side(command: &str, typed: &str, index: usize) -> PathSide {
    match command {
        "put" if index == 0 => PathSide::Here,
        "get" if index > 0 && !typed.contains(':') => PathSide::Here,
        "mirror" | "gc" if !typed.contains(':') => PathSide::Here,
        _ => PathSide::There,
    }
}

/// Returns a candidate, shown as by `ls`; `None` if it has control characters, which a line cannot contain.
fn pair(word: &str) -> Option<Pair> {
    let display = shown(last_part(word).as_bytes());
    (!word.contains(char::is_control)).then(|| Pair { display, replacement: quoted(word) })
}

/// The part of a path that is listed: its last name.
fn last_part(path: &str) -> &str {
    let end = path.strip_suffix('/').unwrap_or(path);
    &path[end.rfind('/').map_or(0, |slash| slash + 1)..]
}

/// Where the word begins that is being typed.
fn word_start(line: &str) -> usize {
    let (mut start, mut escaped, mut quote) = (0, false, None);
    for (index, character) in line.char_indices() {
        match (quote, character) {
            _ if escaped => {}
            (None, ' ' | '\t') => start = index + 1,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), character) if open == character => quote = None,
            (None | Some(_), _) => {}
        }
        escaped = character == '\\' && !escaped && quote != Some('\'');
    }
    start
}

/// A word as it must be typed.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-./,+:@%=~".contains(character);
    let mut out = String::new();
    for character in word.chars() {
        if !plain(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Longest delay of the prompt while a listing is awaited.
const LISTING_WAIT: Duration = Duration::from_millis(700);
const LISTING_AGE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_and_quoted() {
        for (line, start) in [
            ("get a\\ b", 4),
            ("get ", 4),
            ("ls \"my d", 3),
            ("ls 'a b' c", 9),
            ("ls \"a\\\" b", 3),
            ("ls 'a\\' b", 8),
        ] {
            assert_eq!(word_start(line), start, "{line}");
        }
        assert_eq!(quoted("a b$'"), "a\\ b\\$\\'");
        assert!(pair("a/b\x1b]0;title\x07").is_none() && pair("a\n").is_none());
        let deceptive = pair("a/b\u{202e}c").unwrap();
        assert_eq!(
            (deceptive.display.as_str(), deceptive.replacement.as_str()),
            ("b\\u{202e}c", "a/b\\\u{202e}c")
        );
        assert_eq!((last_part("a/b/"), last_part("a"), last_part(":/c")), ("b/", "a", "c"));
    }

    #[test]
    fn paths_belong_where_the_line_would_look_for_them() {
        for (command, typed, index, expected) in [
            ("put", "a", 0, PathSide::Here),
            ("put", "a", 1, PathSide::There),
            ("get", "a", 0, PathSide::There),
            ("get", "a", 1, PathSide::Here),
            ("mirror", "a", 0, PathSide::Here),
            ("mirror", ":a", 0, PathSide::There),
            ("mirror", "work:a", 1, PathSide::There),
            ("rm", "a", 0, PathSide::There),
        ] {
            assert_eq!(side(command, typed, index), expected, "{command} {typed}");
        }
    }

    #[tokio::test]
    async fn what_follows_is_what_the_command_takes() {
        let completion = Completion::new(CompletionContext::new());
        let candidates = |line: &str| completion.candidates(line);
        assert_eq!(candidates("pu"), ["put"]);
        assert_eq!(candidates("queue pu"), ["put"]);
        assert_eq!(candidates("put --overwrite nev"), ["never"]);
        assert_eq!(candidates("help mir"), ["mirror"]);
        assert_eq!(candidates("man mir"), ["mirror"]);
        let here = format!("{}/Cargo.t", env!("CARGO_MANIFEST_DIR"));
        let found = [format!("{here}oml")];
        assert_eq!(candidates(&format!("put --overwrite never {here}")), found, "never is no path");
        assert_eq!(candidates(&format!("put -- \"{here}")), found);
        assert_eq!(candidates(&format!("lcd {here}")), found);
        for line in ["kill ", "limit ", "dance mir", "put --nonsense=", "history "] {
            assert_eq!(candidates(line), Vec::<String>::new(), "{line}");
        }
    }
}
