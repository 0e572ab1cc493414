//! Matching `*`, `**`, `?` and brackets in bounded time. The usual way, trying every length for each star, takes
//! exponential time on patterns such as `*a*a*a*b`; here all ways are followed at once, so a match costs at most the
//! length of the pattern times the length of the text.

mod bracket;

pub(crate) use bracket::Bracket;

/// A pattern with wildcards, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(Box<[WildcardToken]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum WildcardToken {
    Byte(u8),
    /// `?`: any byte but `/`.
    NameByte,
    Bracket(Bracket),
    /// `*`: any bytes but `/`.
    Star,
    /// `**`: any bytes.
    DoubleStar,
}

/// Where in the text a match may begin; it always ends at the text's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the beginning only.
    Beginning,
    /// At the beginning or after any `/`.
    AnyName,
}

impl Wildcard {
    /// Compiles `pattern`. `None` if a bracket or an escape is incomplete: such a pattern never matches.
    #[must_use]
    pub fn new(pattern: &[u8]) -> Option<Self> {
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut rest = pattern;
        while !rest.is_empty() {
            let token;
            (token, rest) = take_token(rest)?;
            tokens.push(token);
        }
        Some(Self(tokens.into()))
    }

    /// True if `text` matches; up to its end and from where `start` says.
    pub fn matches(&self, text: impl Iterator<Item = u8>, start: Start) -> bool {
        let mut reached = Reached::new(&self.0);
        for byte in text {
            reached.advance(byte);
            if start == Start::AnyName && byte == b'/' {
                reached.enter(0);
            } else if start == Start::Beginning && reached.is_nowhere() {
                return false;
            }
        }
        reached.is_at_end()
    }

    /// False if the last byte alone tells that a text cannot match; most texts and patterns part here.
    #[must_use]
    pub fn may_end_with(&self, byte: u8) -> bool {
        self.0.last().is_none_or(|token| token.is_star() || token.takes(byte))
    }
}

impl WildcardToken {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::NameByte | Self::Star => byte != b'/',
            Self::Bracket(bracket) => bracket.contains(byte),
            Self::DoubleStar => true,
        }
    }

    fn is_star(&self) -> bool {
        match self {
            Self::Star | Self::DoubleStar => true,
            Self::Byte(_) | Self::NameByte | Self::Bracket(_) => false,
        }
    }
}

/// The places within a pattern that the text read so far can have led to.
struct Reached<'a> {
    tokens: &'a [WildcardToken],
    /// One for before each token and one for the end.
    places: Vec<bool>,
}

impl<'a> Reached<'a> {
    fn new(tokens: &'a [WildcardToken]) -> Self {
        let mut new = Self { tokens, places: vec![false; tokens.len() + 1] };
        new.enter(0);
        new
    }

    /// Marks `place`, and the one behind it if a star there may match no byte. No two stars follow each other.
    fn enter(&mut self, place: usize) {
        self.places[place] = true;
        if self.tokens.get(place).is_some_and(WildcardToken::is_star) {
            self.places[place + 1] = true;
        }
    }

    /// Reads one byte. Backwards, so that a place is read before the one in front of it leads there.
    fn advance(&mut self, byte: u8) {
        let end = self.tokens.len();
        self.places[end] = false;
        for (place, token) in self.tokens.iter().enumerate().rev() {
            if std::mem::take(&mut self.places[place]) && token.takes(byte) {
                self.enter(if token.is_star() { place } else { place + 1 });
            }
        }
    }

    fn is_nowhere(&self) -> bool {
        !self.places.contains(&true)
    }

    fn is_at_end(&self) -> bool {
        self.places.last() == Some(&true)
    }
}

/// Takes one token off the text; a run of stars is one.
fn take_token(text: &[u8]) -> Option<(WildcardToken, &[u8])> {
    Some(match text {
        [b'*', b'*', rest @ ..] => (WildcardToken::DoubleStar, without_stars(rest)),
        [b'*', rest @ ..] => (WildcardToken::Star, rest),
        [b'?', rest @ ..] => (WildcardToken::NameByte, rest),
        [b'[', rest @ ..] => {
            let (bracket, rest) = Bracket::parse(rest)?;
            (WildcardToken::Bracket(bracket), rest)
        }
        [b'\\', byte, rest @ ..] => (WildcardToken::Byte(*byte), rest),
        [b'\\'] | [] => return None,
        [byte, rest @ ..] => (WildcardToken::Byte(*byte), rest),
    })
}

fn without_stars(text: &[u8]) -> &[u8] {
    let stars = text.iter().take_while(|byte| **byte == b'*').count();
    &text[stars..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn matches(pattern: &str, text: &str) -> bool {
        starting(Start::Beginning, pattern, text)
    }

    fn starting(start: Start, pattern: &str, text: &str) -> bool {
        Wildcard::new(pattern.as_bytes()).is_some_and(|wildcard| wildcard.matches(text.bytes(), start))
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "ab"),
            ("*.o", ".o"),
            ("*.o", "a.o.o"),
            ("a*", "a"),
            ("a?c", "abc"),
            ("a/*/c", "a/b/c"),
            ("a/**/c", "a/b/b/c"),
            ("a**c", "ac"),
            ("a**", "a/b/"),
            ("****", "/"),
            ("*a*b*", "xaxbx"),
            ("**/b", "a/a/b"),
            ("[ab]*[!c]", "bcd"),
            (r"\*\?\[\\", r"*?[\"),
            (r"\b*", "bx"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_does_not_match() {
        for (pattern, text) in [
            ("*", "a/b"),
            ("?", "/"),
            ("?", ""),
            ("a/*/c", "a/b/b/c"),
            ("a/**/c", "a/c"),
            ("*.o", "a.oo"),
            ("a*b", "a/b"),
            ("[!a]", "/"),
            ("a", "ab"),
            ("ab", "a"),
            (r"a*\", r"a\"),
            ("a*[", "a["),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_match_may_begin_after_any_slash() {
        assert!(starting(Start::AnyName, "b/**", "a/b/c"));
        assert!(starting(Start::AnyName, "a/**", "a/b/c"));
        assert!(!starting(Start::AnyName, "b/**", "ab/c"));
        assert!(!starting(Start::Beginning, "b/**", "a/b/c"));
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_others() {
        let started = Instant::now();
        for star in ["*", "**"] {
            assert!(!matches(&format!("{}b", format!("{star}a").repeat(200)), &"a".repeat(4000)));
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    /// Matches each wildcard in all ways; exponential, so for short texts only.
    fn by_trying(tokens: &[WildcardToken], text: &[u8]) -> bool {
        match (tokens, text) {
            ([], text) => text.is_empty(),
            ([token, rest @ ..], text) if token.is_star() => {
                by_trying(rest, text)
                    || matches!(text, [byte, more @ ..] if token.takes(*byte) && by_trying(tokens, more))
            }
            ([token, rest @ ..], [byte, more @ ..]) => token.takes(*byte) && by_trying(rest, more),
            ([_, ..], []) => false,
        }
    }

    proptest! {
        #[test]
        fn all_ways_at_once_are_all_ways(pattern in r"([ab/?\\*]|\[[ab!/^-]{1,3}\]){0,9}", text in "[ab/]{0,9}") {
            let wildcard = Wildcard::new(pattern.as_bytes());
            let expected = wildcard.is_some_and(|wildcard| by_trying(&wildcard.0, text.as_bytes()));
            prop_assert_eq!(matches(&pattern, &text), expected);
        }

        #[test]
        fn any_bytes_are_a_pattern(
            pattern in proptest::collection::vec(any::<u8>(), 0..60),
            text in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Some(wildcard) = Wildcard::new(&pattern) {
                let matched = wildcard.matches(text.iter().copied(), Start::Beginning);
                prop_assert!(!matched || text.last().is_none_or(|byte| wildcard.may_end_with(*byte)));
                prop_assert!(!matched || wildcard.matches(text.into_iter(), Start::AnyName));
            }
        }
    }
}
