//! Fetching many files of one folder, in one job: what was listed is asked for item by item, without waiting.

use crate::error::Error;
use crate::local;
use crate::local_error_context::LocalErrorContext;
use crate::mirror::SelectionJob;
use crate::observer::{TransferObserver, TransferSummary};
use crate::options::{TransferOptions, keeping};
use crate::report::Reporter;
use crate::resume_store::ResumeRecord;
use crate::session::{Pages, Session};
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;
use wire::engine::JobObserver as _;
use wire::journal::origin_of;
use wire::message::{Entry, Resume, Totals, WantedItem};
use wire::metadata::Kind;
use wire::store::{Base, FolderCache, Sink, TreeSink};
use wire::{Name, RemotePath};

/// Many files to fetch.
#[derive(Clone)]
pub struct GetManyRequest {
    /// From this folder.
    pub folder: RemotePath,
    /// These names; all differ.
    pub names: Vec<Name>,
    /// Links as they are.
    pub recursive: bool,
    /// Into this folder, under the same names.
    pub target: PathBuf,
    /// The rules of the transfer.
    pub options: TransferOptions,
}

/// The outcome of fetching many files.
pub struct Fetched {
    /// Counts of those that were fetched.
    pub summary: TransferSummary,
    /// Names that are none of a file, and were not asked for: each needs a request of its own.
    pub left: Vec<Name>,
}

impl Session {
    /// Fetches those of many names that are files, in one job. Reported paths are the names.
    ///
    /// # Errors
    /// If no item could be fetched, or the connection is lost; items that fail are in the summary.
    pub async fn get_many(
        &self,
        request: GetManyRequest,
        observer: Arc<dyn TransferObserver>,
    ) -> Result<Fetched, Error> {
        let reporter = Reporter::new(observer, self.checksum());
        let about = request.options.resume.then(|| {
            let target = std::path::absolute(&request.target).unwrap_or_else(|_| request.target.clone());
            let parts: [&[u8]; 4] =
                [b"get many", &self.inner.key, request.folder.as_bytes(), target.as_os_str().as_bytes()];
            let names = request.names.iter().map(Name::as_bytes);
            origin_of(&parts.into_iter().chain(names).collect::<Vec<_>>())
        });
        self.lasting(about, |session, again, record| {
            let (request, reporter) = (request.clone(), reporter.clone());
            Box::pin(async move {
                let mut listed = ListedItems::open(&session, &request).await?;
                let mut summary = TransferSummary::default();
                if listed.has_next().await? {
                    summary = many(&session, &request, &mut listed, again, &record, &reporter).await?;
                }
                Ok(Fetched { summary, left: listed.left() })
            })
        })
        .await
    }
}

/// Fetches files and links of a folder to a local folder, while they are listed.
async fn many(
    session: &Session,
    request: &GetManyRequest,
    listed: &mut ListedItems<'_>,
    resume: Resume,
    record: &Arc<ResumeRecord>,
    reporter: &Arc<Reporter>,
) -> Result<TransferSummary, Error> {
    let GetManyRequest { folder: path, target, options, .. } = request.clone();
    let (rules, options, power) = (options.sending(), options.received(), options.survive_power());
    let options =
        options.sink(keeping(session, resume), (resume == Resume::Again).then(|| record.first_attempt_at()));
    let (placing, here) = (record.clone(), session.clone());
    let (target, folder, unproven) = local::blocking(move || {
        placing.set_place(target.as_os_str().as_bytes());
        let target = local::whole(&target)?;
        local::check_target(&target, None)?;
        let folder = local::folder(&target)?;
        let unproven = here.begin_writing(&folder, power);
        Ok((target, folder, unproven))
    })
    .await?;
    let sink = TreeSink::new(Base::Folder(FolderCache::new(folder)), options).doubting(unproven);
    let sink = sink.found_by(move || local::find(&target));
    let sink: Box<dyn Sink> = Box::new(sink);
    let sink = Box::new(LocalErrorContext(sink));
    let mut selection = SelectionJob::open(session, path, sink, resume, rules, reporter.clone()).await?;
    let (mut totals, mut items, mut listing) = (Totals::default(), listed.next().await?, Ok(()));
    while let Some(asked) = items.take() {
        totals.files += asked.len() as u64;
        totals.bytes += asked.iter().map(|item| item.metadata.size).sum::<u64>();
        reporter.totals(totals);
        let is_open;
        (selection, is_open) = local::blocking(move || {
            let is_open = asked.into_iter().all(|item| selection.send(item.path, item.metadata));
            Ok((selection, is_open))
        })
        .await?;
        if is_open {
            match listed.next().await {
                Ok(next) => items = next,
                Err(error) => listing = Err(error),
            }
        } // else the job's end tells why
    }
    reporter.totals(Totals { complete: true, ..totals });
    let runtime = Handle::current();
    let summary = local::blocking(move || selection.close(&runtime)).await?;
    listing.map(|()| summary)
}

/// A folder's listing, as far as it tells of names that are to be fetched.
struct ListedItems<'a> {
    pages: Pages,
    /// The next items, if they were read and not taken yet.
    ahead: Option<Vec<WantedItem>>,
    names: &'a [Name],
    wanted: HashSet<&'a [u8]>,
    links: bool,
    /// Entries that are still looked at.
    entries_left: usize,
}

impl<'a> ListedItems<'a> {
    async fn open(session: &Session, request: &'a GetManyRequest) -> Result<Self, Error> {
        let names = &request.names[..];
        Ok(Self {
            pages: session.list(&request.folder, false).await?,
            ahead: None,
            names,
            wanted: names.iter().map(Name::as_bytes).collect(),
            links: request.recursive,
            entries_left: names.len().saturating_mul(LISTED_PER_NAME_MAX),
        })
    }

    /// True if there is anything that a job may ask for.
    ///
    /// # Errors
    /// If the connection is lost.
    async fn has_next(&mut self) -> Result<bool, Error> {
        self.ahead = self.next().await?;
        Ok(self.ahead.is_some())
    }

    /// Returns the next items that a job may ask for, and `None` after the last.
    ///
    /// # Errors
    /// If the connection is lost. A folder that cannot be listed yields no items: each request reports why by itself.
    async fn next(&mut self) -> Result<Option<Vec<WantedItem>>, Error> {
        if let Some(items) = self.ahead.take() {
            return Ok(Some(items));
        }
        while !self.wanted.is_empty() && self.entries_left > 0 {
            let page = match self.pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.concerns_one_item() => break,
                Err(error) => return Err(error),
            };
            self.entries_left = self.entries_left.saturating_sub(page.entries.len());
            let mut items = Vec::with_capacity(page.entries.len());
            for Entry { path, metadata, .. } in page.entries {
                if self.is_item(metadata.kind) && self.wanted.remove(path.as_bytes()) {
                    items.push(WantedItem { path, metadata });
                }
            }
            if !items.is_empty() {
                return Ok(Some(items));
            }
        }
        Ok(None)
    }

    fn is_item(&self, kind: Kind) -> bool {
        match kind {
            Kind::File => true,
            Kind::Symlink => self.links,
            Kind::Folder | Kind::Special => false,
        }
    }

    /// Names of what no job may ask for: what is missing, a folder, or a link that is to be followed.
    fn left(&self) -> Vec<Name> {
        self.names.iter().filter(|name| self.wanted.contains(name.as_bytes())).cloned().collect()
    }
}

/// Entries of a listing that are looked at for each name: few names of a large folder are asked for one by one.
const LISTED_PER_NAME_MAX: usize = 64;
