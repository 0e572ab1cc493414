//! Events for programs: one JSON object a line.
//!
//! Written by hand for speed (a listing may have a million entries), and in plain ASCII: a name with any content
//! cannot control a terminal, and decoding restores it exactly. JSON has no bytes that are not Unicode; a name that
//! has some is written escaped, as people see it, and also in hexadecimal.

use super::tally::Snapshot;
use ftp_client::observer::TransferSummary;
use std::io::Write;
use std::time::Duration;
use wire::escape::Escaped;

/// An object under construction.
#[derive(Debug, Clone)]
pub(crate) struct Object(Vec<u8>);

impl Object {
    /// The end of every object of a script's line.
    pub(super) fn tail_of_line(line: usize, command: &str) -> Vec<u8> {
        Self(Vec::new()).number("line", line as u64).text("command", command).into_line()
    }

    /// Begins an event.
    pub(crate) fn event(name: &'static str) -> Self {
        Self(format!("{{\"event\":\"{name}\",\"v\":{VERSION}").into_bytes())
    }

    pub(crate) fn text(mut self, key: &'static str, value: &str) -> Self {
        self.key(key);
        self.string(value);
        self
    }

    pub(crate) fn number(mut self, key: &'static str, value: u64) -> Self {
        self.key(key);
        self.write(format_args!("{value}"));
        self
    }

    pub(crate) fn truth(mut self, key: &'static str, value: bool) -> Self {
        self.key(key);
        self.write(format_args!("{value}"));
        self
    }

    pub(crate) fn seconds(mut self, key: &'static str, value: Duration) -> Self {
        self.key(key);
        self.write(format_args!("{:.3}", value.as_secs_f64()));
        self
    }

    /// A name or path; if it is no UTF-8, `hex_key` follows with its bytes.
    pub(crate) fn bytes(mut self, key: &'static str, hex_key: &'static str, value: &[u8]) -> Self {
        let Ok(text) = str::from_utf8(value) else {
            let object = self.text(key, &Escaped(value).to_string());
            return object.hex(hex_key, value);
        };
        self.key(key);
        self.string(text);
        self
    }

    /// The path of an item.
    pub(crate) fn path(self, value: &[u8]) -> Self {
        self.bytes("path", "path_hex", value)
    }

    /// An object of texts within this one, or of lists of them.
    pub(crate) fn lists<'a>(
        mut self,
        key: &'static str,
        values: impl Iterator<Item = (&'a str, &'a [String], bool)>,
    ) -> Self {
        self.key(key);
        self.0.push(b'{');
        for (index, (key, values, many)) in values.enumerate() {
            self.separate(index);
            self.string(key);
            self.0.push(b':');
            self.0.extend(many.then_some(b'['));
            for (index, value) in values.iter().enumerate() {
                self.separate(index);
                self.string(value);
            }
            self.0.extend(many.then_some(b']'));
        }
        self.0.push(b'}');
        self
    }

    /// An object of texts within this one.
    pub(crate) fn texts<'a>(
        mut self,
        key: &'static str,
        texts: impl Iterator<Item = (&'a str, String)>,
    ) -> Self {
        self.key(key);
        self.0.push(b'{');
        for (index, (key, value)) in texts.enumerate() {
            self.separate(index);
            self.string(key);
            self.0.push(b':');
            self.string(&value);
        }
        self.0.push(b'}');
        self
    }

    /// The finished object, with a newline.
    pub(crate) fn into_line(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn hex(mut self, key: &'static str, value: &[u8]) -> Self {
        self.key(key);
        self.0.push(b'"');
        for byte in value {
            self.write(format_args!("{byte:02x}"));
        }
        self.0.push(b'"');
        self
    }

    fn separate(&mut self, index: usize) {
        self.0.extend((index > 0).then_some(b','));
    }

    fn key(&mut self, key: &'static str) {
        self.write(format_args!(",\"{key}\":"));
    }

    fn string(&mut self, text: &str) {
        self.0.push(b'"');
        for character in text.chars() {
            match character {
                '"' => self.0.extend_from_slice(b"\\\""),
                '\\' => self.0.extend_from_slice(b"\\\\"),
                ' '..='~' => self.0.push(character as u8),
                _ => self.escape(character),
            }
        }
        self.0.push(b'"');
    }

    fn escape(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            self.write(format_args!("\\u{unit:04x}"));
        }
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.0.write_fmt(arguments);
    }
}

/// Adds its fields to an event.
pub(super) trait Describe {
    fn describe(&self, object: Object) -> Object;
}

impl Describe for TransferSummary {
    fn describe(&self, object: Object) -> Object {
        object
            .number("files", self.files)
            .number("failed", self.failed)
            .number("skipped", self.skipped)
            .number("not_owned", self.not_owned)
            .number("vanished", self.vanished)
            .number("as_is", self.as_is)
            .number("bytes_compressed", self.bytes_compressed)
            .number("bytes_saved", self.bytes_saved)
            .number("bytes_copied", self.bytes_copied)
            .number("bytes", self.bytes)
            .number("bytes_transferred", self.bytes_transferred)
    }
}

impl Describe for ftp_client::mirror::MirrorSummary {
    fn describe(&self, object: Object) -> Object {
        object
            .number("unchanged", self.unchanged)
            .number("metadata", self.metadata)
            .number("moved", self.moved)
            .number("linked", self.linked)
            .number("deleted", self.deleted)
    }
}

impl Describe for Snapshot {
    fn describe(&self, object: Object) -> Object {
        object
            .number("files", self.files)
            .number("bytes", self.bytes)
            .number("total_files", self.total_files)
            .number("total_bytes", self.total_bytes)
            .truth("counted", self.counted)
            .number("rate", self.rate)
    }
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(object: Object) -> Value {
        let line = object.into_line();
        assert!(line.is_ascii() && line.ends_with(b"}\n"));
        assert!(line[..line.len() - 1].iter().all(|byte| (b' '..=b'~').contains(byte)));
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn names_are_given_back_exactly() {
        for name in ["plain", "\"\\\n\x1b[31m\x7f", "ü\u{202e}\u{85}", "🦀", ""] {
            assert_eq!(parse(Object::event("file").path(name.as_bytes()))["path"], name);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_in_hexadecimal_too() {
        let object = parse(Object::event("file").path(b"a\xff\\"));
        assert_eq!(object, json!({"event": "file", "v": 1, "path": "a\\xff\\\\", "path_hex": "61ff5c"}));
    }

    #[test]
    fn the_end_of_a_transfer() {
        let summary = TransferSummary {
            files: 1,
            skipped: 2,
            failed: 3,
            not_owned: 6,
            bytes: 4,
            bytes_transferred: 5,
            bytes_compressed: 8,
            bytes_copied: 9,
            bytes_saved: 7,
            ..TransferSummary::default()
        };
        let object =
            summary.describe(Object::event("finished")).seconds("seconds", Duration::from_millis(1500));
        assert_eq!(
            parse(object),
            json!({"event": "finished", "v": 1, "files": 1, "failed": 3, "skipped": 2, "not_owned": 6, "vanished": 0,
                   "as_is": 0, "bytes": 4,
                   "bytes_transferred": 5, "bytes_compressed": 8, "bytes_saved": 7, "bytes_copied": 9, "seconds": 1.5})
        );
    }
}
