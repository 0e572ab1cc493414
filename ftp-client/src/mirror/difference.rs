//! Whether what the target has is what the source has. Pure.

use super::Options;
use std::time::Duration;
use wire::message::{Entry, EntryDetails, Overwrite};
use wire::metadata::{Kind, Metadata, Timestamp};

/// How two entries of one kind differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Not at all.
    None,
    /// The content is the same, or was asked to be left; time, permissions, owner or attributes are not.
    Metadata,
    /// The content differs, or may.
    Content,
    /// Only reading both tells whether the content differs.
    Unread,
    /// They differ, and the target's is to be left alone.
    LeftAlone,
}

/// How a mirror compares.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    by_digest: bool,
    overwrite: Overwrite,
    /// Times that differ by no more than this are equal.
    tolerance: Duration,
}

impl Comparison {
    /// As `options` ask, on a target that keeps times in steps of so many nanoseconds.
    pub(crate) fn new(options: &Options, time_step: u32) -> Self {
        let step = Duration::from_nanos(u64::from(time_step.saturating_sub(1)));
        Self {
            by_digest: options.by_digest,
            overwrite: options.overwrite,
            tolerance: options.modify_window.max(step),
        }
    }

    /// Compares two entries of one path and one kind.
    pub(crate) fn of(&self, source: &Entry, target: &Entry) -> Difference {
        let same_time = self.same_time(source.metadata.modified, target.metadata.modified);
        let content = match source.metadata.kind {
            Kind::File => self.of_files(&source.metadata, &target.metadata, same_time),
            Kind::Symlink if source.link_target != target.link_target => Difference::Content,
            Kind::Folder | Kind::Symlink | Kind::Special => Difference::None,
        };
        match content {
            Difference::None if same_time && same_rest(source, target) => Difference::None,
            Difference::None
                if self.overwrite == Overwrite::Never && source.metadata.kind != Kind::Folder =>
            {
                Difference::LeftAlone
            }
            Difference::None => Difference::Metadata,
            Difference::Content | Difference::Unread if self.is_protected(source, target) => {
                Difference::LeftAlone
            }
            Difference::Metadata | Difference::Content | Difference::Unread | Difference::LeftAlone => {
                content
            }
        }
    }

    /// What is left once both were read, and are equal.
    pub(crate) fn of_equal_files(&self, source: &Entry, target: &Entry) -> Difference {
        let same_time = self.same_time(source.metadata.modified, target.metadata.modified);
        if same_time && same_rest(source, target) { Difference::None } else { Difference::Metadata }
    }

    fn of_files(&self, source: &Metadata, target: &Metadata, same_time: bool) -> Difference {
        match source.size == target.size {
            false => Difference::Content,
            true if self.overwrite == Overwrite::Always => Difference::Content,
            true if self.by_digest => Difference::Unread,
            true if same_time => Difference::None,
            true => Difference::Content,
        }
    }

    fn is_protected(&self, source: &Entry, target: &Entry) -> bool {
        match self.overwrite {
            Overwrite::Always | Overwrite::Different => false,
            Overwrite::Never => true,
            Overwrite::Newer => target.metadata.modified >= source.metadata.modified,
        }
    }

    fn same_time(&self, source: Timestamp, target: Timestamp) -> bool {
        let nanos = |time: Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        (nanos(source) - nanos(target)).unsigned_abs() <= self.tolerance.as_nanos()
    }
}

/// Permissions, owner and attributes; a link's permissions mean nothing.
fn same_rest(source: &Entry, target: &Entry) -> bool {
    let mode = |entry: &Entry| entry.metadata.mode & MODE_MASK;
    let same_mode = source.metadata.kind == Kind::Symlink || mode(source) == mode(target);
    let same_details = match (&source.details, &target.details) {
        (Some(source), Some(target)) => same_owner(source, target) && source.xattrs == target.xattrs,
        (None, _) | (_, None) => true,
    };
    same_mode && same_details
}

/// By name where both have one, else by number.
fn same_owner(source: &EntryDetails, target: &EntryDetails) -> bool {
    let same = |names: (&str, &str), numbers: (u32, u32)| match names.0.is_empty() || names.1.is_empty() {
        true => numbers.0 == numbers.1,
        false => names.0 == names.1,
    };
    match (&source.owner, &target.owner) {
        (Some(source), Some(target)) => {
            same((&source.user_name, &target.user_name), (source.user, target.user))
                && same((&source.group_name, &target.group_name), (source.group, target.group))
        }
        (None, _) | (_, None) => true,
    }
}

/// Set-id and sticky bits are not taken over, so they are not compared.
pub(crate) const MODE_MASK: u32 = 0o777;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::entry;
    use wire::message::Owner;

    fn comparison(change: impl FnOnce(&mut Options)) -> Comparison {
        let mut options = Options::default();
        change(&mut options);
        Comparison::new(&options, 1)
    }

    fn file(size: u64, seconds: i64, nanos: u32) -> Entry {
        let mut file = entry("file");
        (file.metadata.size, file.metadata.modified) = (size, Timestamp { seconds, nanos });
        file
    }

    #[test]
    fn size_and_time_tell_files_apart() {
        let plain = comparison(|_| {});
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 5)), Difference::None);
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 6)), Difference::Content);
        assert_eq!(plain.of(&file(1, 5, 5), &file(2, 5, 5)), Difference::Content);
        let coarse = Comparison::new(&Options::default(), 2_000_000_000);
        assert_eq!(coarse.of(&file(1, 5, 999_999_999), &file(1, 4, 0)), Difference::None);
        assert_eq!(coarse.of(&file(1, 6, 0), &file(1, 4, 0)), Difference::Content);
    }

    #[test]
    fn permissions_are_metadata() {
        let mut other = file(1, 5, 5);
        other.metadata.mode ^= 0o111;
        assert_eq!(comparison(|_| {}).of(&file(1, 5, 5), &other), Difference::Metadata);
        other.metadata.mode ^= 0o111 | 0o4000;
        assert_eq!(comparison(|_| {}).of(&file(1, 5, 5), &other), Difference::None);
    }

    #[test]
    fn with_digests_only_the_same_size_is_read() {
        let by_digest = comparison(|options| options.by_digest = true);
        assert_eq!(by_digest.of(&file(1, 5, 5), &file(1, 5, 5)), Difference::Unread);
        assert_eq!(by_digest.of(&file(1, 5, 5), &file(2, 5, 5)), Difference::Content);
        assert_eq!(by_digest.of_equal_files(&file(1, 5, 5), &file(1, 6, 5)), Difference::Metadata);
    }

    #[test]
    fn what_is_to_be_left_is_left() {
        let never = comparison(|options| options.overwrite = Overwrite::Never);
        assert_eq!(never.of(&file(1, 5, 5), &file(2, 5, 5)), Difference::LeftAlone);
        let newer = comparison(|options| options.overwrite = Overwrite::Newer);
        assert_eq!(newer.of(&file(1, 5, 5), &file(2, 6, 5)), Difference::LeftAlone);
        assert_eq!(newer.of(&file(1, 7, 5), &file(2, 6, 5)), Difference::Content);
    }

    #[test]
    fn owners_are_the_same_by_name_or_else_by_number() {
        let owned = |user, name: &str| {
            let owner = Owner { user, group: 0, user_name: name.to_owned(), group_name: String::new() };
            let mut file = file(1, 5, 5);
            file.details = Some(Box::new(EntryDetails { owner: Some(owner), ..EntryDetails::default() }));
            file
        };
        let plain = comparison(|_| {});
        assert_eq!(plain.of(&owned(1, "ann"), &owned(2, "ann")), Difference::None);
        assert_eq!(plain.of(&owned(1, "ann"), &owned(1, "bob")), Difference::Metadata);
        assert_eq!(plain.of(&owned(1, "ann"), &owned(1, "")), Difference::None);
        assert_eq!(plain.of(&owned(1, ""), &owned(2, "")), Difference::Metadata);
    }
}
