//! Which key each server had when it was first trusted: one file, modelled on ssh's.
//!
//! A line is `host:port sha256:HEX`; empty lines and lines that begin with `#` are ignored. A line that cannot be
//! read is an error and not skipped: it may be the one that would have revealed an attack. Others must not be able to
//! write to the file, because whoever can add a line can pretend to be any server.

use crate::error::Error;
use crate::fingerprint::{self, ServerKey};
use crate::private_file;
use crate::remote::{address, parse_address};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use wire::escape::Escaped;

/// The file of known servers. Read anew for each question: it is short, and other processes add to it.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    /// `None` if nobody knows where the file is.
    path: Option<PathBuf>,
}

/// A server that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHost {
    /// Host name in lower case, or an address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The server's key.
    pub key: ServerKey,
}

impl KnownHosts {
    /// Names the file, without touching it.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()) }
    }

    /// No file: every question about a server is an error, so only pinned servers are trusted.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { path: None }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// All known servers, in the file's order; none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, others can write to it, or a line makes no sense.
    pub fn list(&self) -> Result<Vec<KnownHost>, Error> {
        let text = self.read()?;
        lines_of(&text).filter_map(|(number, line)| self.parse(number, line).transpose()).collect()
    }

    /// The key of a server, if it is known. Of several lines for one server the first counts.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn find(&self, host: &str, port: u16) -> Result<Option<ServerKey>, Error> {
        let known = self.list()?;
        Ok(known.into_iter().find(|known| known.is(host, port)).map(|known| known.key))
    }

    /// Adds a server, unless it is there with the same key; makes the file and its folder, private to the user.
    ///
    /// # Errors
    /// The file cannot be read or written, or has another key for the server.
    pub fn add(&self, known: &KnownHost) -> Result<(), Error> {
        match self.find(&known.host, known.port)? {
            Some(key) if key == known.key => Ok(()),
            Some(_) => Err(self.bad(&format!("has another key for {}", known.address()))),
            None => self.append(&known.line()).map_err(|source| self.local(source)),
        }
    }

    /// Forgets a server; tells whether it was known.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn remove(&self, host: &str, port: u16) -> Result<bool, Error> {
        let text = self.read()?;
        let mut kept = String::new();
        let mut found = false;
        for (number, line) in lines_of(&text) {
            if self.parse(number, line)?.is_some_and(|known| known.is(host, port)) {
                found = true;
            } else {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        if found {
            // A line that another process adds meanwhile may be lost, which is safe: its server is asked about again.
            private_file::replace(self.path(), &kept)?;
        }
        Ok(found)
    }

    fn read(&self) -> Result<String, Error> {
        let path = self.path.as_ref().ok_or_else(|| {
            let text = "there is no home folder (HOME) with known servers: give --pin, or name the file with --known-hosts";
            Error::Usage(text.to_owned())
        })?;
        Ok(private_file::read(path, FILE_LEN_MAX)?.unwrap_or_default())
    }

    fn parse(&self, number: usize, line: &str) -> Result<Option<KnownHost>, Error> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        KnownHost::parse(line)
            .map(Some)
            .ok_or_else(|| self.bad(&format!("line {number} is not HOST:PORT sha256:HEX")))
    }

    /// One write at the end of the file, so that processes that add at the same time do not mix their lines.
    fn append(&self, line: &str) -> io::Result<()> {
        private_file::make_folder(self.path())?;
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path())?;
        let newline = if ends_within_a_line(self.path())? { "\n" } else { "" };
        file.write_all(format!("{newline}{line}\n").as_bytes())?;
        file.sync_data()
    }

    fn shown(&self) -> String {
        Escaped(self.path().as_os_str().as_bytes()).to_string()
    }

    fn bad(&self, reason: &str) -> Error {
        Error::Usage(format!("{}: {reason}", self.shown()))
    }

    fn local(&self, source: io::Error) -> Error {
        Error::Local { path: self.shown(), source }
    }
}

impl KnownHost {
    /// Host and port as people write them.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }

    /// The file's line for this server, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.address(), fingerprint::show(&self.key))
    }

    fn is(&self, host: &str, port: u16) -> bool {
        self.port == port && self.host.eq_ignore_ascii_case(host)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (place, key, None) = (words.next()?, words.next()?, words.next()) else { return None };
        let (host, port) = parse_address(place)?;
        Some(Self { host, port, key: fingerprint::parse(key)? })
    }
}

/// Lines with their numbers, as editors count them.
fn lines_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Somebody may have edited the file and left its last line without an end.
fn ends_within_a_line(path: &Path) -> io::Result<bool> {
    Ok(fs::read(path)?.last().is_some_and(|byte| *byte != b'\n'))
}

/// Tens of thousands of servers; more is some other file.
const FILE_LEN_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests;
