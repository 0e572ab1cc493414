//! A line's words: quoting and comments as in a POSIX shell, variables from the environment. A shell's operators have no meaning
//! here. A line with one expects more than one command, so it is refused; operators are never taken as plain characters.
//!
//! A variable's value is not interpreted: all of it is part of one word.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// None of an empty line or a comment.
    pub(crate) words: Vec<OsString>,
    /// The line ends with a `&` that is not quoted: it is to run in the background.
    pub(crate) background: bool,
}

/// The words of a line.
///
/// # Errors
/// Says what is wrong with the line.
pub(crate) fn split(line: &[u8], variable: impl Fn(&OsStr) -> Option<OsString>) -> Result<Words, String> {
    let (expanded, background) = expand(line, variable)?;
    let words = shlex::bytes::split(&expanded).ok_or("a quote is not closed, or a line ends with \\")?;
    Ok(Words { words: words.into_iter().map(OsString::from_vec).collect(), background })
}

/// The lines of a text in which `;` ends a line too, unless it is quoted or part of a comment.
pub(crate) fn commands(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut line, mut place) = (Vec::new(), Vec::new(), Quoting::Plain);
    let (mut is_escaped, mut is_comment) = (false, false);
    for &byte in text {
        match (place, byte) {
            _ if is_escaped => is_escaped = false,
            (Quoting::Plain, b'\n' | b';') if byte == b'\n' || !is_comment => {
                lines.push(std::mem::take(&mut line));
                is_comment = false;
                continue;
            }
            _ if is_comment => {}
            (Quoting::Plain | Quoting::Double, b'\\') => is_escaped = true,
            (Quoting::Plain, b'#') => is_comment = line.last().is_none_or(u8::is_ascii_whitespace),
            (Quoting::Plain, b'\'') => place = Quoting::Single,
            (Quoting::Plain, b'"') => place = Quoting::Double,
            (Quoting::Single, b'\'') | (Quoting::Double, b'"') => place = Quoting::Plain,
            (Quoting::Plain | Quoting::Single | Quoting::Double, _) => {}
        }
        line.push(byte);
    }
    lines.push(line);
    lines
}

/// Where a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Plain,
    Single,
    Double,
}

/// Substitutes variables, quoted for their position. Also returns whether the line ends with `&`, which belongs to no word.
fn expand(line: &[u8], variable: impl Fn(&OsStr) -> Option<OsString>) -> Result<(Vec<u8>, bool), String> {
    let (mut out, mut place, mut rest, mut within) = (Vec::new(), Quoting::Plain, line, false);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (place, byte) {
            (Quoting::Plain, b'#') if !within => break,
            (Quoting::Plain, b'&') if is_end(rest) => return Ok((out, true)),
            (Quoting::Plain, byte) if OPERATORS.contains(&byte) => return Err(unquoted(char::from(byte))),
            (Quoting::Plain | Quoting::Double, b'\\') => {
                out.push(byte);
                if let Some((&escaped, after)) = rest.split_first() {
                    out.push(escaped);
                    rest = after;
                }
            }
            (Quoting::Plain | Quoting::Double, b'$') => {
                let (name, after) = name_of(rest)?;
                rest = after;
                let value = variable(OsStr::from_bytes(name))
                    .ok_or_else(|| format!("the variable {} is not set", String::from_utf8_lossy(name)))?;
                put(&mut out, value.as_bytes(), place)?;
            }
            (_, byte) => {
                place = match (place, byte) {
                    (Quoting::Plain, b'\'') => Quoting::Single,
                    (Quoting::Plain, b'"') => Quoting::Double,
                    (Quoting::Single, b'\'') | (Quoting::Double, b'"') => Quoting::Plain,
                    (place, _) => place,
                };
                out.push(byte);
            }
        }
        within = !(place == Quoting::Plain && byte.is_ascii_whitespace());
    }
    Ok((out, false))
}

fn unquoted(operator: char) -> String {
    format!("an unquoted '{operator}' has no meaning here: {}", character_meant(operator))
}

/// The advice about a shell's operator.
pub(super) fn character_meant(operator: char) -> String {
    format!("write one command a line, and \\{operator} or '{operator}' for the character")
}

/// Returns true if only blanks or a comment follow.
fn is_end(rest: &[u8]) -> bool {
    let text = rest.trim_ascii_start();
    text.is_empty() || (text.starts_with(b"#") && text.len() < rest.len())
}

fn put(out: &mut Vec<u8>, value: &[u8], place: Quoting) -> Result<(), String> {
    match place {
        Quoting::Plain => {
            let quoted = shlex::bytes::try_quote(value).map_err(|_| "a variable holds a NUL byte")?;
            out.extend_from_slice(&quoted);
        }
        Quoting::Single | Quoting::Double => {
            for byte in value {
                if b"\\\"$`".contains(byte) {
                    out.push(b'\\');
                }
                out.push(*byte);
            }
        }
    }
    Ok(())
}

/// The variable's name behind a `$`, and what follows it.
fn name_of(rest: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (braces, text) = match rest.split_first() {
        Some((b'{', text)) => (true, text),
        _ => (false, rest),
    };
    let len = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let (name, after) = text.split_at(len);
    match (name.first(), braces, after) {
        (None, ..) | (Some(b'0'..=b'9'), ..) => {
            Err("after '$' comes a variable's name; write \\$ or '$' for the character".to_owned())
        }
        (Some(_), false, after) => Ok((name, after)),
        (Some(_), true, [b'}', after @ ..]) => Ok((name, after)),
        (Some(_), true, _) => Err("'${' without '}'".to_owned()),
    }
}

/// Characters that end a word in a POSIX shell, and mean something there.
const OPERATORS: &[u8] = b";&|<>()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_end_at_semicolons_that_are_not_quoted() {
        for (text, expected) in [
            ("cd a; ls", &["cd a", " ls"][..]),
            ("ls ';' \";\" \\;;pwd\ndf", &["ls ';' \";\" \\;", "pwd", "df"]),
            ("ls # a; b\npwd", &["ls # a; b", "pwd"]),
            ("ls a#b;pwd", &["ls a#b", "pwd"]),
            ("ls 'a\nb'", &["ls 'a\nb'"]),
            ("", &[""]),
        ] {
            let lines: Vec<String> =
                commands(text.as_bytes()).into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
            assert_eq!(lines, expected, "{text}");
        }
    }

    fn read(line: &str) -> Result<Words, String> {
        let variable = |name: &OsStr| match name.as_bytes() {
            b"A" => Some("a b".into()),
            b"Q" => Some("\"'$A\\`".into()),
            b"E" => Some("".into()),
            _ => None,
        };
        split(line.as_bytes(), variable)
    }

    fn words(line: &str) -> Result<Vec<String>, String> {
        Ok(read(line)?.words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn an_unquoted_sign_at_the_end_means_the_background() {
        for line in ["put a &", "put a&", "put a & ", "put a & # soon"] {
            let read = read(line).unwrap();
            assert!(read.background && read.words == ["put", "a"], "{line}: {read:?}");
        }
        for line in ["put a \\&", "put a '&'", "put \"a&\"", "put 'a' # &", "put $Q"] {
            assert!(!read(line).unwrap().background, "{line}");
        }
    }

    #[test]
    fn quoted_as_in_a_shell() {
        for (line, expected) in [
            ("put  'a b' \"c d\" e\\ f", &["put", "a b", "c d", "e f"][..]),
            ("", &[]),
            ("  # put", &[]),
            ("put a#b # c $NONE 'd", &["put", "a#b"]),
            ("put $A \"$A\" ${A}x '$A' \\$A", &["put", "a b", "a b", "a bx", "$A", "$A"]),
            ("put $Q \"$Q\"", &["put", "\"'$A\\`", "\"'$A\\`"]),
            ("put $E ''", &["put", "", ""]),
            ("put '#' \"#\"", &["put", "#", "#"]),
            ("put ';&|' \"<>()\" \\;a # ; |", &["put", ";&|", "<>()", ";a"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for line in ["put 'a", "put \"a", "put a\\", "put $NONE", "put ${A", "put $", "put ${}", "put $1"] {
            assert!(words(line).is_err(), "{line}");
        }
        for operator in [";", "&", "&&", "|", "||", "<", ">", ">>", "(", ")"] {
            for line in
                [format!("rm old{operator} ls"), format!("rm {operator}ls"), format!("rm a{operator}'b'")]
            {
                let said = words(&line).unwrap_err();
                assert!(said.starts_with(&format!("an unquoted '{}'", &operator[..1])), "{line}: {said}");
            }
        }
    }
}
