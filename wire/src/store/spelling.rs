//! Names that a filesystem treats as one: where case is folded, `Photo.jpg` opens the entry that is stored as `photo.jpg`.
//! Replacing or removing an entry by its name requires knowing which of the two it is.

use super::{Folder, Names, StagedName};
use crate::failure::Failure;
use crate::message::Details;
use crate::path::NameRef;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Finds out how names are spelled in their folders. Caches the names of one folder, so that many questions about it cost one
/// reading; caches none where case is not folded.
#[derive(Default)]
pub struct Spellings(Mutex<Option<(FileKey, Names)>>);

/// Device and inode.
type FileKey = (u64, u64);

impl Spellings {
    /// True if `name`, which exists, is stored under another spelling.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn is_respelled(&self, folder: &dyn Folder, name: NameRef<'_>) -> io::Result<bool> {
        if !folder.folds_case(name)? {
            return Ok(false);
        }
        let Some(key) = key(folder, None)? else { return Ok(false) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = kept.as_ref().is_some_and(|(of, names)| *of == key && names.contains(name));
        if is_known {
            return Ok(false);
        }
        let names = folder.names()?;
        let is_there = names.contains(name);
        *kept = Some((key, names));
        Ok(!is_there)
    }
}

/// True if `to` opens the entry `name` only because its folder folds case, and not as a hard link.
///
/// # Errors
/// Of the filesystem.
pub fn is_respelling(
    (folder, name): (&dyn Folder, NameRef<'_>),
    (to, to_name): (&dyn Folder, NameRef<'_>),
) -> io::Result<bool> {
    if name == to_name || !is_same(folder, to)? {
        return Ok(false);
    }
    let file = |name| match key(folder, Some(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found,
    };
    let found = file(name)?;
    Ok(found.is_some() && found == file(to_name)? && !folder.names()?.contains(to_name))
}

/// Changes the spelling of an entry's name. Where a direct rename has no effect, because both are one name, it goes by a third
/// one: a program that is killed between these two renames leaves the entry under a name that begins with `.ftpx-renamed-`.
///
/// # Errors
/// Of the filesystem; then the entry has its old name.
pub fn respell(folder: &dyn Folder, name: NameRef<'_>, to: NameRef<'_>) -> io::Result<()> {
    folder.rename(name, folder, to, true)?; // one step, if the filesystem supports it
    if folder.names()?.contains(to) {
        return Ok(());
    }
    let unique = StagedName::new();
    let between = [b".ftpx-renamed-", &unique.as_bytes()[b".ftpx-".len()..][..16]].concat();
    let between = NameRef::new(&between).map_err(Failure::from)?;
    folder.rename(name, folder, between, false)?;
    let renamed = folder.rename(between, folder, to, false);
    if renamed.is_err() {
        let _ = folder.rename(between, folder, name, false); // the first error is the one to report
    }
    renamed
}

/// True if both are the same folder.
pub(crate) fn is_same(one: &dyn Folder, other: &dyn Folder) -> io::Result<bool> {
    Ok(key(one, None)? == key(other, None)?)
}

/// True if the entry `name` of `parent` is `folder`. Needs no permission to open it.
pub(crate) fn is_entry(parent: &dyn Folder, name: NameRef<'_>, folder: &dyn Folder) -> io::Result<bool> {
    let own = key(folder, None)?;
    match key(parent, Some(name)) {
        Ok(found) => Ok(found == own),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Identifies the entry `name` of a folder, or the folder itself; `None` if the storage numbers no files.
fn key(folder: &dyn Folder, name: Option<NameRef<'_>>) -> io::Result<Option<FileKey>> {
    let file = folder.details(name, LINKS)?.file;
    Ok(file.map(|file| (file.device, file.inode)))
}

/// The details that identify a file.
const LINKS: Details = Details { owner: false, links: true, xattrs: false };

/// Swaps the case of a name: of its ASCII letters if there are any, since all filesystems that fold case fold those. Returns
/// `None` without letters.
pub(super) fn other_case(name: &[u8]) -> Option<Vec<u8>> {
    if name.iter().any(u8::is_ascii_alphabetic) {
        let swap = |byte: &u8| {
            if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
        };
        return Some(name.iter().map(swap).collect());
    }
    let text = std::str::from_utf8(name).ok()?;
    let (upper, lower) = (text.to_uppercase(), text.to_lowercase());
    [upper, lower].into_iter().find(|other| other != text).map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_letters_of_other_case_or_none() {
        let check = |name: &str, other: Option<&str>| {
            assert_eq!(other_case(name.as_bytes()).as_deref(), other.map(str::as_bytes), "{name}");
        };
        check("Photo.jpg", Some("pHOTO.JPG"));
        check("été 1", Some("éTé 1"));
        check("é", Some("É"));
        check("Ω 12", Some("ω 12"));
        check("12-3", None);
        assert_eq!(other_case(&[0xff, b'1']), None);
    }
}
