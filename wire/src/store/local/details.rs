//! The details of a file of the local filesystem, beside its metadata: owner, identity, extended attributes and default ACL.

use crate::failure::{Failure, FailureCode};
use crate::limits::XATTRS_LEN_MAX;
use crate::message::{FileId, Owner, Xattr};
use rustix::fs::{self as sys, Gid, Stat, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Returns a file's owner and group, with the names known to this machine.
pub(super) fn owner(stat: &Stat) -> Owner {
    let mut known = NameCache::lock();
    Owner {
        user: stat.st_uid,
        group: stat.st_gid,
        user_name: known.user(stat.st_uid),
        group_name: known.group(stat.st_gid),
    }
}

/// Returns this machine's numbers for an owner: those of the names if they are known, else the given numbers; `None` for the
/// number that stands for no owner.
pub(super) fn numbers(owner: &Owner) -> (Option<Uid>, Option<Gid>) {
    let user = (!owner.user_name.is_empty()).then(|| uzers::get_user_by_name(&owner.user_name)).flatten();
    let group = (!owner.group_name.is_empty()).then(|| uzers::get_group_by_name(&owner.group_name)).flatten();
    let user = user.map_or(owner.user, |user| user.uid());
    let group = group.map_or(owner.group, |group| group.gid());
    let known = |number: u32| (number != u32::MAX).then_some(number);
    (known(user).map(Uid::from_raw), known(group).map(Gid::from_raw))
}

/// The failure for a number without an owner, which the system reports as an invalid argument: in a user namespace most numbers
/// have none.
pub(super) fn no_such_owner() -> Failure {
    Failure::new(
        FailureCode::PermissionDenied,
        "the container or service has no such owner or group (user namespace)",
    )
}

/// The error for metadata of an open file that could not be set.
pub(super) fn not_set(file: impl AsFd, errno: Errno) -> io::Error {
    match sys::fstat(file) {
        Ok(stat) => refused(&stat, errno),
        Err(_) => errno.into(),
    }
}

/// The same for an examined file. The system reports "not permitted" where only the owner may.
pub(super) fn refused(stat: &Stat, errno: Errno) -> io::Error {
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
    match errno {
        Errno::PERM if !is_own => Failure::from(FailureCode::NotOwner).into(),
        other => other.into(),
    }
}

/// Returns the permission bits that the folder's default ACL lets a new file have, computed like the system does, see acl(5).
/// `None` without such an ACL.
pub(super) fn default_acl(folder: impl AsFd) -> Option<u32> {
    const USER: u16 = 0x01;
    const GROUP: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    let mut bytes = [0; 2048];
    let len = sys::fgetxattr(folder, c"system.posix_acl_default", &mut bytes[..]).ok()?;
    let entries = bytes[..len].get(4..)?.chunks_exact(8); // behind the version
    let entries: Vec<(u16, u32)> =
        entries.map(|entry| (u16::from_le_bytes([entry[0], entry[1]]), u32::from(entry[2] & 7))).collect();
    let of = |tag: u16| entries.iter().find(|(found, _)| *found == tag).map(|(_, bits)| *bits);
    let group = of(MASK).or_else(|| of(GROUP))?;
    Some(of(USER)? << 6 | group << 3 | of(OTHER)?)
}

/// Returns the id of the file.
#[allow(clippy::useless_conversion, reason = "the count of names has 32 bits on some processors")]
pub(super) fn file_id(stat: &Stat) -> FileId {
    FileId { device: stat.st_dev, inode: stat.st_ino, names: u64::from(stat.st_nlink) }
}

/// Returns extended attributes, sorted by name. Only those of users: the others (`security.`, `trusted.`, `system.`) grant
/// rights or are specific to one machine.
pub(super) fn xattrs(file: impl AsFd) -> io::Result<Vec<Xattr>> {
    let mut xattrs = Vec::new();
    let mut len = 0;
    for name in names(&file)? {
        let value = value(&file, &name)?;
        len += name.len() + value.len();
        if len > XATTRS_LEN_MAX {
            return Err(Failure::new(FailureCode::LimitExceeded, "too many extended attributes").into());
        }
        xattrs.push(Xattr { name, value });
    }
    xattrs.sort_unstable();
    Ok(xattrs)
}

/// Replaces the users' extended attributes with `wanted`.
pub(super) fn set_xattrs(file: impl AsFd, wanted: &[Xattr]) -> io::Result<()> {
    if wanted.iter().any(|xattr| !xattr.name.starts_with(NAMESPACE)) {
        return Err(Failure::new(FailureCode::AccessDenied, "only attributes of users may be set").into());
    }
    let before = xattrs(&file)?;
    for old in before.iter().filter(|old| wanted.iter().all(|new| new.name != old.name)) {
        sys::fremovexattr(&file, &old.name[..])?;
    }
    for new in wanted.iter().filter(|new| !before.contains(new)) {
        sys::fsetxattr(&file, &new.name[..], &new.value, XattrFlags::empty())?;
    }
    Ok(())
}

fn names(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let len = match sys::flistxattr_query(&file) {
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut list = vec![0; len];
    let len = sys::flistxattr(&file, &mut list[..])?;
    let names = list[..len].split(|byte| *byte == 0);
    Ok(names.filter(|name| name.starts_with(NAMESPACE)).map(<[u8]>::to_vec).collect())
}

fn value(file: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut value = vec![0; sys::fgetxattr_query(&file, name)?];
    let len = sys::fgetxattr(&file, name, &mut value[..])?;
    value.truncate(len);
    Ok(value)
}

/// Caches names by numbers: a tree's files have few owners, and each look-up may query a directory service.
#[derive(Default)]
struct NameCache {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl NameCache {
    fn lock() -> std::sync::MutexGuard<'static, Self> {
        static KNOWN: OnceLock<Mutex<NameCache>> = OnceLock::new();
        KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn user(&mut self, number: u32) -> String {
        let find = || uzers::get_user_by_uid(number).map(|user| user.name().to_string_lossy().into_owned());
        self.users.entry(number).or_insert_with(|| find().unwrap_or_default()).clone()
    }

    fn group(&mut self, number: u32) -> String {
        let find =
            || uzers::get_group_by_gid(number).map(|group| group.name().to_string_lossy().into_owned());
        self.groups.entry(number).or_insert_with(|| find().unwrap_or_default()).clone()
    }
}

const NAMESPACE: &[u8] = b"user.";
