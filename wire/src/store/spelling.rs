//! Names that a filesystem takes for one: where upper and lower case are folded, `Photo.jpg` leads to what is stored as
//! `photo.jpg`. Whoever replaces or removes something by its name must know which of the two it is.

use super::{Folder, Names};
use crate::message::Details;
use crate::path::NameRef;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Tells how names are spelled in their folders. The names of one folder are kept, so that many questions about it cost one reading;
/// none are kept where case is not folded.
#[derive(Default)]
pub struct Spellings(Mutex<Option<(Key, Names)>>);

/// Device and inode of a folder.
type Key = (u64, u64);

impl Spellings {
    /// True if `name`, which is there, is stored under another spelling.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn is_respelled(&self, folder: &dyn Folder, name: NameRef<'_>) -> io::Result<bool> {
        if !folder.folds_case(name)? {
            return Ok(false);
        }
        let links = Details { links: true, ..Details::default() };
        let Some(file) = folder.details(None, links)?.file else { return Ok(false) };
        let key = (file.device, file.inode);
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

/// The same name in other letters: of ASCII alone if there are any, since all that fold case fold those. None if it has no letters.
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
