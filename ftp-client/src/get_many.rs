//! Fetching many files of one folder, in one job: what was listed is asked for item by item, without waiting.

use crate::error::Error;
use crate::get::keeping;
use crate::here::Here;
use crate::interrupted::Mark;
use crate::local;
use crate::mirror::Selection;
use crate::observer::Summary;
use crate::report::Reporter;
use crate::session::{GetManyRequest, Listed, Session};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use tokio::runtime::Handle;
use wire::engine::{Base, Observer as _, Sink, TreeSink, TreeSinkOptions};
use wire::message::{Resume, Totals, WantedItem};
use wire::store::FolderCache;

/// Fetches files and links of a folder to a local folder, while they are listed: `first` are those that came first.
pub(crate) async fn many(
    session: &Session,
    request: &GetManyRequest,
    (first, listed): (Vec<WantedItem>, &mut Listed<'_>),
    resume: Resume,
    mark: &Arc<Mark>,
    reporter: &Arc<Reporter>,
) -> Result<Summary, Error> {
    let GetManyRequest { folder: path, target, overwrite, durability, changing, modes, .. } = request.clone();
    let modes = modes.received();
    let (keeping, begun) = (keeping(session, resume), (resume == Resume::Again).then(|| mark.begun()));
    let options = TreeSinkOptions {
        overwrite,
        add_only: false,
        takes_over: true,
        modes,
        sparse: false,
        durability,
        keeping,
        begun,
    };
    let (placing, here) = (mark.clone(), session.clone());
    let (folder, unproven) = local::blocking(move || {
        placing.place(target.as_os_str().as_bytes());
        let folder = local::folder(&target)?;
        let unproven = here.begin_writing(&folder, durability);
        Ok((folder, unproven))
    })
    .await?;
    let sink = TreeSink::new(Base::Folder(FolderCache::new(folder)), options).doubting(unproven);
    let sink: Box<dyn Sink> = Box::new(sink);
    let sink = Box::new(Here(sink));
    let mut selection = Selection::open(session, path, sink, (resume, changing), reporter.clone()).await?;
    let (mut totals, mut items, mut listing) = (Totals::default(), Some(first), Ok(()));
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
