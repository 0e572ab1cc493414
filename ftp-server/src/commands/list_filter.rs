//! The entries that a LIST is about: all of them, or those of a pattern.

use super::locate;
use wire::glob::Glob;
use wire::message::List;
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

impl ListFilter {
    pub(super) fn new(storage: &dyn Storage, list: &List) -> Result<Self, Failure> {
        let chosen = if list.pattern.is_root() {
            Chosen::All
        } else if exists(storage, list) {
            Chosen::Literal(list.pattern.clone())
        } else {
            let glob = Glob::new(&list.pattern);
            Chosen::Pattern(
                glob.map_err(|error| Failure::new(FailureCode::LimitExceeded, error.to_string()))?,
            )
        };
        Ok(Self { chosen, recursive: list.recursive })
    }

    /// True for an entry of the listing.
    pub(super) fn lists(&self, path: &RemotePath) -> bool {
        match &self.chosen {
            Chosen::All => true,
            Chosen::Literal(literal) if self.recursive => path.strip_prefix(literal).is_some(),
            Chosen::Literal(literal) => path == literal,
            Chosen::Pattern(glob) if self.recursive => glob.look(path).is_covered,
            Chosen::Pattern(glob) => glob.look(path).is_match,
        }
    }

    pub(super) fn choice(&self, path: &RemotePath, is_folder: bool) -> WalkChoice {
        let is_listed = self.lists(path);
        let leads_on = is_folder && (is_listed && self.recursive || self.leads_on(path));
        if leads_on {
            WalkChoice::Enter
        } else if is_listed {
            WalkChoice::Item
        } else {
            WalkChoice::Exclude
        }
    }

    /// True if an entry of the listing may be below the folder.
    fn leads_on(&self, folder: &RemotePath) -> bool {
        match &self.chosen {
            Chosen::All => self.recursive,
            Chosen::Literal(literal) => folder != literal && literal.strip_prefix(folder).is_some(),
            Chosen::Pattern(glob) => glob.look(folder).leads_on,
        }
    }
}

fn exists(storage: &dyn Storage, list: &List) -> bool {
    let path = list.path.join_path(&list.pattern);
    path.is_ok_and(|path| {
        locate(storage, &path).is_ok_and(|(folder, name)| folder.metadata((&name).into()).is_ok())
    })
}
