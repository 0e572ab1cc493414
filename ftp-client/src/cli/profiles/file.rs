//! The configuration's text: its sections with their lines, and changes that leave alone what people wrote.

use crate::cli::args::Defaults;
use ftp_client::Error;
use std::ops::Range;
use std::path::Path;
use toml_edit::{Array, Document, DocumentMut, Item, Table, TomlError, Value};

/// A section `[profile.NAME]`.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) entries: Vec<SectionEntry>,
}

/// A key of a section.
pub(super) struct SectionEntry {
    pub(super) key: String,
    pub(super) line: usize,
    /// One value or several, as text; or what is wrong.
    pub(super) values: Result<Vec<String>, &'static str>,
}

/// All sections, in the file's order.
pub(super) fn sections(path: &Path, text: &str) -> Result<Vec<Section>, Error> {
    let place = Error::shown_path(path);
    let wrong = |line: usize, reason: &str| Error::Usage(format!("{place}:{line}: {reason}"));
    let document = Document::parse(text)
        .map_err(|error| wrong(line_of(text, error.span()), error.message().trim_end()))?;
    let mut sections = Vec::new();
    for (key, item) in document.as_table() {
        let line = line_of(text, span_of(document.as_table(), key));
        let profiles = match item.as_table() {
            Some(profiles) if key == "profile" => profiles,
            _ => {
                return Err(wrong(
                    line,
                    &format!("{key}: there is no such key; profiles are [profile.NAME]"),
                ));
            }
        };
        for (name, item) in profiles {
            let line = line_of(text, span_of(profiles, name));
            let table = item.as_table();
            let table = table.ok_or_else(|| wrong(line, &format!("profile.{name}: must be a section")))?;
            let entry = |(key, item): (&str, &Item)| SectionEntry {
                key: key.to_owned(),
                line: line_of(text, span_of(table, key)),
                values: values(item),
            };
            sections.push(Section {
                name: name.to_owned(),
                line,
                entries: table.iter().map(entry).collect(),
            });
        }
    }
    Ok(sections)
}

/// The text with a profile added or replaced.
pub(super) fn with(text: &str, name: &str, url: &str, defaults: &Defaults) -> Result<String, Error> {
    let mut document = edited(text)?;
    let mut section = Table::new();
    section.insert("url", url.into());
    for (key, values) in &defaults.0 {
        section.insert(key, written(key, values));
    }
    let profiles = document.entry("profile").or_insert_with(|| {
        let mut parent = Table::new();
        parent.set_implicit(true);
        Item::Table(parent)
    });
    let profiles = profiles.as_table_mut().ok_or_else(unusable)?;
    profiles.insert(name, Item::Table(section));
    Ok(document.to_string())
}

/// The text without a profile.
pub(super) fn without(text: &str, name: &str) -> Result<String, Error> {
    let mut document = edited(text)?;
    let profiles = document.get_mut("profile").and_then(Item::as_table_mut).ok_or_else(unusable)?;
    profiles.remove(name);
    Ok(document.to_string())
}

fn written(key: &str, values: &[String]) -> Item {
    match values {
        [value] if value == "true" => true.into(),
        [value] if !MANY.contains(&key) => match value.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => value.as_str().into(),
        },
        values => values.iter().collect::<Array>().into(),
    }
}

fn values(item: &Item) -> Result<Vec<String>, &'static str> {
    match item.as_value() {
        Some(Value::Array(array)) => {
            array.iter().map(text_of).collect::<Option<_>>().ok_or("must be a list of texts")
        }
        Some(value) => text_of(value).map(|text| vec![text]).ok_or("must be a text, a number or true"),
        None => Err("must be a value, not a section"),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(flag) => Some(flag.value().to_string()),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => None,
    }
}

fn edited(text: &str) -> Result<DocumentMut, Error> {
    text.parse().map_err(|error: TomlError| Error::Usage(error.to_string()))
}

fn unusable() -> Error {
    Error::Usage("the configuration's profiles are not sections [profile.NAME]".to_owned())
}

fn span_of(table: &Table, key: &str) -> Option<Range<usize>> {
    let of_key = || table.key(key).and_then(|key| key.span());
    of_key().or_else(|| table.get(key).and_then(Item::span))
}

/// As editors count them.
fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let offset = span.map_or(0, |span| span.start);
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Keys whose single value is written as a list too.
const MANY: [&str; 2] = ["exclude", "filter-from"];
