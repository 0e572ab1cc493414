//! A line's words: quoting and comments as in a POSIX shell, variables from the environment.
//!
//! A variable's value is never looked into: whatever it holds, it is part of one word.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The words of a line; none of an empty one or a comment.
///
/// # Errors
/// Says what is wrong with the line.
pub(crate) fn split(
    line: &[u8],
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<Vec<OsString>, String> {
    let expanded = expand(line, variable)?;
    let words = shlex::bytes::split(&expanded).ok_or("a quote is not closed, or a line ends with \\")?;
    Ok(words.into_iter().map(OsString::from_vec).collect())
}

/// Where a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Single,
    Double,
}

/// Puts in the variables, quoted for the place they stand in.
fn expand(line: &[u8], variable: impl Fn(&OsStr) -> Option<OsString>) -> Result<Vec<u8>, String> {
    let (mut out, mut place, mut rest, mut within) = (Vec::new(), Place::Plain, line, false);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (place, byte) {
            (Place::Plain, b'#') if !within => break,
            (Place::Plain | Place::Double, b'\\') => {
                out.push(byte);
                if let Some((&escaped, after)) = rest.split_first() {
                    out.push(escaped);
                    rest = after;
                }
            }
            (Place::Plain | Place::Double, b'$') => {
                let (name, after) = name_of(rest)?;
                rest = after;
                let value = variable(OsStr::from_bytes(name))
                    .ok_or_else(|| format!("the variable {} is not set", String::from_utf8_lossy(name)))?;
                put(&mut out, value.as_bytes(), place)?;
            }
            (_, byte) => {
                place = match (place, byte) {
                    (Place::Plain, b'\'') => Place::Single,
                    (Place::Plain, b'"') => Place::Double,
                    (Place::Single, b'\'') | (Place::Double, b'"') => Place::Plain,
                    (place, _) => place,
                };
                out.push(byte);
            }
        }
        within = !(place == Place::Plain && byte.is_ascii_whitespace());
    }
    Ok(out)
}

fn put(out: &mut Vec<u8>, value: &[u8], place: Place) -> Result<(), String> {
    match place {
        Place::Plain => {
            let quoted = shlex::bytes::try_quote(value).map_err(|_| "a variable holds a NUL byte")?;
            out.extend_from_slice(&quoted);
        }
        Place::Single | Place::Double => {
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
            Err("after '$' comes a variable's name; write \\$ or '$' for the sign".to_owned())
        }
        (Some(_), false, after) => Ok((name, after)),
        (Some(_), true, [b'}', after @ ..]) => Ok((name, after)),
        (Some(_), true, _) => Err("'${' without '}'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, String> {
        let variable = |name: &OsStr| match name.as_bytes() {
            b"A" => Some("a b".into()),
            b"Q" => Some("\"'$A\\`".into()),
            b"E" => Some("".into()),
            _ => None,
        };
        Ok(split(line.as_bytes(), variable)?.into_iter().map(|word| word.into_string().unwrap()).collect())
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
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for line in ["put 'a", "put \"a", "put a\\", "put $NONE", "put ${A", "put $", "put ${}", "put $1"] {
            assert!(words(line).is_err(), "{line}");
        }
    }
}
