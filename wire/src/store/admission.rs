//! Decides whether an item may take its name: when the item begins, and again when it gets the name. Minutes may lie between
//! the two, and another program may have written there meanwhile.
//!
//! The last look and the rename are two system calls: a file written just between them is replaced, as if it had been written a
//! moment earlier under a rule that replaces. Where the rule replaces no file, the rename itself refuses.

use crate::failure::{Failure, FailureCode};
use crate::fidelity::FidelityReport;
use crate::message::{Details, EntryDetails, Overwrite};
use crate::metadata::{Kind, Metadata, Timestamp};
use crate::path::NameRef;
use crate::store::{Folder, Identity, Spellings};
use crate::sync::lock;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

/// How a sink treats existing entries.
pub(crate) struct AdmissionRule {
    overwrite: Overwrite,
    /// Refuse existing entries instead of skipping them.
    add_only: bool,
    /// Fidelity of filesystems, by their number.
    fidelities: Mutex<HashMap<u64, FidelityReport>>,
    spellings: Spellings,
}

/// The properties of an item that the rule looks at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Candidate {
    pub(crate) size: Option<u64>,
    pub(crate) modified: Option<Timestamp>,
    /// The content of the existing entry may be lost, regardless of its size and time.
    pub(crate) is_unproven: bool,
}

/// Permission for an item to take its name, with the entry seen there at the last look.
#[derive(Clone)]
pub(crate) struct NameAdmission {
    rule: Arc<AdmissionRule>,
    candidate: Candidate,
    existing: Option<Identity>,
}

impl AdmissionRule {
    pub(crate) fn new(overwrite: Overwrite, add_only: bool) -> Self {
        Self { overwrite, add_only, fidelities: Mutex::default(), spellings: Spellings::default() }
    }

    /// Decides whether an item may take its name.
    pub(crate) fn admit(
        self: &Arc<Self>,
        folder: &dyn Folder,
        name: NameRef<'_>,
        candidate: Candidate,
    ) -> Result<NameAdmission, Failure> {
        let existing = look(folder, name)?;
        if let Some(existing) = &existing {
            self.check(folder, name, candidate, existing)?;
        }
        Ok(NameAdmission { rule: self.clone(), candidate, existing })
    }

    /// True if `kept` is the value that the folder's filesystem stores for `time`.
    pub(crate) fn is_kept(&self, folder: &dyn Folder, time: Timestamp, kept: Timestamp) -> bool {
        time == kept || self.fidelity(folder).time(time) == kept
    }

    /// Returns the fidelity of the folder's filesystem, determined once for each.
    pub(crate) fn fidelity(&self, folder: &dyn Folder) -> FidelityReport {
        let device = |details: EntryDetails| details.file.map(|file| file.device);
        let Ok(Some(filesystem)) = folder.details(None, LINKS).map(device) else {
            return FidelityReport::EXACT;
        };
        let mut known = lock(&self.fidelities);
        if known.len() >= FIDELITIES_MAX {
            known.clear();
        }
        *known.entry(filesystem).or_insert_with(|| folder.fidelity().unwrap_or(FidelityReport::EXACT))
    }

    /// Refuses an item whose name is taken, unless it may replace that entry.
    fn check(
        &self,
        folder: &dyn Folder,
        name: NameRef<'_>,
        Candidate { size, modified, is_unproven }: Candidate,
        existing: &Identity,
    ) -> Result<(), Failure> {
        let existing = &existing.metadata;
        if existing.kind == Kind::Special {
            return Err(Failure::special_in_place());
        }
        if self.add_only {
            return Err(FailureCode::Exists.into());
        }
        if self.spellings.is_respelled(folder, name)? {
            return Err(Failure::respelled());
        }
        let has_time = || modified.is_some_and(|modified| self.is_kept(folder, modified, existing.modified));
        let stays = match self.overwrite {
            // The source is no newer, and the target may be incomplete.
            Overwrite::Newer if is_unproven && has_time() => false,
            Overwrite::Always => false,
            Overwrite::Never => true,
            Overwrite::Newer => modified.is_some_and(|modified| {
                existing.modified >= modified || existing.modified >= self.fidelity(folder).time(modified)
            }),
            Overwrite::Different => {
                !is_unproven && existing.kind == Kind::File && size == Some(existing.size) && has_time()
            }
        };
        if stays { Err(FailureCode::Skipped.into()) } else { Ok(()) }
    }
}

impl NameAdmission {
    /// Gives a complete item its name, if that is still permitted. `give_name` does so, and replaces an existing entry only if
    /// its argument is true.
    pub(crate) fn publish(
        &self,
        folder: &dyn Folder,
        name: NameRef<'_>,
        give_name: impl Fn(bool) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let AdmissionRule { overwrite, add_only, .. } = *self.rule;
        for _ in 0..LOOKS_MAX {
            let existing = look(folder, name)?;
            if let Some(existing) = existing.as_ref().filter(|existing| !self.was_seen(existing)) {
                self.rule.check(folder, name, self.candidate, existing)?;
            }
            // Filesystems without rename flags support only this, and without it hard links of files.
            let replace = existing.is_some() || (overwrite == Overwrite::Always && !add_only);
            match give_name(replace) {
                Err(error) if !replace && error.kind() == io::ErrorKind::AlreadyExists => {} // made since the look
                result => return Ok(result?),
            }
        }
        Err(if add_only { FailureCode::Exists } else { FailureCode::Skipped }.into())
    }

    /// Returns the metadata of the entry that has the name.
    pub(crate) fn metadata(&self) -> Option<Metadata> {
        self.existing.map(|existing| existing.metadata)
    }

    /// True if `existing` is the entry seen at the decision, unchanged.
    fn was_seen(&self, existing: &Identity) -> bool {
        self.existing.as_ref().is_some_and(|seen| seen == existing)
    }
}

/// Looks up the entry that has the name.
fn look(folder: &dyn Folder, name: NameRef<'_>) -> Result<Option<Identity>, Failure> {
    match folder.identity(name) {
        Ok(existing) => Ok(Some(existing)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The details that identify a filesystem.
const LINKS: Details = Details { owner: false, links: true, xattrs: false };
/// Most filesystems whose fidelity is cached.
const FIDELITIES_MAX: usize = 64;
/// Most looks at a name whose entry appears and disappears all the time.
const LOOKS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Name;
    use crate::store::{DiskFolder, LocalFolder, StagedName};
    use std::path::Path;

    fn folder(path: &Path) -> LocalFolder {
        LocalFolder::open_ambient(path).unwrap()
    }

    fn staged(folder: &LocalFolder) -> StagedName {
        let staged = StagedName::new();
        drop(folder.create_staged(&staged, 0o600).unwrap());
        staged
    }

    /// For each rule: the decision on a free name, and the result when another program makes a file of that name before it is
    /// given.
    #[test]
    fn a_name_that_was_free_at_the_look_is_not_taken_from_who_made_it_meanwhile() {
        for (overwrite, add_only, expected) in [
            (Overwrite::Never, false, Err(FailureCode::Skipped)),
            (Overwrite::Newer, false, Err(FailureCode::Skipped)),
            (Overwrite::Always, true, Err(FailureCode::Exists)),
            (Overwrite::Always, false, Ok(())),
        ] {
            let root = tempfile::tempdir().unwrap();
            let (folder, name) = (folder(root.path()), Name::new(b"name").unwrap());
            let rule = Arc::new(AdmissionRule::new(overwrite, add_only));
            let candidate =
                Candidate { size: Some(0), modified: Some(Timestamp::default()), ..Candidate::default() };
            let admission = rule.admit(&folder, (&name).into(), candidate).unwrap();
            let staged = staged(&folder);
            std::fs::write(root.path().join("name"), "theirs").unwrap();
            let give_name = |replace| folder.publish(&staged, (&name).into(), replace);
            let given = admission.publish(&folder, (&name).into(), give_name);
            assert_eq!(given.map_err(|failure| failure.code), expected, "{overwrite:?}");
            let kept = std::fs::read_to_string(root.path().join("name")).unwrap();
            assert_eq!(kept == "theirs", expected.is_err(), "{overwrite:?}");
        }
    }

    /// Its entry appears after each look, and is gone at the next one.
    #[test]
    fn a_name_that_is_taken_again_and_again_is_given_up() {
        for (add_only, expected) in [(true, FailureCode::Exists), (false, FailureCode::Skipped)] {
            let root = tempfile::tempdir().unwrap();
            let (folder, name) = (folder(root.path()), Name::new(b"name").unwrap());
            let rule = Arc::new(AdmissionRule::new(Overwrite::Newer, add_only));
            let admission = rule.admit(&folder, (&name).into(), Candidate::default()).unwrap();
            let given =
                admission.publish(&folder, (&name).into(), |_| Err(io::ErrorKind::AlreadyExists.into()));
            assert_eq!(given.map_err(|failure| failure.code), Err(expected));
        }
    }

    #[test]
    fn a_file_of_the_same_size_and_time_stays_where_only_different_ones_are_replaced() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("name"), "theirs").unwrap();
        let (folder, name) = (folder(root.path()), Name::new(b"name").unwrap());
        let there = folder.metadata((&name).into()).unwrap().modified;
        let later = Timestamp { seconds: there.seconds + 1, ..there };
        let rule = Arc::new(AdmissionRule::new(Overwrite::Different, false));
        for (size, modified, admitted) in [(6, there, false), (5, there, true), (6, later, true)] {
            let candidate = Candidate { size: Some(size), modified: Some(modified), ..Candidate::default() };
            let admission = rule.admit(&folder, (&name).into(), candidate);
            assert_eq!(admission.is_ok(), admitted, "{size} bytes, {modified:?}");
        }
    }

    #[test]
    fn only_a_file_that_is_newer_replaces() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("name"), "theirs").unwrap();
        let (folder, name) = (folder(root.path()), Name::new(b"name").unwrap());
        let there = folder.metadata((&name).into()).unwrap().modified;
        let rule = Arc::new(AdmissionRule::new(Overwrite::Newer, false));
        for (seconds, admitted) in [(-1, false), (0, false), (1, true)] {
            let modified = Some(Timestamp { seconds: there.seconds + seconds, ..there });
            let admission = rule.admit(
                &folder,
                (&name).into(),
                Candidate { size: Some(6), modified, ..Candidate::default() },
            );
            assert_eq!(admission.is_ok(), admitted, "{seconds} s later");
            if let Ok(admission) = admission {
                let staged = staged(&folder);
                let give_name = |replace| folder.publish(&staged, (&name).into(), replace);
                admission.publish(&folder, (&name).into(), give_name).unwrap();
                assert_eq!(std::fs::read_to_string(root.path().join("name")).unwrap(), "", "it is replaced");
            }
        }
    }
}
