//! `hash --check`: compares files on the server with the lines of a manifest.

use super::manifest::{Manifest, ManifestLine};
use super::{About, Answer, ask, each};
use crate::cli::output::{Object, Output};
use crate::cli::places;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use wire::{FailureCode, RemotePath};

/// A line, and the file that it is about.
struct ListedFile {
    line: ManifestLine,
    path: RemotePath,
}

impl About for ListedFile {
    fn path(&self) -> &RemotePath {
        &self.path
    }

    /// Reading a file twice at the same time is no harm.
    fn is_beside(&self, _other: &Self) -> bool {
        true
    }
}

/// Counts of lines that do not fit.
#[derive(Default)]
struct Misfits {
    different: Cell<u64>,
    unreadable: Cell<u64>,
    verified: Cell<u64>,
}

/// Compares the files that a manifest names, whose names begin in the folder `remote`.
pub(super) async fn verify(
    session: &Session,
    output: &Output,
    manifest: Manifest,
    remote: &Remote,
    ignore_missing: bool,
) -> Result<u8, Error> {
    places::require_folder(session, &remote.path).await?;
    let file = |line: ManifestLine| {
        let path = remote.at(OsStr::from_bytes(&line.name))?.path;
        Ok(ListedFile { line, path })
    };
    let files = manifest.lines.into_iter().map(file).collect::<Result<Vec<_>, Error>>()?;
    let misfits = Misfits::default();
    let tell = |file: &ListedFile, answer: Answer| match answer {
        Err(error) if ignore_missing && error.failure_code() == Some(FailureCode::NotFound) => Ok(()),
        answer => misfits.tell(file, answer, output),
    };
    each(files, output, async |file: &ListedFile| ask(session, &file.path).await, tell).await?;
    output.flush()?;
    Ok(misfits.summarize(manifest.bad_lines, output))
}

impl Misfits {
    fn tell(&self, file: &ListedFile, answer: Answer, output: &Output) -> Result<(), Error> {
        let add = |count: &Cell<u64>| count.set(count.get() + 1);
        let event = Object::event("hash").path(&places::rooted(&file.path));
        let (event, outcome, verdict) = match answer {
            Ok(hashed) => {
                let event = event.text("sha256", &hashed.digest.to_string()).number("bytes", hashed.bytes);
                add(&self.verified);
                if hashed.digest == file.line.digest {
                    (event, "ok", "OK")
                } else {
                    add(&self.different);
                    (event, "different", "FAILED")
                }
            }
            Err(error) => {
                add(&self.unreadable);
                output.complain(&error);
                (event.text("reason", &error.to_string()), "unreadable", "FAILED open or read")
            }
        };
        if output.json() {
            output.event(event.text("outcome", outcome));
            return Ok(());
        }
        if outcome == "ok" && output.quiet() {
            Ok(())
        } else {
            output.print_unescaped(&file.line.to_verdict(verdict))
        }
    }

    /// Warns as `sha256sum -c` does, and returns the exit code.
    fn summarize(&self, bad_lines: u64, output: &Output) -> u8 {
        let warn = |count: u64, one: &str, several: &str| match count {
            0 => {}
            1 => output.complain(&format!("WARNING: 1 {one}")),
            count => output.complain(&format!("WARNING: {count} {several}")),
        };
        warn(bad_lines, "line is improperly formatted", "lines are improperly formatted");
        warn(self.unreadable.get(), "listed file could not be read", "listed files could not be read");
        warn(self.different.get(), "computed checksum did NOT match", "computed checksums did NOT match");
        let nothing = self.verified.get() == 0 && self.unreadable.get() == 0;
        if nothing {
            output.complain(&"no file was verified");
        }
        u8::from(nothing || self.unreadable.get() > 0 || self.different.get() > 0)
    }
}
