//! Runs many sources of one command as one job, with reports as if each source were a job of its own.

use super::job::{JobRequest, TransferJob};
use crate::cli::output::Watcher;
use ftp_client::many::NamedSource;
use ftp_client::observer::{TransferEvent, TransferObserver};
use ftp_client::{GetManyRequest, GetRequest, PutManyRequest, PutRequest, PutSource};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use wire::{Name, RemotePath};

/// The one request that does what all jobs do, if there is one: several sources, each a name of its own in `folder`.
pub(super) fn request(jobs: &[TransferJob], folder: &RemotePath) -> Option<PutManyRequest> {
    let [TransferJob { request: JobRequest::Put(first, None), removes_source: false, .. }, _, ..] = jobs
    else {
        return None;
    };
    let sources = jobs.iter().map(named).collect::<Option<Vec<_>>>()?;
    let is_tree = |request: &PutRequest| matches!(request.source, PutSource::Tree(_));
    Some(PutManyRequest {
        sources: sources.into(),
        recursive: is_tree(first),
        folder: folder.clone(),
        totals: first.totals,
        options: first.options.clone(),
    })
}

/// Requests that fetch several names of one folder each, with the numbers of the jobs whose names these are.
pub(super) fn fetches(jobs: &[&TransferJob]) -> Vec<(GetManyRequest, Vec<usize>)> {
    let mut groups: HashMap<FetchGroup<'_>, Vec<Fetch<'_>>> = HashMap::new();
    for (number, job) in jobs.iter().enumerate() {
        if let JobRequest::Get(request) = &job.request
            && !request.must_be_folder
            && !job.removes_source
            && let Some((folder, last)) = request.path.parent_and_name()
            && let Some(name) = request.into.as_ref().filter(|name| name.as_bytes() == last.as_bytes())
        {
            let target = request.target.as_os_str().as_bytes();
            groups.entry(FetchGroup { target, folder }).or_default().push(Fetch { number, request, name });
        }
    }
    let several = groups.into_iter().filter(|(key, group)| {
        group.len() >= FETCHES_MIN && Path::new(OsStr::from_bytes(key.target)).is_dir()
    });
    several.filter_map(|(key, group)| fetch(key.folder, &group)).collect()
}

/// The target and folder that jobs have in common which become one. Bytes, since many are compared.
#[derive(PartialEq, Eq, Hash)]
struct FetchGroup<'a> {
    target: &'a [u8],
    folder: &'a [u8],
}

/// A job among others of the same folder.
struct Fetch<'a> {
    number: usize,
    request: &'a GetRequest,
    name: &'a Name,
}

fn fetch(folder: &[u8], group: &[Fetch<'_>]) -> Option<(GetManyRequest, Vec<usize>)> {
    let first = group.first()?.request;
    let request = GetManyRequest {
        folder: RemotePath::from_wire(folder).ok()?,
        names: group.iter().map(|fetch| fetch.name.clone()).collect(),
        recursive: first.recursive,
        target: first.target.clone(),
        options: first.options.clone(),
    };
    Some((request, group.iter().map(|fetch| fetch.number).collect()))
}

fn named(job: &TransferJob) -> Option<NamedSource> {
    let JobRequest::Put(PutRequest { source, path, into: None, .. }, None) = &job.request else {
        return None;
    };
    match source {
        PutSource::File(local) | PutSource::Tree(local) => {
            let (_, name) = path.split_last()?;
            Some(NamedSource { path: local.clone(), name })
        }
        PutSource::Stream(_) => None,
    }
}

/// Names of a folder from which on it is listed, so that they become one job; fewer are jobs at the same time.
const FETCHES_MIN: usize = 16;

/// Observes one job and passes each source's reports to a watcher of its own.
pub(super) struct ByName {
    watchers: HashMap<Vec<u8>, Arc<Watcher>>,
    /// Receives the reports on all sources together.
    all: Arc<Watcher>,
}

impl ByName {
    /// `watchers` are of the sources with these names, in their order.
    pub(super) fn new<'a>(
        names: impl Iterator<Item = &'a Name>,
        watchers: &[Arc<Watcher>],
        all: Arc<Watcher>,
    ) -> Self {
        let names = names.map(|name| name.as_bytes().to_vec());
        Self { watchers: names.zip(watchers.iter().cloned()).collect(), all }
    }

    /// The watcher of a path's source, and the path below that.
    fn of(&self, path: &RemotePath) -> (&Watcher, RemotePath) {
        let bytes = path.as_bytes();
        let (name, below) = match bytes.iter().position(|byte| *byte == b'/') {
            Some(slash) => (&bytes[..slash], &bytes[slash + 1..]),
            None => (bytes, &b""[..]),
        };
        match (self.watchers.get(name), RemotePath::from_wire(below)) {
            (Some(watcher), Ok(below)) => (watcher, below),
            _ => (&self.all, path.clone()),
        }
    }
}

impl TransferObserver for ByName {
    fn on_event(&self, event: &TransferEvent<'_>) {
        match event.path() {
            Some(path) => {
                let (watcher, below) = self.of(path);
                watcher.on_event(&event.at(&below));
            }
            None => self.all.on_event(event),
        }
    }
}
