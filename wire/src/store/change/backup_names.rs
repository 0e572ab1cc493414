//! Names in a backup folder: with a number where the name itself is taken.

use crate::failure::{Failure, FailureCode};
use crate::limits::NAME_LEN_MAX;
use crate::message::Details;
use crate::path::NameRef;
use crate::store::Folder;
use std::io;

/// True if both names belong to one file.
pub(super) fn same_file(
    folder: &dyn Folder,
    name: NameRef<'_>,
    other: &dyn Folder,
    other_name: NameRef<'_>,
) -> io::Result<bool> {
    let links = Details { links: true, ..Details::default() };
    let file = |folder: &dyn Folder, name| Ok::<_, io::Error>(folder.details(Some(name), links)?.file);
    Ok(file(folder, name)? == file(other, other_name)?)
}

/// The failure for a backup folder in which a file would stay where it is, or return into its own tree.
pub(super) fn no_backup() -> Failure {
    Failure::new(
        FailureCode::InvalidPath,
        "the backup folder leads into the target, so no backup would be kept",
    )
}

/// Returns the unchanged name for 0, then cp's numbered backups: `name.~1~`. A name that is too long for that loses its end;
/// names of several files may then become one, and each takes the next free number.
pub(super) fn numbered(name: NameRef<'_>, number: u32) -> Vec<u8> {
    let name = name.as_bytes();
    if number == 0 {
        return name.to_vec();
    }
    let suffix = format!(".~{number}~");
    let room = NAME_LEN_MAX - suffix.len();
    [within(name, room), suffix.as_bytes()].concat()
}

/// True if a numbered name may have lost the end of the file's name.
pub(super) fn is_cut(name: &[u8]) -> bool {
    name.len() + UTF8_LEN_MAX > NAME_LEN_MAX
}

/// Returns the beginning of a name, at most `len_max` bytes, without cutting a UTF-8 character in two.
fn within(name: &[u8], len_max: usize) -> &[u8] {
    let Some(next) = name.get(len_max) else { return name };
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let cut = &name[..len_max];
    let begun = cut.iter().rev().take_while(|byte| is_inside(byte)).count();
    if is_inside(next) && begun < UTF8_LEN_MAX { &cut[..len_max - begun - 1] } else { cut }
}

/// Longest character in bytes.
const UTF8_LEN_MAX: usize = 4;
