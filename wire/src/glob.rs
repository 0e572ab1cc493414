//! Patterns for the paths of a tree, with the meaning that they have in globset and in many programs: `*` and `?` stay within a
//! name, `[a-z]` is one byte, `**` as a whole name stands for any folders or for none (at the end, for all that is below), and
//! `{a,b}` is either of its texts; without a comma, a brace is itself, as in a shell. A backslash takes the byte after it as it is. Names with a leading dot are no exception.
//!
//! A walk asks which folders a match may lie in, so that it reads no other. An answer costs at most the length of the pattern
//! times that of the path.

use crate::limits::ALTERNATIVES_LEN_MAX;
use crate::path::{NameRef, RemotePath};
use crate::wildcard::{Bracket, Start, Wildcard};

/// A pattern, compiled. A bracket that is not closed in its name matches nothing; a brace that is not closed is itself.
#[derive(Debug, Clone)]
pub struct Glob {
    alternatives: Vec<Vec<Component>>,
}

/// A pattern's part between slashes.
#[derive(Debug, Clone)]
enum Component {
    /// `**`.
    Folders,
    Name(Wildcard),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Written out, its braces have more than [`ALTERNATIVES_LEN_MAX`] bytes.
    #[error("the braces of the pattern have too many alternatives")]
    TooManyAlternatives,
}

/// The answer of a pattern about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobMatch {
    /// The path matches.
    pub is_match: bool,
    /// The path, or a folder that it is in, matches.
    pub is_covered: bool,
    /// Paths below it may match.
    pub leads_on: bool,
}

impl Glob {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// Too many alternatives.
    pub fn new(pattern: &RemotePath) -> Result<Self, GlobError> {
        let texts = alternatives(pattern.as_bytes())?;
        Ok(Self { alternatives: texts.iter().filter_map(|text| components(text)).collect() })
    }

    /// Matches a path of the tree, from its root.
    #[must_use]
    pub fn look(&self, path: &RemotePath) -> GlobMatch {
        let mut found = GlobMatch { is_match: false, is_covered: false, leads_on: false };
        for components in &self.alternatives {
            let mut reached = Reached::new(components);
            for name in path.names() {
                reached.advance(name);
                found.is_covered |= reached.is_at_end();
            }
            found.is_match |= reached.is_at_end();
            found.leads_on |= reached.is_on_the_way();
        }
        found
    }
}

/// True if a text has a byte that may make it a pattern.
#[must_use]
pub fn may_be_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{'))
}

/// The places within a pattern that the names read so far have led to.
struct Reached<'a> {
    components: &'a [Component],
    /// One before each component, and one at the end.
    places: Vec<bool>,
}

impl<'a> Reached<'a> {
    fn new(components: &'a [Component]) -> Self {
        let mut new = Self { components, places: vec![false; components.len() + 1] };
        new.enter(0);
        new
    }

    /// Marks a place, and those behind it that no name need lead to: `**` stands for no folder too, but at the end.
    fn enter(&mut self, mut place: usize) {
        self.places[place] = true;
        while place + 1 < self.components.len() && matches!(self.components[place], Component::Folders) {
            place += 1;
            self.places[place] = true;
        }
    }

    /// Reads a name. Backwards, so that a place is read before the one in front of it leads there.
    fn advance(&mut self, name: NameRef<'_>) {
        let end = self.components.len();
        self.places[end] = false;
        for (place, component) in self.components.iter().enumerate().rev() {
            if !std::mem::take(&mut self.places[place]) {
                continue;
            }
            match component {
                Component::Folders => {
                    self.enter(place);
                    self.places[end] |= place + 1 == end;
                }
                Component::Name(wildcard) if fits(wildcard, name.as_bytes()) => self.enter(place + 1),
                Component::Name(_) => {}
            }
        }
    }

    fn is_at_end(&self) -> bool {
        self.places.last() == Some(&true)
    }

    fn is_on_the_way(&self) -> bool {
        self.places[..self.components.len()].contains(&true)
    }
}

fn fits(wildcard: &Wildcard, name: &[u8]) -> bool {
    name.last().is_some_and(|last| wildcard.may_end_with(*last))
        && wildcard.matches(name.iter().copied(), Start::Beginning)
}

/// `None` if it can match nothing.
fn components(text: &[u8]) -> Option<Vec<Component>> {
    let names = text.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names
        .map(
            |name| {
                if name == b"**" {
                    Some(Component::Folders)
                } else {
                    Wildcard::new(name).map(Component::Name)
                }
            },
        )
        .collect()
}

/// Writes out the braces of a pattern.
fn alternatives(pattern: &[u8]) -> Result<Vec<Vec<u8>>, GlobError> {
    let (mut done, mut open) = (Vec::new(), vec![pattern.to_vec()]);
    let mut len = 0;
    while let Some(text) = open.pop() {
        len += text.len() + 1;
        if len > ALTERNATIVES_LEN_MAX {
            return Err(GlobError::TooManyAlternatives);
        }
        match first_brace(&text) {
            None => done.push(text),
            Some(brace) if len + brace.written_out_len(&text) > ALTERNATIVES_LEN_MAX => {
                return Err(GlobError::TooManyAlternatives);
            }
            Some(brace) => open.extend(brace.written_out(&text)),
        }
    }
    Ok(done)
}

/// A brace in a text, by the places of its bytes.
struct Brace {
    begin: usize,
    commas: Vec<usize>,
    end: usize,
}

impl Brace {
    fn written_out_len(&self, text: &[u8]) -> usize {
        let around = text.len() - (self.end + 1 - self.begin);
        (self.commas.len() + 1) * around + (self.end - self.begin)
    }

    fn written_out<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
        let begins = std::iter::once(self.begin).chain(self.commas.iter().copied());
        let ends = self.commas.iter().copied().chain([self.end]);
        let (before, after) = (&text[..self.begin], &text[self.end + 1..]);
        begins.zip(ends).map(move |(begin, end)| [before, &text[begin + 1..end], after].concat())
    }
}

/// The first brace that is closed and has a comma, with the commas that are in no brace within it.
fn first_brace(text: &[u8]) -> Option<Brace> {
    let mut open: Vec<Brace> = Vec::new();
    let mut first: Option<Brace> = None;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' => at += bracket_len(&text[at + 1..]),
            b'{' => open.push(Brace { begin: at, commas: Vec::new(), end: at }),
            b',' => open.last_mut().into_iter().for_each(|brace| brace.commas.push(at)),
            b'}' => {
                if let Some(brace) = open.pop().filter(|brace| !brace.commas.is_empty()) {
                    let is_before = first.as_ref().is_none_or(|first| brace.begin < first.begin);
                    first = if is_before { Some(Brace { end: at, ..brace }) } else { first };
                }
                if open.is_empty() && first.is_some() {
                    break;
                }
            }
            _ => {}
        }
        at += 1;
    }
    first
}

/// The length of what follows a `[` up to its `]`, which is in the same name; 0 without one.
fn bracket_len(text: &[u8]) -> usize {
    let name = text.split(|byte| *byte == b'/').next().unwrap_or_default();
    Bracket::parse(name).map_or(0, |(_, rest)| name.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn path(text: &str) -> RemotePath {
        RemotePath::from_wire(text.as_bytes()).unwrap()
    }

    fn look(pattern: &str, text: &str) -> GlobMatch {
        Glob::new(&path(pattern)).unwrap().look(&path(text))
    }

    #[test]
    fn stars_stay_within_a_name_and_double_stars_stand_for_folders() {
        for (pattern, text, is_match, leads_on) in [
            ("*.jpg", "a.jpg", true, false),
            ("*.jpg", ".jpg", true, false),
            ("*.jpg", "a/b.jpg", false, false),
            ("*/b", "a", false, true),
            ("a/*/c", "b", false, false),
            ("a?[0-9]", "ax7", true, false),
            ("**", "a", true, true),
            ("**/x", "x", true, true),
            ("**/x", "a/b/x", true, true),
            ("**/x", "a/b/y", false, true),
            ("a/**", "a", false, true),
            ("a/**", "a/b/c", true, true),
            ("a/**/c", "a/c", true, true),
            ("a/**/c", "b/c", false, false),
            ("a/**/**/c", "a/c", true, true),
            ("a**b", "axxb", true, false),
            (r"\*", "*", true, false),
            (r"\*", "a", false, false),
            ("[", "[", false, false),
        ] {
            let found = look(pattern, text);
            assert_eq!((found.is_match, found.leads_on), (is_match, leads_on), "{pattern} {text}");
        }
    }

    #[test]
    fn braces_are_either_of_their_texts() {
        for (pattern, yes, no) in [
            ("{a,b}", "b", "ab"),
            ("x{a,b{c,d},}y", "xbdy", "xby"),
            ("x{a,b{c,d},}y", "xy", "xbcdy"),
            ("{a/b,c}/d", "a/b/d", "a/d"),
            ("[{,}]", ",", "["),
            (r"\{a,b}", "{a,b}", "a"),
            ("{a,b", "{a,b", "a"),
            ("a,b}", "a,b}", "a"),
            ("{{a,b}", "{b", "b"),
            ("{a}", "{a}", "a"),
            ("{a}{b,c}", "{a}c", "ac"),
            ("{,a/}b", "b", "a"),
        ] {
            assert!(look(pattern, yes).is_match, "{pattern} {yes}");
            assert!(!look(pattern, no).is_match, "{pattern} {no}");
        }
    }

    #[test]
    fn alternatives_are_bounded() {
        assert!(Glob::new(&path(&"{a,b}".repeat(7))).is_ok());
        let many = "{a,b}".repeat(30);
        assert_eq!(Glob::new(&path(&many)).unwrap_err(), GlobError::TooManyAlternatives);
        let nested = format!("{}{}", "{a,".repeat(60), "}".repeat(60));
        assert!(Glob::new(&path(&nested)).unwrap().look(&path("a")).is_match);
    }

    #[test]
    fn hostile_patterns_are_compiled_and_matched_as_fast_as_others() {
        let started = Instant::now();
        let long = |part: &str| {
            let name = part.repeat(250 / part.len());
            [name.as_str(); 16].join("/")
        };
        let text = path(&["a".repeat(250).as_str(); 16].join("/"));
        for part in ["[", "{", "{a,", "[[:alpha:]", "*a", "{a,b}", "\\[", ","] {
            if let Ok(glob) = Glob::new(&path(&long(part))) {
                let _ = glob.look(&text);
            }
        }
        let stars = path(&["**"; 250].join("/"));
        assert!(Glob::new(&stars).unwrap().look(&text).is_match);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_below_a_match_is_covered() {
        for (text, is_covered) in
            [("ax/b", true), ("ax/b/c/d", true), ("ax/c", false), ("ax", false), ("b/ax/b", false)]
        {
            assert_eq!(look("a*/b", text).is_covered, is_covered, "{text}");
        }
    }

    fn paths() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab.]{1,2}x", 1..4).prop_map(|names| names.join("/"))
    }

    fn patterns() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("**".to_owned()), r"([abx?*]|\[[ab]\]|\{[ab*]x,[abx]{1,2}\}){1,3}"];
        proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
    }

    proptest! {
        #[test]
        fn means_what_it_means_in_globset(pattern in patterns(), text in paths()) {
            // There, a run of stars within a name is two kinds of star; here it is one.
            prop_assume!(!pattern.split('/').any(|name| name != "**" && name.contains("**")));
            prop_assume!(Glob::new(&path(&pattern)).is_ok());
            let other = globset::GlobBuilder::new(&pattern).literal_separator(true).build().unwrap();
            let expected = other.compile_matcher().is_match(&text);
            prop_assert_eq!(look(&pattern, &text).is_match, expected, "{} {}", pattern, text);
        }

        /// A walk that goes only where the pattern leads finds all that match.
        #[test]
        fn every_folder_above_a_match_leads_on(pattern in patterns(), text in paths()) {
            if Glob::new(&path(&pattern)).is_ok_and(|glob| glob.look(&path(&text)).is_match) {
                let mut above = path(&text);
                while let Some((folder, _)) = above.split_last().filter(|(folder, _)| !folder.is_root()) {
                    prop_assert!(look(&pattern, &folder.to_string()[1..]).leads_on, "{} {}", pattern, folder);
                    above = folder;
                }
            }
        }

        #[test]
        fn any_path_is_a_pattern(pattern in "[a{},*?\\[\\]\\\\!/]{1,40}", text in paths()) {
            if let Ok(pattern) = RemotePath::from_user(pattern.as_bytes())
                && let Ok(glob) = Glob::new(&pattern)
            {
                let found = glob.look(&path(&text));
                prop_assert!(!found.is_match || found.is_covered);
            }
        }
    }
}
