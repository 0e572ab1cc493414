//! Errors of the configuration file, placed: which file, which line, which key.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file itself.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A line in it.
    #[error("{path}:{line}: {}{message}", key_prefix(.key))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key on that line with its section, such as `limits.connections`; empty if there is none.
        key: String,
        /// The reason why it is refused.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn at(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let lines: Vec<&str> = text.lines().collect();
        let index = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        Self::Wrong {
            path: path.to_owned(),
            line: index + 1,
            key: key_at(&lines, index),
            message: error.message().to_owned(),
        }
    }
}

/// Finds the key by reading upwards: a value may begin some lines before what is wrong in it.
fn key_at(lines: &[&str], index: usize) -> String {
    let above = || lines.iter().take(index + 1).rev();
    let section = above().find_map(|line| section_of(line)).unwrap_or_default();
    let key = above().take_while(|line| section_of(line).is_none()).find_map(|line| key_of(line));
    match (section, key) {
        ("", key) => key.unwrap_or_default().to_owned(),
        (section, None) => section.to_owned(),
        (section, Some(key)) => format!("{section}.{key}"),
    }
}

fn section_of(line: &str) -> Option<&str> {
    let line = line.split('#').next().unwrap_or_default().trim();
    line.strip_prefix('[')?.strip_suffix(']').map(str::trim).filter(|name| is_plain(name))
}

fn key_of(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim()).filter(|key| is_plain(key))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn key_prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}
