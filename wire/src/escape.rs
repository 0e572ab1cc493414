//! Displays bytes from elsewhere without letting them control a terminal or forge a log line.

use std::fmt::{self, Write as _};

/// Displays bytes as text: printable UTF-8 unchanged; backslash, control characters, invisible characters, characters that
/// change the direction, and bytes that are not UTF-8 as `\\`, `\n`, `\xHH` or `\u{H}`.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                write_character(f, character)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn write_character(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", c as u32),
        c if c.is_control() || is_deceptive(c) => write!(f, "\\u{{{:x}}}", c as u32),
        c => f.write_char(c),
    }
}

/// Characters of Unicode's "format" kind that reorder or hide text: zero-width, bidirectional and line separators.
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        let shown = Escaped("a\x1b[31m\n\\\u{202e}ü\u{85}".as_bytes()).to_string();
        assert_eq!(shown, "a\\x1b[31m\\n\\\\\\u{202e}ü\\u{85}");
        assert_eq!(Escaped(b"\xff\xfe").to_string(), "\\xff\\xfe");
    }
}
