//! A plan that is read to be done: in memory it is a number for each item.

use super::{EndLine, FORMAT, PlanEnd, PlanHead, PlanItem, VERSION};
use crate::error::Error;
use crate::mirror::action::MirrorAction;
use crate::mirror::deed::DEEDS_MAX;
use crate::private_file;
use serde::Deserialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The items of a plan that have not been met.
pub struct LoadedPlan {
    path: PathBuf,
    numbers: HashSet<u128>,
    /// The first that were taken: as many as may wait for the end of the comparison.
    taken: Vec<u128>,
    /// The plan's head.
    pub head: PlanHead,
    /// The plan's counts.
    pub end: PlanEnd,
}

impl LoadedPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// If it cannot be read, is none, is of another version, or is not whole.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut lines = PlanLines::open(path)?;
        let head = lines.head()?;
        let mut numbers = HashSet::new();
        let end = loop {
            match lines.item()? {
                PlanLine::Item(item) => numbers.insert(item.number()),
                PlanLine::End(end) => break end,
            };
        };
        if end.items != lines.number - 2 {
            return Err(lines.bad("the end counts other items than there are"));
        }
        Ok(Self { path: path.to_owned(), numbers, taken: Vec::new(), head, end })
    }

    /// True, once, if the plan has just this.
    pub(crate) fn take(&mut self, action: &MirrorAction) -> bool {
        let number = PlanItem::of(action).number();
        let is_taken = self.numbers.remove(&number);
        if is_taken && self.taken.len() < DEEDS_MAX {
            self.taken.push(number);
        }
        is_taken
    }

    /// Puts back the items that were taken, since they were deferred and then dropped without effect.
    pub(crate) fn restore(&mut self) {
        self.numbers.extend(self.taken.drain(..));
    }

    /// Tells of each item that was not met.
    pub(crate) fn drifted(&self, mut tell: impl FnMut(&[u8])) -> Result<u64, Error> {
        if self.numbers.is_empty() {
            return Ok(0);
        }
        let mut lines = PlanLines::open(&self.path)?;
        lines.head()?;
        let mut count = 0;
        while let PlanLine::Item(item) = lines.item()? {
            if self.numbers.contains(&item.number()) {
                count += 1;
                tell(&item.path.0);
            }
        }
        Ok(count)
    }
}

enum PlanLine {
    Item(Box<PlanItem>),
    End(PlanEnd),
}

/// A plan's lines, none longer than any that is written.
struct PlanLines {
    input: BufReader<File>,
    path: PathBuf,
    number: u64,
}

impl PlanLines {
    fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { input: BufReader::new(private_file::open(path)?), path: path.to_owned(), number: 0 })
    }

    fn head(&mut self) -> Result<PlanHead, Error> {
        #[derive(Deserialize)]
        struct PlanVersion {
            format: String,
            version: u32,
        }
        let line = self.line()?;
        let version = serde_json::from_slice::<PlanVersion>(&line);
        let version = version.ok().filter(|head| head.format == FORMAT).ok_or_else(|| self.bad("no plan"))?;
        if version.version != VERSION {
            let text = format!("a plan of version {}; this program knows version {VERSION}", version.version);
            return Err(self.bad(&text));
        }
        serde_json::from_slice(&line).map_err(|error| self.bad(&error.to_string()))
    }

    fn item(&mut self) -> Result<PlanLine, Error> {
        let line = self.line()?;
        if line.is_empty() {
            return Err(self.bad("the plan is not whole: its end is missing"));
        }
        if line.starts_with(b"{\"end\"") {
            let end = serde_json::from_slice::<EndLine>(&line);
            return end.map(|line| PlanLine::End(line.end)).map_err(|error| self.bad(&error.to_string()));
        }
        serde_json::from_slice(&line)
            .map(|item| PlanLine::Item(Box::new(item)))
            .map_err(|error| self.bad(&error.to_string()))
    }

    fn line(&mut self) -> Result<Vec<u8>, Error> {
        self.number += 1;
        let mut line = Vec::new();
        let mut input = io::Read::take(&mut self.input, LINE_LEN_MAX);
        input.read_until(b'\n', &mut line).map_err(|error| Error::local(&self.path, error))?;
        Ok(line)
    }

    fn bad(&self, reason: &str) -> Error {
        Error::Usage(format!("{}, line {}: {reason}", Error::shown_path(&self.path), self.number))
    }
}

/// The head may carry whole rule files.
const LINE_LEN_MAX: u64 = 64 << 20;
