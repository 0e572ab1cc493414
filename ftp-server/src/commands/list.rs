//! LIST: one folder, or a whole tree, in pages. A page is made in one blocking job and sent before the next is begun, so a
//! client that does not read costs a page, not a thread.

use super::{Answer, on_pool};
use crate::session::Context;
use tokio_util::sync::CancellationToken;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::control::Envelope;
use wire::limits::{CHUNK_LEN, LISTING_PAGE_ENTRIES_MAX, LISTING_PAGE_LEN};
use wire::message::{Entry, List, Listing, PathFailure};
use wire::metadata::{Kind, Metadata};
use wire::path::NameRef;
use wire::store::walk::{Visit, Walk};
use wire::store::{Folder, Storage, read_fully};
use wire::{Failure, FailureCode, RemotePath};

pub(super) async fn run(context: &Context, id: u32, list: List, cancelled: &CancellationToken) -> Answer {
    let storage = context.storage.clone();
    let path = list.path.clone();
    let mut walk =
        on_pool(storage, move |storage| Ok(Walk::new(storage.folder(&path)?, RemotePath::root())?)).await?;
    loop {
        let (recursive, digests) = (list.recursive, list.digests);
        let (back, page, more) = on_pool(walk, move |mut walk| {
            let (page, more) = fill(&mut walk, recursive, digests);
            Ok((walk, page, more))
        })
        .await?;
        walk = back;
        if cancelled.is_cancelled() {
            return Err(FailureCode::Cancelled.into());
        }
        if !more {
            return Ok(Some(page.into()));
        }
        let envelope = Envelope { request: id, more: true, message: page.into() };
        context.outbox.send(envelope).await.map_err(|_| Failure::from(FailureCode::Cancelled))?;
    }
}

/// Fills a page; true if the walk goes on.
fn fill(walk: &mut Walk, recursive: bool, digests: Option<Checksum>) -> (Listing, bool) {
    let mut page = Listing { entries: Vec::new(), failures: Vec::new() };
    let mut len = 0;
    while len < LISTING_PAGE_LEN && page.entries.len() + page.failures.len() < LISTING_PAGE_ENTRIES_MAX {
        let Some(visit) = (if recursive { walk.step() } else { walk.step_flat() }) else {
            return (page, false);
        };
        match visit {
            Visit::Enter(path, metadata, _) => {
                len += ENTRY_LEN + path.as_bytes().len();
                page.entries.push(Entry { path, metadata, link_target: Vec::new(), digest: None });
            }
            Visit::Item(path, metadata) => match item(walk, path, metadata, digests) {
                Ok(entry) => {
                    len += ENTRY_LEN + entry.path.as_bytes().len() + entry.link_target.len();
                    page.entries.push(entry);
                }
                Err(failed) => page.failures.push(failed),
            },
            Visit::Lost(path, failure) => page.failures.push(PathFailure { path, failure }),
            Visit::Leave(..) => {}
        }
    }
    (page, true)
}

fn item(
    walk: &Walk,
    path: RemotePath,
    metadata: Metadata,
    digests: Option<Checksum>,
) -> Result<Entry, PathFailure> {
    let mut entry = Entry { path, metadata, link_target: Vec::new(), digest: None };
    let result = match (walk.folder(), entry.path.parent_and_name()) {
        (Some(folder), Some((_, name))) => describe(&**folder, name, metadata, digests),
        (None, _) | (_, None) => Ok((Vec::new(), None)),
    };
    match result {
        Ok((link_target, digest)) => {
            (entry.link_target, entry.digest) = (link_target, digest);
            Ok(entry)
        }
        Err(failure) => Err(PathFailure { path: entry.path, failure }),
    }
}

fn describe(
    folder: &dyn Folder,
    name: NameRef<'_>,
    metadata: Metadata,
    digests: Option<Checksum>,
) -> Result<(Vec<u8>, Option<Digest>), Failure> {
    Ok(match (metadata.kind, digests) {
        (Kind::Symlink, _) => (folder.read_link(name)?, None),
        (Kind::File, Some(checksum)) => (Vec::new(), Some(root_of(folder, name, checksum)?)),
        (Kind::File | Kind::Folder | Kind::Special, _) => (Vec::new(), None),
    })
}

/// Reads a file and computes its root digest.
fn root_of(folder: &dyn Folder, name: NameRef<'_>, checksum: Checksum) -> Result<Digest, Failure> {
    let file = folder.open_file(name)?;
    let size = file.identity()?.metadata.size;
    let mut root = RootBuilder::new(checksum);
    let mut chunk = vec![0; CHUNK_LEN];
    let mut offset = 0;
    while offset < size {
        let len = usize::try_from(size - offset).unwrap_or(CHUNK_LEN).min(CHUNK_LEN);
        let read = read_fully(&*file, &mut [std::io::IoSliceMut::new(&mut chunk[..len])], offset)?;
        if read < len {
            return Err(FailureCode::SourceChanged.into());
        }
        let place = ChunkPlace::at(offset, offset + len as u64 == size);
        root.add(offset / CHUNK_LEN as u64, checksum.of_chunk(place, [&chunk[..len]]));
        offset += len as u64;
    }
    root.root(size).ok_or_else(|| FailureCode::SourceChanged.into())
}

/// About what an entry takes beside its path.
const ENTRY_LEN: usize = 50;
