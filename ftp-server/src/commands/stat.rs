//! STAT: metadata of one path.

use super::locate;
use wire::message::{Details, Entry, EntryDetails, Stat};
use wire::metadata::{Kind, Metadata};
use wire::store::Storage;
use wire::store::entry::of_folder;
use wire::store::marks::Marks;
use wire::{Failure, RemotePath};

pub(super) fn run(storage: &dyn Storage, stat: Stat, marks: Option<&Marks>) -> Result<Entry, Failure> {
    storage.capabilities().require_details(stat.details)?;
    if stat.path.is_root() || stat.follow {
        let metadata = storage.metadata(&stat.path)?;
        if metadata.kind == Kind::Folder {
            let folder = storage.folder(&stat.path)?;
            return Ok(of_folder(&*folder, stat.path, stat.details)?);
        }
        return Ok(entry(stat.path, metadata, Vec::new(), None));
    }
    let (folder, name) = locate(storage, &stat.path)?;
    let metadata = folder.metadata((&name).into())?;
    let link_target = match metadata.kind {
        Kind::Symlink => folder.read_link((&name).into())?,
        Kind::File | Kind::Folder | Kind::Special => Vec::new(),
    };
    let mut details = if stat.details == Details::default() {
        None
    } else {
        Some(Box::new(folder.details(Some((&name).into()), stat.details)?))
    };
    if metadata.kind == Kind::File
        && marks.is_some_and(|marks| marks.unproven().covers_file(&*folder, (&name).into()))
    {
        details.get_or_insert_default().is_unproven = true;
    }
    Ok(entry(stat.path, metadata, link_target, details))
}

fn entry(
    path: RemotePath,
    metadata: Metadata,
    link_target: Vec<u8>,
    details: Option<Box<EntryDetails>>,
) -> Entry {
    Entry { path, metadata, link_target, digest: None, details }
}
