//! Bracket expressions such as `[a-z]`, `[!0-9_]` and `[[:alpha:]]`, read the way rsync reads them. Bytes are ASCII
//! here whatever the locale, as file names have no encoding.

/// The bytes that a bracket expression matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bracket {
    listed: [u64; 4],
    negated: bool,
}

impl Bracket {
    /// Reads the expression whose `[` precedes `text`; returns it and what follows its `]`.
    ///
    /// Returns `None` if the expression is not closed or names an unknown class: such a pattern never matches.
    pub(crate) fn parse(text: &[u8]) -> Option<(Self, &[u8])> {
        let (negated, members) = match text {
            [b'!' | b'^', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut bracket = Self { listed: [0; 4], negated };
        let mut range_start = None;
        let mut rest = members;
        // A `]` at the very first place is a member.
        while rest.len() == members.len() || rest.first() != Some(&b']') {
            (range_start, rest) = bracket.take_member(range_start, rest)?;
        }
        Some((bracket, &rest[1..]))
    }

    /// True if the expression matches `byte`; it never matches a `/`.
    pub(crate) fn contains(&self, byte: u8) -> bool {
        let listed = self.listed[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1;
        byte != b'/' && listed != self.negated
    }

    /// Takes one member off `text`; returns the byte that a following `-` would begin a range with, and the rest.
    fn take_member<'a>(&mut self, range_start: Option<u8>, text: &'a [u8]) -> Option<(Option<u8>, &'a [u8])> {
        match (range_start, text) {
            (Some(start), [b'-', end @ ..]) if !matches!(end, [] | [b']', ..]) => {
                let (end, rest) = escaped(end)?;
                self.add(|byte| (start..=end).contains(&byte));
                Some((None, rest))
            }
            (_, [b'[', b':', rest @ ..]) => self.take_class(rest),
            (_, text) => {
                let (member, rest) = escaped(text)?;
                self.add_one(member);
                Some((Some(member), rest))
            }
        }
    }

    /// Takes the rest of a `[:class:]`; without the `:]`, its `[` was a plain member.
    fn take_class<'a>(&mut self, text: &'a [u8]) -> Option<(Option<u8>, &'a [u8])> {
        let end = text.iter().position(|byte| *byte == b']')?;
        match text[..end].strip_suffix(b":") {
            Some(name) => {
                self.add(class(name)?);
                Some((None, &text[end + 1..]))
            }
            None => {
                self.add(|byte| byte == b'[');
                // The `:` was looked at, not taken; it is a member too, and nothing else than itself.
                self.add(|byte| byte == b':');
                Some((Some(b':'), text))
            }
        }
    }

    fn add_one(&mut self, byte: u8) {
        self.listed[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn add(&mut self, is_member: impl Fn(u8) -> bool) {
        (0..=u8::MAX).filter(|byte| is_member(*byte)).for_each(|byte| self.add_one(byte));
    }
}

/// The first byte of `text`, or the one that its backslash escapes, and the rest.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', byte, rest @ ..] => Some((*byte, rest)),
        [b'\\'] | [] => None,
        [byte, rest @ ..] => Some((*byte, rest)),
    }
}

/// The POSIX class of that name.
fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"print" => |byte| byte == b' ' || byte.is_ascii_graphic(),
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The printable bytes that `[text` matches.
    fn members(text: &str) -> Option<String> {
        let (bracket, rest) = Bracket::parse(text.as_bytes())?;
        assert_eq!(rest, b"");
        Some((b' '..=b'~').filter(|byte| bracket.contains(*byte)).map(char::from).collect())
    }

    #[test]
    fn members_ranges_and_escapes() {
        for (text, expected) in [
            ("abc]", "abc"),
            ("a-e]", "abcde"),
            ("e-a]", "e"),
            ("]a]", "]a"),
            ("]-_]", "]^_"),
            ("a-]", "-a"),
            ("-a]", "-a"),
            ("a-c-e]", "-abce"),
            (r"\]\\]", r"\]"),
            (r"\a-c]", "abc"),
            (r"a-\c]", "abc"),
            ("/a]", "a"),
            ("a!]", "!a"),
        ] {
            let mut expected: Vec<char> = expected.chars().collect();
            expected.sort_unstable();
            assert_eq!(members(text), Some(expected.into_iter().collect()), "[{text}");
        }
    }

    #[test]
    fn negation_never_matches_a_slash() {
        let (bracket, _) = Bracket::parse(b"!a]").unwrap();
        assert!(bracket.contains(b'b') && bracket.contains(0xff));
        assert!(!bracket.contains(b'a') && !bracket.contains(b'/'));
        assert_eq!(members("^ -~]"), Some(String::new()));
        assert!(!members("!]]").unwrap().contains(']'));
    }

    #[test]
    fn posix_classes() {
        assert_eq!(members("[:digit:]]"), Some("0123456789".to_owned()));
        assert_eq!(members("[:upper:][:lower:]]"), members("[:alpha:]]"));
        assert_eq!(members("[:digit:]-a]"), Some("-0123456789a".to_owned()));
        assert_eq!(members("[:xdigit:]]"), members("0-9a-fA-F]"));
        assert_eq!(members("[:a]"), Some(":[a".to_owned()));
        assert_eq!(members("[:]"), Some(":[".to_owned()));
        assert!(Bracket::parse(b"[:space:]]").unwrap().0.contains(0x0b));
    }

    #[test]
    fn what_is_not_closed_or_known_is_nothing() {
        for text in ["", "!", "]", "abc", "a-", r"a\", r"a-\", "[:digit:", "[:word:]]", "[::]]"] {
            assert_eq!(members(text), None, "[{text}");
        }
    }
}
