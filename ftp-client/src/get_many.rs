//! Fetching many files of one folder, in one job: what was listed is asked for item by item, without waiting.

use crate::error::Error;
use crate::get::keeping;
use crate::here::Here;
use crate::interrupted::Mark;
use crate::local;
use crate::mirror::Selection;
use crate::observer::Summary;
use crate::report::Reporter;
use crate::session::{GetManyRequest, Session};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use tokio::runtime::Handle;
use wire::engine::{Base, Observer as _, Sink, TreeSink, TreeSinkOptions};
use wire::message::{Resume, Totals, WantedItem};
use wire::store::FolderCache;

/// Fetches files and links of a folder, which were listed, to a local folder.
pub(crate) async fn many(
    session: &Session,
    request: &GetManyRequest,
    items: Vec<WantedItem>,
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
    let placing = mark.clone();
    let folder = local::blocking(move || {
        placing.place(target.as_os_str().as_bytes());
        local::folder(&target)
    })
    .await?;
    let sink: Box<dyn Sink> = Box::new(TreeSink::new(Base::Folder(FolderCache::new(folder)), options));
    let sink = Box::new(Here(sink));
    let mut totals = Totals { files: items.len() as u64, bytes: 0, complete: true };
    totals.bytes = items.iter().map(|item| item.metadata.size).sum();
    reporter.totals(totals);
    let mut selection = Selection::open(session, path, sink, (resume, changing), reporter.clone()).await?;
    let runtime = Handle::current();
    local::blocking(move || {
        for item in items {
            if !selection.send(item.path, item.metadata) {
                break; // the job's end tells why
            }
        }
        selection.close(&runtime)
    })
    .await
}
