//! Tests of files that have no name before they are complete.

use super::file::{MOUNT_ID, unique_mount};
use super::*;
use crate::failure::{Failure, FailureCode};
use crate::limits::XATTRS_LEN_MAX;
use crate::message::{Details, FollowLinks, Xattr};
use crate::metadata::Timestamp;
use crate::store::sweep::SweepScope;
use crate::store::write_fully;
use crate::store::{DiskFolder, StagedName, TargetFile, disk_folder};
use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;
use std::io::IoSlice;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

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
    folder.set_xattrs(Some(name()), &wanted[1..]).unwrap();
    let left = folder.details(Some(name()), details).unwrap().xattrs;
    assert_eq!(left.as_deref(), Some(&wanted[1..]), "the others are removed");
}

#[test]
fn a_usual_filesystem_keeps_permissions_and_so_do_all_folders_below() {
    let place = tempfile::tempdir().unwrap();
    let fidelity = LocalFolder::open_ambient(place.path()).unwrap().fidelity().unwrap();
    assert!(fidelity.keeps_modes && fidelity.is_whole && !fidelity.folds_case, "{fidelity:?}");
    let root = LocalFolder::open_ambient(Path::new("/")).unwrap();
    assert!(root.has_mounts_below(), "/proc is one");
}

/// Names of which one is no name of the other's file say nothing about other names.
#[test]
fn only_letters_that_all_fold_tell_of_the_whole_folder() {
    let place = tempfile::tempdir().unwrap();
    for (name, other) in [("\u{e9}", "\u{c9}"), ("there", "THERE")] {
        std::fs::write(place.path().join(name), "").unwrap();
        if std::fs::hard_link(place.path().join(name), place.path().join(other)).is_err() {
            return eprintln!("skipped: temporary files are on a filesystem that folds case");
        }
    }
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    let folds = |name: &str| folder.folds_case(NameRef::new(name.as_bytes()).unwrap()).unwrap();
    std::fs::write(place.path().join("plain"), "").unwrap();
    assert!(folds("\u{e9}"), "two names of one file look like one name");
    assert!(!folds("missing"));
    assert!(folds("there"), "nothing was known of the folder before");
    assert!(folds("plain"), "but now");
}

#[test]
fn attributes_are_read_up_to_so_many_bytes() {
    let Ok(place) = tempfile::tempdir_in("/dev/shm") else {
        return eprintln!("skipped: there is no /dev/shm");
    };
    std::fs::write(place.path().join("file"), "").unwrap();
    let value = vec![1; XATTRS_LEN_MAX / 2];
    let set = |name: &std::ffi::CStr| {
        sys::setxattr(place.path().join("file"), name, &value, sys::XattrFlags::empty())
    };
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    let details = Details { owner: false, links: false, xattrs: true };
    let code = || folder.details(Some(name()), details).map_err(|error| Failure::from(error).code);
    if set(c"user.a").is_err() {
        return eprintln!("skipped: attributes of this length are not to be had");
    }
    assert!(code().is_ok());
    if set(c"user.b").is_ok() {
        assert_eq!(code().unwrap_err(), FailureCode::LimitExceeded);
    }
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

/// The kernel's own result for the same permissions is the model.
#[test]
fn a_default_acl_gives_new_files_what_the_system_would_give_them() {
    const MASK: u16 = 0x10;
    let entry = |(tag, bits): &(u16, u16)| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &[0xff; 4]].concat();
    for entries in [
        &[(1, 7), (4, 5), (0x20, 1)][..],
        &[(1, 6), (4, 4), (0x20, 2)],
        &[(1, 7), (4, 7), (MASK, 2), (0x20, 5)],
    ] {
        let root = tempfile::tempdir().unwrap();
        let acl = [2_u32.to_le_bytes().to_vec(), entries.iter().flat_map(entry).collect()].concat();
        let name = c"system.posix_acl_default";
        if let Err(error) = rustix::fs::setxattr(root.path(), name, &acl, rustix::fs::XattrFlags::empty()) {
            return println!("skipped: this filesystem has no ACLs: {error}");
        }
        let (folder, path) = (LocalFolder::open_ambient(root.path()).unwrap(), root.path().join("new"));
        let mode = Mode::from_raw_mode(0o777);
        drop(sys::open(&path, OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, mode).unwrap());
        let given = LocalFolder::ambient_metadata(&path).unwrap().mode;
        assert_eq!(folder.mode_of_new(0o777), given, "{entries:?}");
        assert_eq!(folder.mode_of_new(0o640), given & 0o640, "{entries:?}");
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

#[test]
fn an_owner_has_the_names_that_the_system_knows() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file"), "").unwrap();
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    let details = Details { owner: true, links: false, xattrs: false };
    let owner = folder.details(Some(name()), details).unwrap().owner.unwrap();
    let user = uzers::get_user_by_uid(owner.user).map(|user| user.name().to_owned());
    let group = uzers::get_group_by_gid(owner.group).map(|group| group.name().to_owned());
    assert_eq!(owner.user_name, user.unwrap_or_default().to_string_lossy());
    assert_eq!(owner.group_name, group.unwrap_or_default().to_string_lossy());
}

/// A journal is removed after its staged file, which the same sweep removes.
#[test]
fn one_sweep_removes_a_staged_file_and_its_journal() {
    let place = tempfile::tempdir().unwrap();
    let folder = LocalFolder::open_ambient(place.path()).unwrap();
    for _ in 0..4 {
        let staged = StagedName::new();
        drop((folder.create_staged(&staged, 0o600).unwrap(), folder.create_journal(&staged).unwrap()));
    }
    let swept = folder.sweep(Duration::ZERO, &SweepScope::All).unwrap();
    assert_eq!((swept.files, swept.kept), (4, 0), "journals are not counted");
    assert!(names_in(place.path()).is_empty());
}
