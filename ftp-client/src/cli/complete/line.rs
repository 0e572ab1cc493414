//! A command line up to the cursor, split as a shell does, and candidates in bash's form: bash does not quote them, and a
//! server may have names that a shell would run as commands.

/// A command line without its quotes.
pub(crate) struct PartialLine {
    /// The program, and what is complete.
    pub(crate) words: Vec<String>,
    /// The word that is being typed, perhaps empty.
    pub(crate) last: String,
    /// The quote that is still open.
    quote: &'static str,
}

impl PartialLine {
    /// Splits a line; `None` if it is not a command line.
    pub(crate) fn split(line: &str) -> Option<Self> {
        let closed = |quote: &'static str| Some((quote, shlex::split(&format!("{line}{CURSOR}{quote}"))?));
        let (quote, mut words) = ["", "'", "\""].into_iter().find_map(closed)?;
        let last = words.pop()?.strip_suffix(CURSOR)?.to_owned();
        Some(Self { words, last, quote })
    }

    /// Returns a candidate in place of `piece`, the end of the line that bash replaces; `None` if it cannot be written there.
    pub(super) fn in_place_of(&self, piece: &str, candidate: &str) -> Option<String> {
        let piece = Self::split(&format!("{}{piece}", self.quote))?.last;
        let known = self.last.strip_suffix(piece.as_str())?;
        let rest = candidate.strip_prefix(known)?;
        match self.quote {
            "'" => (!rest.contains('\'')).then(|| rest.to_owned()),
            "\"" => (!rest.contains('!')).then(|| escaped(rest, |character| !"\"\\$`".contains(character))),
            _ => Some(escaped(rest, |character| {
                character.is_alphanumeric() || "_-./,+:@%=".contains(character)
            })),
        }
    }
}

fn escaped(text: &str, plain: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if !plain(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Stands for the cursor: no key types it.
const CURSOR: char = '\u{1}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_shells_split_them() {
        let split = |line: &str| PartialLine::split(line).map(|line| (line.words.join("|"), line.last));
        let is = |words: &str, last: &str| Some((words.to_owned(), last.to_owned()));
        assert_eq!(split("ftp-client ls work:a"), is("ftp-client|ls", "work:a"));
        assert_eq!(split("ftp-client ls "), is("ftp-client|ls", ""));
        for line in ["x a\\ b", "x 'a b", "x \"a b", "x 'a b'"] {
            assert_eq!(split(line), is("x", "a b"), "{line}");
        }
        assert_eq!(split("x # a"), None);
    }

    #[test]
    fn no_name_of_a_server_becomes_a_command() {
        let placed = |line: &str, piece: &str, candidate: &str| {
            PartialLine::split(line)?.in_place_of(piece, candidate)
        };
        assert_eq!(placed("x work:a", "a", "work:a b").as_deref(), Some("a\\ b"));
        assert_eq!(placed("x work:", "", "work:$(rm x)`y`").as_deref(), Some("\\$\\(rm\\ x\\)\\`y\\`"));
        assert_eq!(placed("x w\\ k:\\$", "\\$", "w k:$HOME").as_deref(), Some("\\$HOME"));
        assert_eq!(placed("x \"work:", "work:", "work:$(x)").as_deref(), Some("work:\\$(x)"));
        assert_eq!(placed("x 'work:", "work:", "work:$(x)").as_deref(), Some("work:$(x)"));
        assert_eq!(placed("x 'work:", "work:", "work:';x"), None);
        assert_eq!(placed("x \"work:", "work:", "work:!!"), None);
    }
}
