//! One pattern as rsync's manual has it under "pattern matching rules". A pattern says four things: which part of a
//! path it looks at, what that part must be, and whether it must be a folder.

use wire::RemotePath;
use wire::limits::PATH_LEN_MAX;
use wire::wildcard::{Start, Wildcard};

/// Longest pattern in bytes; rsync discards longer ones with the same limit.
pub const PATTERN_LEN_MAX: usize = PATH_LEN_MAX;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No text at all.
    #[error("a pattern is missing")]
    Empty,
    /// Longer than [`PATTERN_LEN_MAX`].
    #[error("the pattern is longer than {PATTERN_LEN_MAX} bytes")]
    TooLong,
}

/// A pattern that paths match or not.
///
/// - Without a `/` (but at its end) and without `**`, it is matched with the last name of a path; else with as many
///   names at the end of the path as it has itself. A `/` at its beginning ties it to the root of the transfer.
/// - `*` is any text within a name, `**` any text, `?` any byte of a name, `[...]` one of the bytes listed.
/// - A backslash escapes only where the pattern contains `*`, `?` or `[`.
/// - A `/` at the end matches folders only; `/***` at the end, a folder and all that is in it.
///
/// A pattern with an unclosed bracket never matches. Matching costs at most the pattern's length times the path's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    reach: Reach,
    body: Body,
    folders_only: bool,
}

/// The part of a path that a pattern is matched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The whole path.
    Whole,
    /// As many names at its end.
    Last(usize),
    /// The rest of the path from any of its names on.
    AnyRest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Literal(Box<[u8]>),
    Wild {
        wildcard: Wildcard,
        /// The text gets a `/` in front, for a `**/` that stands for no folder at all.
        leading_slash: bool,
        /// A folder's text gets a `/` behind, for the `/***` that means the folder too.
        trailing_slash: bool,
    },
    Never,
}

impl PathPattern {
    /// Takes `text` as a pattern.
    ///
    /// # Errors
    /// An empty or overlong text.
    pub fn new(text: &[u8]) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_LEN_MAX {
            return Err(PatternError::TooLong);
        }
        let (text, folders_only) = match text {
            [rest @ .., b'/'] if !rest.is_empty() => (rest, true),
            _ => (text, false),
        };
        Ok(Self { reach: reach(text), body: body(text), folders_only })
    }

    /// True if `path` matches. The root of the transfer matches no pattern.
    #[must_use]
    pub fn matches(&self, path: &RemotePath, is_folder: bool) -> bool {
        if path.is_root() || (self.folders_only && !is_folder) {
            return false;
        }
        match self.reach {
            Reach::Whole => self.body.matches(path.as_bytes(), is_folder, Start::Beginning),
            Reach::AnyRest => self.body.matches(path.as_bytes(), is_folder, Start::AnyName),
            Reach::Last(count) => last_names(path.as_bytes(), count)
                .is_some_and(|names| self.body.matches(names, is_folder, Start::Beginning)),
        }
    }
}

impl Body {
    fn matches(&self, text: &[u8], is_folder: bool, start: Start) -> bool {
        match self {
            Self::Never => false,
            Self::Literal(literal) => **literal == *text,
            Self::Wild { wildcard, leading_slash, trailing_slash } => {
                let slash = |wanted: bool| wanted.then_some(b'/').into_iter();
                let text_is_end = !(is_folder && *trailing_slash);
                if text_is_end && text.last().is_some_and(|last| !wildcard.may_end_with(*last)) {
                    return false;
                }
                let text = slash(*leading_slash).chain(text.iter().copied()).chain(slash(!text_is_end));
                wildcard.matches(text, start)
            }
        }
    }
}

/// A pattern that begins with `**` may begin anywhere by itself.
fn reach(text: &[u8]) -> Reach {
    if text.starts_with(b"/") || text.starts_with(b"**") {
        Reach::Whole
    } else if contains_double_star(text) {
        Reach::AnyRest
    } else {
        Reach::Last(1 + text.iter().filter(|byte| **byte == b'/').count())
    }
}

fn body(text: &[u8]) -> Body {
    let unanchored = text.strip_prefix(b"/").unwrap_or(text);
    if !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        return Body::Literal(unanchored.into());
    }
    match Wildcard::new(unanchored) {
        Some(wildcard) => Body::Wild {
            wildcard,
            leading_slash: text.starts_with(b"**"),
            trailing_slash: text.ends_with(b"***"),
        },
        None => Body::Never,
    }
}

fn contains_double_star(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"**")
}

/// The last `count` names of a path, if it has that many.
fn last_names(path: &[u8], count: usize) -> Option<&[u8]> {
    let mut before = Some(path);
    for _ in 0..count {
        let rest = before?;
        before = rest.iter().rposition(|byte| *byte == b'/').map(|slash| &rest[..slash]);
    }
    Some(&path[before.map_or(0, |before| before.len() + 1)..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `path` with a `/` at its end is a folder.
    fn matches(pattern: &str, path: &str) -> bool {
        let remote = RemotePath::from_user(path.as_bytes()).unwrap();
        PathPattern::new(pattern.as_bytes()).unwrap().matches(&remote, path.ends_with('/'))
    }

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for path in matching {
            assert!(matches(pattern, path), "{pattern} should match {path}");
        }
        for path in others {
            assert!(!matches(pattern, path), "{pattern} should not match {path}");
        }
    }

    #[test]
    fn a_plain_name_is_the_last_name() {
        check("foo", &["foo", "a/foo", "a/b/foo/"], &["foo/a", "afoo", "fooa", "/"]);
        check("*.o", &["a.o", "b/a.o", ".o"], &["a.c", "a.o/b"]);
        check("[ab]?", &["ab", "x/b."], &["a", "cb", "abc"]);
    }

    #[test]
    fn a_slash_at_the_beginning_is_the_root() {
        check("/foo", &["foo", "foo/"], &["a/foo", "foo/a"]);
        check("/*/foo", &["a/foo"], &["foo", "a/b/foo"]);
        check("/**/foo", &["a/foo", "a/b/foo"], &["foo"]);
        check("/", &[], &["/", "a", "a/"]);
    }

    #[test]
    fn a_slash_at_the_end_is_a_folder() {
        check("foo/", &["foo/", "a/foo/"], &["foo", "foo/a"]);
        check("*/", &["a/", "a/b/"], &["a"]);
    }

    #[test]
    fn a_slash_inside_counts_names_from_the_end() {
        check("foo/bar", &["foo/bar", "a/foo/bar"], &["bar", "foo/bar/a", "afoo/bar"]);
        check("foo/*/bar", &["foo/a/bar", "x/foo/a/bar"], &["foo/bar", "foo/a/a/bar"]);
        check("*/bar", &["a/bar", "b/a/bar"], &["bar"]);
    }

    #[test]
    fn double_stars_look_at_the_whole_path() {
        check("**/bar", &["bar", "a/bar", "a/b/bar"], &["abar"]);
        check("foo/**", &["foo/a", "foo/a/b", "x/foo/a"], &["foo", "foo/", "xfoo/a"]);
        check("foo/**/bar", &["foo/a/bar", "x/foo/a/b/bar"], &["foo/bar"]);
        check("f**r", &["foo/bar", "far", "x/f/r"], &["f/ra", "xf/r"]);
        check("**", &["a", "a/b/"], &["/"]);
    }

    #[test]
    fn three_stars_are_the_folder_and_all_in_it() {
        check("foo/***", &["foo/", "foo/a", "x/foo/", "x/foo/a/b"], &["foo", "x"]);
        check("/foo/***", &["foo/", "foo/a/b"], &["foo", "x/foo/"]);
    }

    #[test]
    fn a_backslash_escapes_only_beside_wildcards() {
        check(r"a\b", &[r"a\b"], &["ab"]);
        check(r"a\b*", &["ab", "abc"], &[r"a\b"]);
        check(r"a\*", &["a*"], &["ab", r"a\*"]);
        check(r"[*]\x", &["*x"], &[r"*\x"]);
    }

    #[test]
    fn an_open_bracket_matches_nothing() {
        check("foo[", &[], &["foo[", "foo"]);
        check("[[:nothing:]]", &[], &["a", ":"]);
    }

    #[test]
    fn nothing_and_too_much_are_no_patterns() {
        assert_eq!(PathPattern::new(b""), Err(PatternError::Empty));
        assert_eq!(PathPattern::new(&[b'a'; PATTERN_LEN_MAX + 1]), Err(PatternError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_pattern_and_a_name_matches_itself_escaped(
            pattern in proptest::collection::vec(any::<u8>(), 1..40),
            name in "[ -.0-~]{3,20}",
        ) {
            let path = RemotePath::from_user(name.as_bytes()).unwrap();
            let _ = PathPattern::new(&pattern).unwrap().matches(&path, true);
            let escaped: String = name.chars().flat_map(|letter| ['\\', letter]).collect();
            let matched = PathPattern::new(format!("{escaped}*").as_bytes()).unwrap().matches(&path, false);
            prop_assert!(matched);
        }
    }
}
