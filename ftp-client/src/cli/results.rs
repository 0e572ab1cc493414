//! Result files: the outcome of each item of a transfer, for scripts and for `retry`.
//!
//! One JSON object a line. The first is the head: version, command, server, and what was asked for. Then a line an item,
//! when it ends. The last line says that the run came to its end; without it, the state of unfinished items is unknown.

use crate::cli::args::{Permissions, TransferArgs};
use crate::cli::input;
use crate::cli::places;
use crate::cli::server::ServerTarget;
use ftp_client::error::exit_code_of;
use ftp_client::fingerprint;
use ftp_client::mirror::recipe::{
    ChangingRecipe, CompressRecipe, DeltaRecipe, OverwriteRecipe, Recipe, Text,
};
use ftp_client::observer::{FileOutcome, FileReport};
use ftp_client::remote::Way;
use ftp_client::{Error, Session};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use wire::Failure;
use wire::sync::lock;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ResultHead {
    /// The version of this format.
    pub(crate) result: u32,
    /// `get` or `put`.
    pub(crate) command: String,
    /// How the server is reached.
    #[serde(default, skip_serializing_if = "Way::is_usual")]
    pub(crate) way: Way,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    /// The server's key.
    pub(crate) key: String,
    pub(crate) overwrite: OverwriteRecipe,
    /// Items survived a loss of power before they were recorded.
    #[serde(default)]
    pub(crate) power: bool,
    /// Done with `--no-perms`.
    #[serde(default)]
    pub(crate) no_perms: bool,
    /// Done with `--perms`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) perms: bool,
    /// Done with `--chmod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chmod: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) remove_source: bool,
    #[serde(default, skip_serializing_if = "ChangingRecipe::is_default")]
    pub(crate) changing: ChangingRecipe,
    #[serde(default, skip_serializing_if = "CompressRecipe::is_default")]
    pub(crate) compress: CompressRecipe,
    #[serde(default, skip_serializing_if = "DeltaRecipe::is_default")]
    pub(crate) delta: DeltaRecipe,
    /// The entries that were chosen of folders; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chosen: Option<Box<Recipe>>,
    pub(crate) jobs: Vec<Planned>,
}

/// A source with its target, as they were asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) source: Text,
    pub(crate) target: Text,
    pub(crate) recursive: bool,
}

/// A line of an item.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResultLine {
    pub(crate) command: String,
    pub(crate) source: Text,
    pub(crate) target: Text,
    pub(crate) outcome: ItemOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The exit code of a run that was about this item alone.
    pub(crate) code: u8,
    pub(crate) recursive: bool,
    /// It failed with all that is below it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) whole: bool,
}

/// The outcome of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ItemOutcome {
    Done,
    Skipped,
    Vanished,
    Failed,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct ResultFoot {
    end: bool,
}

/// A result file that is being written.
pub(crate) struct Results {
    path: PathBuf,
    command: String,
    state: Mutex<ResultWriter>,
}

struct ResultWriter {
    writer: BufWriter<File>,
    error: Option<io::Error>,
}

/// One job of a run, as its result file has it.
pub(crate) struct Record {
    results: Arc<Results>,
    planned: Planned,
    ended: AtomicBool,
}

/// The options of a run that `retry` needs again.
pub(crate) struct Terms {
    pub(crate) overwrite: OverwriteRecipe,
    /// An item must be able to survive a loss of power before it is reported.
    pub(crate) power: bool,
    pub(crate) remove_source: bool,
    pub(crate) changing: ChangingRecipe,
    pub(crate) compress: CompressRecipe,
    pub(crate) delta: DeltaRecipe,
    pub(crate) permissions: Permissions,
    pub(crate) chosen: Option<Box<Recipe>>,
}

impl ResultHead {
    /// The head of a run that is about to begin.
    pub(crate) fn new(
        command: &str,
        session: &Session,
        server: &ServerTarget,
        terms: Terms,
        jobs: Vec<Planned>,
    ) -> Self {
        let Terms { overwrite, power, remove_source, changing, compress, delta, permissions, chosen } = terms;
        Self {
            result: VERSION,
            command: command.to_owned(),
            way: server.way,
            host: server.host.clone(),
            port: server.port,
            user: server.user.clone(),
            key: session.server_key(),
            overwrite,
            power,
            remove_source,
            no_perms: permissions.no_perms,
            perms: permissions.perms,
            chmod: permissions.chmod,
            changing,
            compress,
            delta,
            chosen,
            jobs,
        }
    }
}

/// Returns the file of `--result`.
///
/// # Errors
/// If it is one of the files that the command sends or fetches.
pub(crate) fn written_by<'a>(
    transfer: &TransferArgs,
    mut others: impl Iterator<Item = &'a Path>,
) -> Result<Option<PathBuf>, Error> {
    match &transfer.result {
        Some(result) if input::is_dash(result) => {
            Err(no_result_file(result, "is not a file: for standard output name /dev/stdout"))
        }
        Some(result) if others.any(|other| is_same_file(other, result)) => Err(no_result_file(
            result,
            "is a source or target of the transfer: name another file for --result",
        )),
        result => Ok(result.clone()),
    }
}

/// Empties the file of an older run, so that its results are not taken for those of a run that ends early.
///
/// # Errors
/// If the file is not a result file: its name was probably mistyped.
pub(crate) fn empty_older(path: &Path) -> Result<(), Error> {
    if path.exists() && !path.is_file() {
        return Ok(()); // a pipe would lose its reader
    }
    let local = |error| Error::local(path, error);
    let mut begin = Vec::new();
    if path.exists() {
        File::open(path)
            .and_then(|file| file.take(HEAD.len() as u64).read_to_end(&mut begin))
            .map_err(local)?;
    }
    if begin.is_empty() || begin == HEAD {
        create(path).map(drop).map_err(local)
    } else {
        Err(no_result_file(
            path,
            "is not a result file, and is not overwritten: name another file for --result",
        ))
    }
}

/// Makes or empties a file that only its owner may write, because `retry` trusts its content. A dangling link is not followed,
/// and a pipe without a reader is an error.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    if path.exists() {
        options.truncate(true)
    } else {
        options.create_new(true)
    };
    let file = options.open(path)?;
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?; // but waits for a slow reader
    Ok(file)
}

fn no_result_file(path: &Path, reason: &str) -> Error {
    Error::Usage(format!("{} {reason}", Error::shown_path(path)))
}

/// A missing file is compared by its name alone.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| path.canonicalize().or_else(|_| std::path::absolute(path)));
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

impl Results {
    /// Makes the file, and writes what was asked for.
    pub(crate) fn create(path: &Path, head: &ResultHead) -> Result<Arc<Self>, Error> {
        let file = create(path).map_err(|error| Error::local(path, error))?;
        let state = Mutex::new(ResultWriter { writer: BufWriter::new(file), error: None });
        let results = Self { path: path.to_owned(), command: head.command.clone(), state };
        results.write(head);
        results.flush()?;
        Ok(Arc::new(results))
    }

    /// Begins a job.
    pub(crate) fn record(self: &Arc<Self>, planned: Planned) -> Arc<Record> {
        Arc::new(Record { results: Arc::clone(self), planned, ended: AtomicBool::new(false) })
    }

    /// The run came to its end.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.write(&ResultFoot { end: true });
        self.flush()?;
        let state = lock(&self.state);
        match state.writer.get_ref().sync_all() {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(Error::local(&self.path, error)),
            Ok(()) | Err(_) => Ok(()), // a pipe has nothing to sync; a full file server tells no earlier
        }
    }

    fn flush(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        let flushed = state.writer.flush();
        match state.error.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::local(&self.path, error)),
        }
    }

    /// Keeps the first error, which is reported at the end.
    fn write(&self, line: &impl Serialize) {
        let mut state = lock(&self.state);
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            state.writer.write_all(&bytes)
        });
        if let Err(error) = written {
            state.error.get_or_insert(error);
        }
    }
}

impl Record {
    /// An item of the job ended.
    pub(crate) fn item(&self, report: &FileReport<'_>) {
        let (outcome, failure) = match report.outcome {
            FileOutcome::Failed(failure) => (ItemOutcome::Failed, Some(failure)),
            FileOutcome::Done | FileOutcome::Skipped if report.folder => return,
            FileOutcome::Done => (ItemOutcome::Done, None),
            FileOutcome::Skipped | FileOutcome::LeftOut => (ItemOutcome::Skipped, None),
            FileOutcome::Vanished => (ItemOutcome::Vanished, None),
        };
        let below = report.path.as_bytes();
        let reason = failure.map(Failure::to_string);
        let code = failure.map_or(0, |failure| exit_code_of(failure.code));
        self.write(below, outcome, reason, code, report.folder && failure.is_some());
    }

    /// The job ended; an error concerns all of it.
    pub(crate) fn end(&self, error: Option<&Error>) {
        if let Some(error) = error {
            self.write(b"", ItemOutcome::Failed, Some(error.to_string()), error.exit_code(), true);
        }
        self.ended.store(true, Relaxed);
    }

    fn write(&self, below: &[u8], outcome: ItemOutcome, reason: Option<String>, code: u8, whole: bool) {
        let at = |base: &Text| Text(places::joined(&base.0, below));
        let Planned { source, target, recursive } = &self.planned;
        let (source, target, recursive) = (at(source), at(target), *recursive);
        let command = self.results.command.clone();
        self.results.write(&ResultLine { command, source, target, outcome, reason, code, recursive, whole });
    }
}

/// An item that was interrupted has failed.
impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended.load(Relaxed) {
            self.end(Some(&Error::Interrupted));
        }
    }
}

/// The items of a result file that failed.
pub(crate) fn failed(path: &Path) -> Result<(ResultHead, Vec<Planned>), Error> {
    let text = input::read_trusted(path)?;
    let bad =
        |number: usize, reason: &str| Error::Usage(format!("{}:{number}: {reason}", Error::shown_path(path)));
    let mut lines = text.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    let head = head(lines.next().unwrap_or_default().1).map_err(|reason| bad(1, &reason))?;
    let last = text.split(|byte| *byte == b'\n').count();
    let jobs = JobPaths::of(&head);
    let (mut failed, mut complete) = (Vec::new(), false);
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        match serde_json::from_slice::<ResultLine>(line) {
            Ok(line) if !jobs.cover(&line) => return Err(bad(number, "was not asked for by this run")),
            Ok(line) if line.outcome == ItemOutcome::Failed => failed.push(line),
            Ok(_) => {}
            Err(_) if serde_json::from_slice::<ResultFoot>(line).is_ok() => complete = true,
            // A killed program leaves half a line at the end.
            Err(_) if number == last => {}
            Err(error) => return Err(bad(number, &error.to_string())),
        }
    }
    if complete && (head.chosen.is_none() || failed.is_empty()) {
        Ok((head, outermost(failed)))
    } else {
        let jobs = head.jobs.clone();
        Ok((head, jobs))
    }
}

/// Returns the overwrite rule for repeating a whole job: files that were sent the first time are skipped.
pub(crate) fn gentle(overwrite: OverwriteRecipe) -> OverwriteRecipe {
    match overwrite {
        OverwriteRecipe::Always => OverwriteRecipe::Different,
        OverwriteRecipe::Never | OverwriteRecipe::Newer | OverwriteRecipe::Different => overwrite,
    }
}

fn head(line: &[u8]) -> Result<ResultHead, String> {
    if line.is_empty() {
        let reason =
            "is not a result file, or its run ended before the transfer began: run the command once more";
        return Err(reason.to_owned());
    }
    #[derive(Deserialize)]
    struct ResultVersion {
        result: u32,
    }
    let version: ResultVersion =
        serde_json::from_slice(line).map_err(|_| "is not a result file of --result".to_owned())?;
    if version.result != VERSION {
        return Err(format!(
            "is a result file of version {}; this program reads version {VERSION}",
            version.result
        ));
    }
    let head: ResultHead = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match head.command.as_str() {
        "get" | "put" if fingerprint::parse(&head.key).is_some() => Ok(head),
        _ => Err("is not of a transfer".to_owned()),
    }
}

/// Source and target of each job of a run. An item that lies below none of them was not written by that run.
struct JobPaths<'a>(HashSet<(&'a [u8], &'a [u8])>);

impl<'a> JobPaths<'a> {
    fn of(head: &'a ResultHead) -> Self {
        Self(head.jobs.iter().map(|job| (&job.source.0[..], &job.target.0[..])).collect())
    }

    /// True if the item is a job, or has the same path below a job's source and target.
    fn cover(&self, line: &ResultLine) -> bool {
        let (source, target) = (&line.source.0[..], &line.target.0[..]);
        let separators = target.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index);
        self.0.contains(&(source, target))
            || separators.into_iter().any(|index| {
                let below = &target[index + 1..];
                let stays =
                    Path::new(OsStr::from_bytes(below)).components().all(|part| part != Component::ParentDir);
                stays && source.strip_suffix(below).is_some_and(|source| self.has(source, &target[..=index]))
            })
    }

    /// True for a job with these paths, which end with a slash here and may do so there.
    fn has(&self, source: &[u8], target: &[u8]) -> bool {
        let forms = |path: &'_ [u8]| [path.len(), path.len().saturating_sub(1)];
        source.ends_with(b"/")
            && forms(source).iter().any(|source_len| {
                forms(target).iter().any(|len| self.0.contains(&(&source[..*source_len], &target[..*len])))
            })
    }
}

/// Leaves out items below another one, which is done again with all below it.
fn outermost(failed: Vec<ResultLine>) -> Vec<Planned> {
    let wholes: HashSet<Vec<u8>> =
        failed.iter().filter(|line| line.whole).map(|line| line.target.0.clone()).collect();
    let covered = |target: &[u8]| {
        let ends = target.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index);
        ends.into_iter().any(|end| wholes.contains(&target[..end]))
    };
    let mut seen = HashSet::new();
    let wanted =
        failed.into_iter().filter(|line| !covered(&line.target.0) && seen.insert(line.target.0.clone()));
    wanted.map(|ResultLine { source, target, recursive, .. }| Planned { source, target, recursive }).collect()
}

const VERSION: u32 = 1;
/// The first bytes of every result file, whatever its version.
const HEAD: &[u8] = b"{\"result\":";
