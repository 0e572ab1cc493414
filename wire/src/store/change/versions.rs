//! Versions of files in a backup folder, as logrotate numbers them: `name.~1~` is the newest one.
//!
//! A new version moves the others on, from the oldest to the newest, each to the free name behind it, so every content has a name whenever
//! the program dies. A death in between leaves a gap, and the next version fills it: only the names before the first gap are moved.
//! Versions are removed at the end of a run, when all new ones are in place.
//!
//! The access time of a version says when it came there. Reading it may set a later time, which keeps it for longer, never less.
//!
//! Only a folder that was empty when the first version came, and was marked then, is used: names of this form may be files of people.

use super::Changes;
use super::backup_names::{is_cut, no_backup, numbered, same_file};
use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::message::KeptVersions;
use crate::metadata::{Kind, Timestamp};
use crate::path::{Name, NameRef, RemotePath};
use crate::store::walk::{Visit, Walk, WalkChoice};
use crate::store::{Folder, FolderCache, NameKind, file_clock};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

impl Changes {
    /// Keeps so many versions of each file. `None` leaves all, numbered in the order in which they came.
    ///
    /// # Errors
    /// If the backup folder is used in the other way, or of the filesystem.
    pub fn with_versions(self, versions: Option<KeptVersions>) -> Result<Self, Failure> {
        let Some(backup) = &self.backup else { return Ok(self) };
        let folder = backup.base();
        let mark = NameRef::new(MARK)?;
        let is_marked = match folder.metadata(mark) {
            Ok(found) => found.kind == Kind::File,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        match (versions, is_marked) {
            (None, true) => return Err(Failure::new(FailureCode::InvalidPath, HAS_VERSIONS)),
            (Some(_), _) if self.is_below_backup => return Err(no_backup()),
            (Some(_), false) if !folder.names()?.is_empty() => {
                return Err(Failure::new(FailureCode::InvalidPath, NO_VERSIONS));
            }
            (Some(_), false) => folder.make_file(mark, 0o644)?,
            (None, false) | (Some(_), true) => {}
        }
        Ok(Self { versions, ..self })
    }

    /// Moves a file to the backup as its newest version, or with `keep` links it there.
    pub(super) fn add_version(
        &self,
        folder: &dyn Folder,
        name: NameRef<'_>,
        backup: &dyn Folder,
        keep: bool,
    ) -> Result<(), Failure> {
        for _ in 0..TRIES_MAX {
            let mut names = VersionNames::find(backup, name)?;
            if let Some(newest) = names.taken.first().filter(|_| keep) {
                let newest = numbered(name, *newest);
                if same_file(folder, name, backup, NameRef::new(&newest)?)? {
                    return Ok(()); // kept by a run that then could not replace it
                }
            }
            if let Some(versions) = self.versions {
                let marked = folder.set_kept_time(name);
                if versions.seconds > 0 {
                    marked?; // else only a later run may need it
                }
            }
            let moved = names.move_on(backup, name, 1);
            let newest = numbered(name, names.free);
            let added = moved.and_then(|()| {
                let newest = NameRef::new(&newest).map_err(Failure::from)?;
                if keep {
                    folder.hard_link(name, backup, newest, false)
                } else {
                    folder.rename(name, backup, newest, false)
                }
            });
            match added {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {} // another program writes there
                other => return Ok(other?),
            }
        }
        Err(taken_names())
    }

    /// Removes versions that no rule keeps, in the backup's folder `path` and below.
    pub(super) fn prune(&self, path: &RemotePath) -> Result<(), Failure> {
        let (Some(backup), Some(versions)) = (&self.backup, self.versions) else {
            return Err(FailureCode::BadMessage.into());
        };
        let folder = match backup.get(path.as_bytes(), false) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let mut walk = Walk::new(folder.clone(), path.clone())?;
        let mut failure = prune_folder(&*folder, versions, file_clock()).err();
        let mut has_pruned = vec![false];
        while let Some(visit) = walk.step_filtered(&folders_alone) {
            match visit {
                Visit::Enter(_, _, folder) => match prune_folder(&*folder, versions, file_clock()) {
                    Ok(count) => has_pruned.push(count > 0),
                    Err(error) => {
                        has_pruned.push(false);
                        failure.get_or_insert(error);
                    }
                },
                Visit::Leave(path, _) if has_pruned.pop().unwrap_or(false) => {
                    if let Some(above) = has_pruned.last_mut() {
                        *above |= remove_empty(backup, &path);
                    }
                }
                Visit::Leave(..) | Visit::Item(..) | Visit::Unreadable(..) | Visit::Excluded(_) => {}
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The names of a file's versions.
struct VersionNames {
    /// The numbers in use before the first free one, without those of folders.
    taken: Vec<u32>,
    free: u32,
}

impl VersionNames {
    fn find(backup: &dyn Folder, name: NameRef<'_>) -> Result<Self, Failure> {
        let mut taken = Vec::new();
        for number in 1..VERSIONS_MAX {
            match backup.identity(NameRef::new(&numbered(name, number))?) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { taken, free: number }),
                Ok(found) if found.metadata.kind == Kind::Folder => {} // files below it have that name in their paths
                Ok(_) => taken.push(number),
                Err(error) => return Err(error.into()),
            }
        }
        Err(taken_names())
    }

    /// Moves the versions from the number `first` on to the next number, the oldest first. Then `free` is the first of them.
    fn move_on(&mut self, backup: &dyn Folder, name: NameRef<'_>, first: u32) -> io::Result<()> {
        for number in self.taken.iter().rev().filter(|number| **number >= first) {
            let [from, to] = [*number, self.free].map(|number| numbered(name, number));
            let [from, to] = [&from, &to].map(|name| NameRef::new(name).map_err(Failure::from));
            backup.rename(from?, backup, to?, false)?;
            self.free = *number;
        }
        Ok(())
    }
}

/// Moves a version on whose name a folder needs. False if the name is none of a version.
pub(super) fn free_name(folder: &dyn Folder, name: NameRef<'_>) -> Result<bool, Failure> {
    let Some((base, number)) = parsed(name) else { return Ok(false) };
    let base = NameRef::new(base)?;
    VersionNames::find(folder, base)?.move_on(folder, base, number)?;
    Ok(true)
}

fn folders_alone(_: &RemotePath, is_folder: bool) -> WalkChoice {
    if is_folder { WalkChoice::Enter } else { WalkChoice::Exclude }
}

/// Removes the versions in a folder that no rule keeps. Returns their number.
fn prune_folder(folder: &dyn Folder, rule: KeptVersions, now: Timestamp) -> Result<u64, Failure> {
    let names = folder.names()?;
    let mut versions: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
    for index in 0..names.len() {
        let Some(name) = names.get(index).filter(|_| names.kind(index) != NameKind::Folder) else { continue };
        if let Some((base, number)) = parsed(name) {
            versions.entry(base).or_default().push(number);
        }
    }
    let mut count = 0;
    for (base, mut numbers) in versions {
        numbers.sort_unstable();
        for (number, rank) in numbers.into_iter().zip(1..) {
            beat();
            let name = Name::new(&numbered(NameRef::new(base)?, number))?;
            if removes(folder, (&name).into(), rule, rank, now)? {
                folder.remove_file((&name).into())?;
                count += 1;
            }
        }
    }
    Ok(count)
}

/// True if no rule keeps the version that is the `rank`th of its file.
fn removes(
    folder: &dyn Folder,
    name: NameRef<'_>,
    rule: KeptVersions,
    rank: u32,
    now: Timestamp,
) -> io::Result<bool> {
    if rule == KeptVersions::default() || (rule.count > 0 && rank <= rule.count) {
        return Ok(false);
    }
    if folder.identity(name)?.metadata.kind == Kind::Folder {
        return Ok(false);
    }
    if rule.seconds == 0 {
        return Ok(true);
    }
    let age = now.seconds.saturating_sub(folder.kept_time(name)?.seconds);
    Ok(u64::try_from(age).is_ok_and(|age| age >= rule.seconds))
}

/// Removes a folder if nothing is left in it.
fn remove_empty(backup: &FolderCache, path: &RemotePath) -> bool {
    let Some((parent, name)) = path.parent_and_name() else { return false };
    let removed = backup.get(parent, false).and_then(|parent: Arc<dyn Folder>| parent.remove_folder(name));
    backup.forget();
    removed.is_ok()
}

/// Returns the file's name and the number of a version. Names that may have lost their end to the number are none: they may be of several
/// files.
fn parsed(name: NameRef<'_>) -> Option<(&[u8], u32)> {
    let name = name.as_bytes();
    let rest = name.strip_suffix(b"~")?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (base, number) = rest.split_at(rest.len() - digits);
    let number: u32 = str::from_utf8(number).ok()?.parse().ok()?;
    let base = base.strip_suffix(b".~")?;
    let is_whole = !base.is_empty() && !is_cut(name) && numbered(NameRef::new(base).ok()?, number) == name;
    (is_whole && (1..VERSIONS_MAX).contains(&number)).then_some((base, number))
}

fn taken_names() -> Failure {
    Failure::new(FailureCode::Exists, "the backup folder has this name, with any number")
}

const NO_VERSIONS: &str = "the backup folder has other files in it: --keep and --keep-for need an empty or missing folder at first, \
                           because they remove files later";
const HAS_VERSIONS: &str =
    "the backup folder was made with --keep or --keep-for: give one of them again, or name another folder";
/// The file that marks a folder of versions.
const MARK: &[u8] = b".ftpx-versions";
/// One more than the most versions of one file.
const VERSIONS_MAX: u32 = 1000;
/// Attempts to add a version while another program writes to the folder.
const TRIES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_with_numbers_are_versions() {
        let of =
            |name: &[u8]| parsed(NameRef::new(name).unwrap()).map(|(base, number)| (base.to_vec(), number));
        assert_eq!(of(b"name.~1~"), Some((b"name".to_vec(), 1)));
        assert_eq!(of(b"name.~1~.~999~"), Some((b"name.~1~".to_vec(), 999)));
        for name in [
            &b"name"[..],
            b"name~",
            b"name.~~",
            b"name.~0~",
            b"name.~01~",
            b"name.~1000~",
            b".~1~",
            b"name.~x~",
        ] {
            assert_eq!(of(name), None, "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(of(&[&[b'x'; 251][..], b".~1~"].concat()), None, "it may have been longer");
        assert!(of(&[&[b'x'; 240][..], b".~1~"].concat()).is_some());
    }
}
