//! The entries that a LIST is about: all of them, or those of a pattern.

use super::locate;
use std::io;
use wire::glob::Glob;
use wire::message::List;
use wire::metadata::Kind;
use wire::store::Storage;
use wire::store::walk::WalkChoice;
use wire::{Failure, FailureCode, RemotePath};

/// Chooses entries, and the folders that they may be in.
pub(super) struct ListFilter {
    chosen: Chosen,
    recursive: bool,
}

enum Chosen {
    /// Those of the folder.
    All,
    /// The one whose path is what the pattern says by the letter.
    Literal(RemotePath),
    Pattern(Glob),
}

/// The place of a path in a listing.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListChoice {
    /// It is an entry of the listing.
    pub(super) is_listed: bool,
    /// As a folder, it may contain entries of the listing.
    leads_on: bool,
}

impl ListFilter {
    pub(super) fn new(storage: &dyn Storage, list: &List) -> Result<Self, Failure> {
        let chosen = if list.pattern.is_root() {
            Chosen::All
        } else if exists(storage, list)? {
            Chosen::Literal(list.pattern.clone())
        } else {
            let glob = Glob::new(&list.pattern);
            Chosen::Pattern(
                glob.map_err(|error| Failure::new(FailureCode::LimitExceeded, error.to_string()))?,
            )
        };
        Ok(Self { chosen, recursive: list.recursive })
    }

    pub(super) fn look(&self, path: &RemotePath) -> ListChoice {
        let (is_match, is_covered, leads_on) = match &self.chosen {
            Chosen::All => (true, true, false),
            Chosen::Literal(literal) => {
                let is_covered = path.strip_prefix(literal).is_some();
                (path == literal, is_covered, !is_covered && literal.strip_prefix(path).is_some())
            }
            Chosen::Pattern(glob) => {
                let found = glob.look(path);
                (found.is_match, found.is_covered, found.leads_on)
            }
        };
        let is_listed = if self.recursive { is_covered } else { is_match };
        ListChoice { is_listed, leads_on: leads_on || (self.recursive && is_covered) }
    }

    pub(super) fn choice(&self, path: &RemotePath, is_folder: bool) -> WalkChoice {
        let ListChoice { is_listed, leads_on } = self.look(path);
        if is_folder && leads_on {
            WalkChoice::Enter
        } else if is_listed {
            WalkChoice::Item
        } else {
            WalkChoice::Exclude
        }
    }
}

/// True if there is an entry with the pattern as its path, in folders that a walk enters.
fn exists(storage: &dyn Storage, list: &List) -> Result<bool, Failure> {
    let mut path = list.path.clone();
    let mut kind = Kind::Folder;
    for name in list.pattern.names() {
        if kind != Kind::Folder {
            return Ok(false);
        }
        path = path.join(name)?;
        let (folder, name) = locate(storage, &path)?;
        kind = match folder.metadata((&name).into()) {
            Ok(metadata) => metadata.kind,
            Err(error) if is_no_name(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(true)
}

/// True if nothing has the name, or nothing can have it on this filesystem.
fn is_no_name(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotFound};
    [NotFound, InvalidInput, InvalidFilename].contains(&error.kind())
}
