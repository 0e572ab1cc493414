//! Decides how a run is undone: by what each path had before, what the run gave it, and what it has now. Pure.
//!
//! A path that has what it had before is done already, so an undo that was interrupted is gone on with by the same command. A path that
//! has neither what the run gave it nor nothing was changed by somebody else, and stays.

use crate::error::Error;
use crate::mirror::plan::{EntryState, PlanItem};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wire::message::Change;
use wire::metadata::{Kind, Metadata};
use wire::{RemotePath, path::NameRef};

/// What a run did at a path.
#[derive(Debug, Clone, Default)]
pub(super) struct PathHistory {
    pub(super) before: Option<Metadata>,
    pub(super) after: Option<Metadata>,
    /// More than its time and permissions was changed.
    has_new_content: bool,
    /// The path that it was moved to.
    moved_to: Option<RemotePath>,
    /// It was moved there.
    is_moved_here: bool,
}

/// The paths of a record.
pub(super) type Histories = BTreeMap<RemotePath, PathHistory>;

/// Files in a backup folder, by the path that they had in the target.
pub(super) type Versions = HashMap<RemotePath, Vec<(RemotePath, Metadata)>>;

/// The way in which an item is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoAction {
    /// What was replaced is there again.
    Restored,
    /// What was deleted is there again.
    Recreated,
    /// What was new is removed.
    Removed,
    /// What was moved has its old path again.
    MovedBack,
    /// Time and permissions are as before.
    Metadata,
}

/// An item to undo: its changes, of which each needs the one before.
pub(super) struct UndoStep {
    pub(super) action: UndoAction,
    pub(super) path: RemotePath,
    pub(super) changes: Vec<Change>,
}

/// The reason why an item is not undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    Changed,
    NoVersion,
}

/// The decisions.
#[derive(Default)]
pub(super) struct UndoPlan {
    /// In the order in which they are to be made.
    pub(super) steps: Vec<UndoStep>,
    pub(super) obstacles: Vec<(RemotePath, Obstacle)>,
}

/// Sums up the actions of a run: what each path had at first, and what it got at last.
pub(super) fn histories(items: &[PlanItem]) -> Result<Histories, Error> {
    let mut histories = Histories::new();
    for item in items {
        let path = path_of(&item.path.0)?;
        let state = |state: &Option<EntryState>| state.as_ref().and_then(EntryState::metadata);
        let (source, target) = (state(&item.source), state(&item.target));
        if item.action == "moved"
            && let Some(from) = &item.from
        {
            let from = path_of(&from.0)?;
            let old = histories
                .entry(from)
                .or_insert_with(|| PathHistory { before: target, ..PathHistory::default() });
            (old.after, old.has_new_content, old.moved_to) = (None, true, Some(path.clone()));
            let new = histories.entry(path).or_default();
            (new.after, new.has_new_content, new.is_moved_here) = (source, true, true);
            continue;
        }
        let history =
            histories.entry(path).or_insert_with(|| PathHistory { before: target, ..PathHistory::default() });
        history.after = source;
        history.has_new_content |= item.action != "metadata";
    }
    Ok(histories)
}

fn path_of(bytes: &[u8]) -> Result<RemotePath, Error> {
    RemotePath::from_wire(bytes).map_err(|error| Error::Usage(format!("the record names no path: {error}")))
}

/// Where the paths of steps begin.
pub(super) struct UndoPlaces<'a> {
    pub(super) target: &'a RemotePath,
    pub(super) now: &'a HashMap<RemotePath, Metadata>,
    pub(super) versions: &'a Versions,
    /// Items that were changed since are undone too.
    pub(super) force: bool,
}

impl UndoPlaces<'_> {
    /// Decides on all paths.
    pub(super) fn plan(&self, histories: &Histories) -> Result<UndoPlan, Error> {
        let mut plan = UndoPlan::default();
        let (mut removed, mut folders_removed, mut folders_made) = (Vec::new(), Vec::new(), Vec::new());
        let (mut restored, mut metadata) = (Vec::new(), Vec::new());
        let moved_back: BTreeSet<_> =
            histories.values().filter_map(|history| history.moved_to.clone()).collect();
        for (path, history) in histories {
            let now = self.now.get(path);
            if is_as_before(history, now) {
                continue;
            }
            let is_ours = match (now, &history.after) {
                (None, _) => history.before.is_some(),
                (Some(now), Some(after)) => is_same(now, after),
                (Some(_), None) => false,
            };
            if !is_ours && !self.force {
                plan.obstacles.push((path.clone(), Obstacle::Changed));
                continue;
            }
            match (&history.before, now) {
                (None, _) if history.is_moved_here && moved_back.contains(path) => {} // it goes with the other path
                (None, Some(now)) if now.kind == Kind::Folder => {
                    folders_removed.push(self.removal(path, now)?)
                }
                (None, Some(now)) => removed.push(self.removal(path, now)?),
                (None, None) => {}
                (Some(before), _) if before.kind == Kind::Folder => {
                    folders_removed.extend(now.map(|now| self.removal(path, now)).transpose()?);
                    folders_made.push(self.folder(path)?);
                    metadata.push(self.metadata(path, before)?);
                }
                (Some(before), Some(_)) if !history.has_new_content => {
                    metadata.push(self.metadata(path, before)?)
                }
                (Some(before), now) => match self.restoration(path, history, before, now)? {
                    Some(step) => {
                        let folder = now.filter(|now| now.kind == Kind::Folder);
                        folders_removed.extend(folder.map(|now| self.removal(path, now)).transpose()?);
                        restored.push(step);
                    }
                    None => plan.obstacles.push((path.clone(), Obstacle::NoVersion)),
                },
            }
        }
        folders_removed.reverse();
        metadata.reverse();
        plan.steps =
            [removed, folders_removed, folders_made, restored, metadata].into_iter().flatten().collect();
        Ok(plan)
    }

    fn full(&self, path: &RemotePath) -> Result<RemotePath, Error> {
        self.target.join_path(path).map_err(|error| Error::remote(self.target, error))
    }

    fn removal(&self, path: &RemotePath, now: &Metadata) -> Result<UndoStep, Error> {
        let full = self.full(path)?;
        let change = match now.kind {
            Kind::Folder => Change::RemoveFolder { path: full },
            Kind::File | Kind::Symlink | Kind::Special => Change::RemoveFile { path: full, was: Some(*now) },
        };
        Ok(UndoStep { action: UndoAction::Removed, path: path.clone(), changes: vec![change] })
    }

    fn folder(&self, path: &RemotePath) -> Result<UndoStep, Error> {
        let changes = vec![Change::MakeFolder { path: self.full(path)? }];
        Ok(UndoStep { action: UndoAction::Recreated, path: path.clone(), changes })
    }

    fn metadata(&self, path: &RemotePath, before: &Metadata) -> Result<UndoStep, Error> {
        let (modified, mode) =
            (Some(before.modified), Some(before.mode).filter(|_| before.kind != Kind::Symlink));
        let changes = vec![Change::SetMetadata { path: self.full(path)?, modified, mode }];
        Ok(UndoStep { action: UndoAction::Metadata, path: path.clone(), changes })
    }

    /// Puts the old file in its place: the one that the run has moved, or the version in the backup.
    fn restoration(
        &self,
        path: &RemotePath,
        history: &PathHistory,
        before: &Metadata,
        now: Option<&Metadata>,
    ) -> Result<Option<UndoStep>, Error> {
        let moved = history.moved_to.as_ref().filter(|moved| {
            self.now.get(moved).is_some_and(|now| (now.kind, now.size) == (before.kind, before.size))
        });
        let (from, was, action) = if let Some(moved) = moved {
            let Some(now) = self.now.get(moved) else { return Ok(None) };
            (self.full(moved)?, *now, UndoAction::MovedBack)
        } else {
            let kept = self.versions.get(path).into_iter().flatten();
            let Some((from, was)) = kept.into_iter().find(|(_, kept)| kept.is_unchanged_since(before)) else {
                return Ok(None);
            };
            let action = if now.is_some() { UndoAction::Restored } else { UndoAction::Recreated };
            (from.clone(), *was, action)
        };
        let to = self.full(path)?;
        let removal = now.filter(|now| now.kind != Kind::Folder);
        let removal = removal.map(|now| Change::RemoveFile { path: to.clone(), was: Some(*now) });
        let moving = Change::Move { from, to: to.clone(), was };
        let same_time = was.modified == before.modified && was.mode == before.mode;
        let mode = Some(before.mode).filter(|_| before.kind != Kind::Symlink);
        let set =
            (!same_time).then_some(Change::SetMetadata { path: to, modified: Some(before.modified), mode });
        let changes = removal.into_iter().chain([moving]).chain(set).collect();
        Ok(Some(UndoStep { action, path: path.clone(), changes }))
    }
}

/// True if nothing is left to do.
fn is_as_before(history: &PathHistory, now: Option<&Metadata>) -> bool {
    match (&history.before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => {
            is_same(now, before) && (history.has_new_content || now.mode == before.mode)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Folders are the same whatever their time: what is put into them changes it.
fn is_same(now: &Metadata, other: &Metadata) -> bool {
    let is_folder = now.kind == Kind::Folder && other.kind == Kind::Folder;
    is_folder || now.is_unchanged_since(other)
}

/// Returns the path that a file in a backup folder had in the target, if its name is that of a version.
pub(super) fn unnumbered(path: &RemotePath) -> Option<RemotePath> {
    let (folder, name) = path.parent_and_name()?;
    let rest = name.as_bytes().strip_suffix(b"~")?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let base = rest[..rest.len() - digits].strip_suffix(b".~").filter(|_| digits > 0)?;
    let base = NameRef::new(base).ok()?.to_name();
    RemotePath::from_wire(folder).ok()?.join(&base).ok()
}
