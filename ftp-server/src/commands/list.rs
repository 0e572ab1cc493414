//! LIST: one folder, or a whole tree, in pages. A page is made in one blocking job, and the next one while that is sent; a
//! client that does not read costs two pages, not a thread.

use super::CommandAnswer;
use super::list_filter::ListFilter;
use crate::context::Context;
use crate::events::Operation;
use crate::workspace::Workspace;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::control::Envelope;
use wire::limits::{CHUNK_LEN, LISTING_PAGE_ENTRIES_MAX, LISTING_PAGE_LEN};
use wire::message::{Entry, List, Listing, PathFailure};
use wire::store::digest::StopCheck;
use wire::store::entry::{EntryFields, describe};
use wire::store::marks::Unproven;
use wire::store::walk::{Visit, Walk};
use wire::{Failure, FailureCode, RemotePath};

pub(super) async fn run(
    context: &Context,
    id: u32,
    list: List,
    cancelled: &CancellationToken,
    operation: &Operation,
) -> CommandAnswer {
    let _listing = context.listing.acquire().await.map_err(|_| Failure::from(FailureCode::Cancelled))?;
    let _room = tokio::select! {
        room = context.exchange.room(PAGES_LEN) => room,
        () = cancelled.cancelled() => return Err(FailureCode::Cancelled.into()),
    };
    let turns = context.turns(id).ok_or(FailureCode::BadState)?;
    let marks = context.workspace.marks.clone();
    let listed = context
        .workspace
        .on_storage(move |storage| {
            storage.capabilities().require_details(list.details)?;
            let filter = ListFilter::new(&*storage, &list)?;
            let walk = Walk::new(storage.tree(&list.path, list.follow)?, RemotePath::root())?;
            let unproven = marks.map(|marks| marks.unproven()).unwrap_or_default();
            Ok(ActiveListing { walk, unproven, filter, wish: EntryFields::from(&list) })
        })
        .await?;
    let (pages, mut made) = mpsc::channel(1);
    let making = make_pages(&context.workspace, listed, cancelled, pages);
    let sending = async {
        while let Some((page, more)) = made.recv().await {
            if cancelled.is_cancelled() {
                return Err(FailureCode::Cancelled.into());
            }
            operation.listed(&page);
            if !more {
                return Ok(Some(page.into()));
            }
            // Never closed, so a permit always comes: when the client has taken pages, or with the request's end.
            if let Ok(turn) = turns.acquire().await {
                turn.forget();
            }
            let envelope = Envelope { request: id, more: true, message: page.into() };
            context.outbox.send(envelope).await.map_err(|_| Failure::from(FailureCode::Cancelled))?;
        }
        Err(FailureCode::Cancelled.into()) // the task that makes pages reports the reason, if it can
    };
    tokio::select! {
        biased;
        answer = sending => answer,
        () = cancelled.cancelled() => Err(FailureCode::Cancelled.into()),
        Err(failure) = making => Err(failure),
    }
}

/// A listing under way.
struct ActiveListing {
    walk: Walk,
    unproven: Unproven,
    filter: ListFilter,
    wish: EntryFields,
}

/// Makes one page after the other, as they are taken.
async fn make_pages(
    workspace: &Workspace,
    mut listed: ActiveListing,
    cancelled: &CancellationToken,
    pages: mpsc::Sender<(Listing, bool)>,
) -> Result<(), Failure> {
    loop {
        let cancelled = cancelled.clone();
        let (back, page, more) = workspace
            .on_disk(listed, move |mut listed| {
                let (page, more) = fill(&mut listed, &|| cancelled.is_cancelled());
                Ok((listed, page, more))
            })
            .await?;
        listed = back;
        if more && page.entries.is_empty() && page.failures.is_empty() {
            continue; // others take their turn
        }
        if pages.send((page, more)).await.is_err() || !more {
            return Ok(()); // the receiver has gone
        }
    }
}

/// Fills a page; true if the walk goes on.
fn fill(listed: &mut ActiveListing, stop: StopCheck<'_>) -> (Listing, bool) {
    let ActiveListing { walk, unproven, filter, wish } = listed;
    let mut page = Listing { entries: Vec::new(), failures: Vec::new() };
    let mut len = 0;
    let mut visits = 0;
    while !stop()
        && len < LISTING_PAGE_LEN
        && visits < VISITS_A_TURN
        && page.entries.len() + page.failures.len() < LISTING_PAGE_ENTRIES_MAX
    {
        let Some(visit) = walk.step_filtered(&|path, is_folder| filter.choice(path, is_folder)) else {
            return (page, false);
        };
        visits += 1;
        if matches!(&visit, Visit::Enter(path, ..) if !filter.look(path).is_listed) {
            continue; // a match may be in it
        }
        match describe(walk, visit, *wish, stop) {
            Some(Ok(mut entry)) => {
                unproven.tell(walk, &mut entry);
                len += entry_len(&entry);
                page.entries.push(entry);
            }
            Some(Err(failed)) => {
                len += failure_len(&failed);
                page.failures.push(failed);
            }
            None => {}
        }
    }
    (page, true)
}

/// Returns the approximate length of an entry on the wire.
fn entry_len(entry: &Entry) -> usize {
    let xattrs = entry.details.iter().filter_map(|details| details.xattrs.as_ref()).flatten();
    let xattrs: usize = xattrs.map(|xattr| LENGTHS + xattr.name.len() + xattr.value.len()).sum();
    ENTRY_LEN + entry.path.as_bytes().len() + entry.link_target.len() + xattrs
}

fn failure_len(failed: &PathFailure) -> usize {
    LENGTHS + failed.path.as_bytes().len() + failed.failure.message.len()
}

/// Most visits of a walk in one job on the disk: few of them may match.
const VISITS_A_TURN: usize = 2 * LISTING_PAGE_ENTRIES_MAX;
/// Memory of two pages and their bytes, and of a file that is hashed.
const PAGES_LEN: usize = 4 * LISTING_PAGE_LEN + CHUNK_LEN;
/// Approximate length of an entry without its path.
const ENTRY_LEN: usize = 50;
/// The lengths of two strings.
const LENGTHS: usize = 16;
