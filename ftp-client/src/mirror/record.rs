//! Records of mirrors: the actions of a run, each written before it is done, so that also a run that was killed can be undone.
//!
//! A record is JSON, one object a line, as a plan: a head, then the actions with what both sides had. A record may end anywhere, also within a
//! line.

use super::action::MirrorAction;
use super::plan::{PlanHead, PlanItem, PlanPlace};
use super::recipe::Recipe;
use crate::error::Error;
use crate::private_file;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wire::sync::lock;

/// A record that is being written. Its file is made with the first action.
pub struct RunRecord {
    path: PathBuf,
    /// The file is made also if nothing was done.
    is_asked: bool,
    /// The part of the head that is given by the caller.
    pub(crate) place: PlanPlace,
    pub(crate) recipe: Recipe,
    state: Mutex<RecordState>,
}

#[derive(Default)]
struct RecordState {
    head: Option<PlanHead>,
    file: Option<File>,
    /// It cannot be written, which nobody asked for.
    is_broken: bool,
}

impl fmt::Debug for RunRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRecord").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RunRecord {
    /// A record that is to be at `path`.
    #[must_use]
    pub fn new(path: PathBuf, is_asked: bool, place: PlanPlace, recipe: Recipe) -> Arc<Self> {
        Arc::new(Self { path, is_asked, place, recipe, state: Mutex::default() })
    }

    /// Says what the run is about. A later attempt of the same run changes nothing.
    pub(crate) fn begin(&self, head: PlanHead) {
        lock(&self.state).head.get_or_insert(head);
    }

    /// Writes down what will be done.
    pub(crate) fn add(&self, action: &MirrorAction) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.is_broken {
            return Ok(());
        }
        let written = self.open(&mut state).and_then(|file| file.write_all(&line(&PlanItem::of(action))?));
        state.is_broken = written.is_err();
        written.or_else(|error| if self.is_asked { Err(Error::local(&self.path, error)) } else { Ok(()) })
    }

    /// The run came to its end.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if self.is_asked && state.head.is_some() {
            self.open(&mut state).map_err(|error| Error::local(&self.path, error))?;
        }
        let synced = state.file.as_ref().map_or(Ok(()), File::sync_all);
        synced.or_else(|error| if self.is_asked { Err(Error::local(&self.path, error)) } else { Ok(()) })
    }

    fn open<'a>(&self, state: &'a mut RecordState) -> io::Result<&'a mut File> {
        if state.file.is_none() {
            private_file::make_folder(&self.path)?;
            let mut made = private_file::unfinished(&self.path, 0o644)?;
            let head = state.head.clone().map(PlanHead::of_record);
            made.write_all(&line(&head)?)?;
            state.file = Some(made.persist(&self.path).map_err(|error| error.error)?);
        }
        state.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

/// A record that was read.
pub struct LoadedRecord {
    /// Which trees it is about.
    pub head: PlanHead,
    pub(crate) items: Vec<PlanItem>,
}

impl LoadedRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// If it cannot be read, others can write to it, or it is none.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bad = |number: usize, reason: &str| {
            Error::Usage(format!("{}:{number}: {reason}", Error::shown_path(path)))
        };
        let mut lines = BufReader::new(private_file::open(path)?);
        let mut next = || {
            let mut line = Vec::new();
            let read = io::Read::take(&mut lines, LINE_LEN_MAX).read_until(b'\n', &mut line);
            read.map(|_| line).map_err(|error| Error::local(path, error))
        };
        #[derive(Deserialize)]
        struct RecordVersion {
            format: String,
            version: u32,
        }
        let first = next()?;
        let version = serde_json::from_slice::<RecordVersion>(&first).ok();
        match version.filter(|head| head.format == PlanHead::RECORD_FORMAT) {
            None => return Err(bad(1, "is no record of a mirror: mirror --backup --result FILE writes one")),
            Some(head) if head.version != PlanHead::VERSION => {
                return Err(bad(1, &format!("is a record of version {}", head.version)));
            }
            Some(_) => {}
        }
        let head: PlanHead = serde_json::from_slice(&first).map_err(|error| bad(1, &error.to_string()))?;
        let mut items = Vec::new();
        for number in 2.. {
            let line = next()?;
            if !line.ends_with(b"\n") {
                break; // a killed program leaves half a line
            }
            items.push(serde_json::from_slice(&line).map_err(|error| bad(number, &error.to_string()))?);
        }
        Ok(Self { head, items })
    }

    /// True if a file at `path` is a record, or there is none: it may be replaced by one.
    #[must_use]
    pub fn may_replace(path: &Path) -> bool {
        match File::open(path) {
            Ok(file) => {
                let mut begin = String::new();
                let read = io::Read::read_to_string(&mut io::Read::take(file, 200), &mut begin);
                begin.is_empty() && read.is_ok() || begin.contains(PlanHead::RECORD_FORMAT)
            }
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// The head may carry whole rule files.
const LINE_LEN_MAX: u64 = 64 << 20;
