//! Tests of files that have no name before they are complete.

use super::file::{MOUNT_ID, unique_mount};
use super::*;
use crate::failure::{Failure, FailureCode};
use crate::message::{Details, FollowLinks, Xattr};
use crate::metadata::Timestamp;
use crate::store::write_fully;
use crate::store::{DiskFolder, StagedName, TargetFile, disk_folder};
use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;
use std::io::IoSlice;
use std::os::unix::ffi::OsStrExt;

fn name() -> NameRef<'static> {
    NameRef::new(b"file").unwrap()
}

fn names_in(folder: &Path) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

fn write(file: &dyn TargetFile) -> io::Result<()> {
    write_fully(file, &mut [IoSlice::new(b"whole")], 0)?;
    file.set_metadata(Some(Timestamp { seconds: 5, nanos: 6 }), 0o640)
}

#[test]
fn a_link_is_no_folder_wherever_it_leads() {
    let place = tempfile::tempdir().unwrap();
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    std::fs::write(place.path().join("there"), "").unwrap();
    std::os::unix::fs::symlink(".", place.path().join("link")).unwrap();
    let code = |name: &[u8]| {
        let opened = folder.folder(NameRef::new(name).unwrap());
        Failure::from(opened.map(drop).unwrap_err()).code
    };
    assert_eq!(code(b"link"), FailureCode::OutsideRoot);
    assert_eq!(code(b"there"), FailureCode::NotAFolder);
    assert_eq!(code(b"missing"), FailureCode::NotFound);
}

#[test]
fn attributes_of_users_are_read_as_they_were_set() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file"), "").unwrap();
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    let attributes = [("user.a", "1"), ("user.b", "")];
    let wanted = attributes.map(|(name, value)| Xattr { name: name.into(), value: value.into() });
    match folder.set_xattrs(Some(name()), &wanted) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            return eprintln!("skipped: temporary files are on a filesystem without such attributes");
        }
        result => result.unwrap(),
    }
    let details = Details { owner: false, links: false, xattrs: true };
    assert_eq!(folder.details(Some(name()), details).unwrap().xattrs, Some(wanted.to_vec()));
}

#[test]
fn a_usual_filesystem_keeps_permissions() {
    let place = tempfile::tempdir().unwrap();
    assert!(LocalFolder::open_ambient(place.path()).unwrap().fidelity().unwrap().keeps_modes);
}

#[test]
fn a_folder_folds_case_only_if_both_spellings_are_there() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("there"), "").unwrap();
    if place.path().join("THERE").exists() {
        return eprintln!("skipped: temporary files are on a filesystem that folds case");
    }
    for name in [&b"missing"[..], b"there", "\u{e9}".as_bytes(), b"12"] {
        let folder = LocalFolder::open_ambient(place.path()).unwrap();
        assert!(!folder.folds_case(NameRef::new(name).unwrap()).unwrap(), "{name:?}");
    }
}

#[test]
fn a_whole_file_has_its_name_and_metadata_or_there_is_none() {
    let place = tempfile::tempdir().unwrap();
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    let failed = folder.create_whole(name(), 0o640, &|file| {
        write(file)?;
        Err(io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error()))
    });
    assert!(failed.is_err() || folder.names_first.load(Relaxed));
    assert!(names_in(place.path()).is_empty());

    if !folder.create_whole(name(), 0o640, &write).unwrap() {
        eprintln!("skipped: this system has no files without names");
        return;
    }
    assert_eq!(std::fs::read(place.path().join("file")).unwrap(), b"whole");
    let metadata = folder.metadata(name()).unwrap();
    assert_eq!((metadata.modified, metadata.mode), (Timestamp { seconds: 5, nanos: 6 }, 0o640));

    let again = folder.create_whole(name(), 0o600, &|file| write_fully(file, &mut [IoSlice::new(b"x")], 0));
    assert!(!again.unwrap(), "the name is taken");
    assert_eq!(std::fs::read(place.path().join("file")).unwrap(), b"whole");
    assert_eq!(names_in(place.path()), ["file"]);
}

#[test]
fn where_names_come_first_nothing_is_done_here_or_below() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("file")).unwrap();
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    assert!(!folder.names_come_first());
    let below = disk_folder(&folder.folder(name()).unwrap()).unwrap();
    let unused = |_: &dyn TargetFile| unreachable!("there is no file to fill");
    assert!(!below.create_whole(name(), 0o600, &unused).unwrap());
}

/// `u::rwx,g::r-x,o::---` in the kernel's form: version 2, then tag, permissions and id of each entry.
#[test]
fn permissions_are_as_asked_for_where_a_default_acl_would_give_others() {
    let root = tempfile::tempdir().unwrap();
    let entry = |tag: u16, bits: u16| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &[0xff; 4]].concat();
    let acl = [2_u32.to_le_bytes().to_vec(), entry(1, 7), entry(4, 5), entry(0x20, 0)].concat();
    let set =
        rustix::fs::setxattr(root.path(), c"system.posix_acl_default", &acl, rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        return println!("skipped: this filesystem has no ACLs: {error}");
    }
    let folder = LocalFolder::open_ambient(root.path()).unwrap();
    let fill = |file: &dyn TargetFile| file.set_metadata(None, 0o644);
    let name = NameRef::new(b"whole").unwrap();
    if !folder.create_whole(name, 0o644, &fill).unwrap() {
        println!("files without names are not to be had here");
    }
    let staged = StagedName::new();
    fill(&*folder.create_staged(&staged, 0o644).unwrap()).unwrap();
    folder.publish(&staged, NameRef::new(b"staged").unwrap(), true).unwrap();
    for name in names_in(root.path()) {
        let name = NameRef::new(name.as_bytes()).unwrap();
        assert_eq!(folder.metadata(name).unwrap().mode, 0o644, "{name:?}");
    }
}

#[test]
fn a_mount_without_a_unique_number_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let mut stat = sys::statx(sys::CWD, &path, AtFlags::empty(), StatxFlags::BASIC_STATS).unwrap();
    stat.stx_mnt_id = 7; // as reported by systems before Linux 6.8, which reuse it
    assert_eq!(unique_mount(&stat), 0);
    stat.stx_mask |= MOUNT_ID.bits();
    assert_eq!(unique_mount(&stat), 7);
}

#[test]
fn a_link_that_was_made_through_a_view_is_not_followed_by_it() {
    let place = tempfile::tempdir().unwrap();
    for folder in ["tree", "elsewhere"] {
        std::fs::create_dir(place.path().join(folder)).unwrap();
    }
    std::os::unix::fs::symlink("../elsewhere", place.path().join("tree/old")).unwrap();
    let tree = LocalFolder::open_ambient_following(&place.path().join("tree"), FollowLinks::Folders).unwrap();
    let [old, new] = [&b"old"[..], b"new"].map(|name| NameRef::new(name).unwrap());
    tree.make_link(new, b"../elsewhere", None, false).unwrap();
    assert!(tree.folder(old).is_ok() && tree.metadata(old).unwrap().kind == Kind::Folder);
    assert!(tree.folder(new).is_err() && tree.metadata(new).unwrap().kind == Kind::Symlink);
    tree.rename(new, &tree, old, true).unwrap();
    assert!(tree.folder(old).is_err(), "by no other name either");
}
