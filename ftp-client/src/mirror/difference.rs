//! Compares the entries of source and target at one path. Pure.

use super::MirrorOptions;
use std::time::Duration;
use wire::fidelity::FidelityReport;
use wire::message::{Entry, EntryDetails, Overwrite};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::modes::PERMISSIONS;

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
    /// As `options` ask.
    pub(crate) fn new(options: &MirrorOptions) -> Self {
        let MirrorOptions { by_digest, modify_window: tolerance, .. } = *options;
        Self { by_digest, overwrite: options.transfer.overwrite, tolerance }
    }

    /// True if the difference of two entries depends on what the target keeps of times and permissions.
    pub(crate) fn needs_fidelity(&self, source: &Entry, target: &Entry) -> bool {
        let (source, target) = (&source.metadata, &target.metadata);
        let same_size = source.kind != Kind::File || source.size == target.size;
        let same_time = self.same_time(source.modified, target.modified, &FidelityReport::EXACT);
        same_size && !(same_time && same_mode(source, target))
    }

    /// Compares two entries of one path and one kind, in a folder of the target that keeps what `fidelity` says.
    pub(crate) fn of(&self, source: &Entry, target: &Entry, fidelity: &FidelityReport) -> Difference {
        let same_time = self.same_time(source.metadata.modified, target.metadata.modified, fidelity);
        let content = match source.metadata.kind {
            Kind::File => self.of_files(source, target, same_time),
            Kind::Symlink if source.link_target != target.link_target => Difference::Content,
            Kind::Folder | Kind::Symlink | Kind::Special => Difference::None,
        };
        match content {
            Difference::None if same_time && same_rest(source, target, fidelity) => Difference::None,
            Difference::None
                if self.overwrite == Overwrite::Never && source.metadata.kind != Kind::Folder =>
            {
                Difference::LeftAlone
            }
            Difference::None => Difference::Metadata,
            // It is no newer, and not all of it may be there.
            Difference::Content | Difference::Unread
                if same_time && target.is_unproven() && self.overwrite == Overwrite::Newer =>
            {
                content
            }
            Difference::Content | Difference::Unread if self.is_protected(source, target, fidelity) => {
                Difference::LeftAlone
            }
            Difference::Metadata | Difference::Content | Difference::Unread | Difference::LeftAlone => {
                content
            }
        }
    }

    /// The difference of two files that were read and are equal.
    pub(crate) fn of_equal_files(
        &self,
        source: &Entry,
        target: &Entry,
        fidelity: &FidelityReport,
    ) -> Difference {
        let same_time = self.same_time(source.metadata.modified, target.metadata.modified, fidelity);
        if same_time && same_rest(source, target, fidelity) { Difference::None } else { Difference::Metadata }
    }

    fn of_files(&self, source: &Entry, target: &Entry, same_time: bool) -> Difference {
        if source.metadata.size != target.metadata.size || self.overwrite == Overwrite::Always {
            Difference::Content
        } else if self.by_digest || target.is_unproven() {
            Difference::Unread
        } else if same_time {
            Difference::None
        } else {
            Difference::Content
        }
    }

    fn is_protected(&self, source: &Entry, target: &Entry, fidelity: &FidelityReport) -> bool {
        let (source, target) = (source.metadata.modified, target.metadata.modified);
        match self.overwrite {
            Overwrite::Always | Overwrite::Different => false,
            Overwrite::Never => true,
            Overwrite::Newer => target >= source || target >= fidelity.time(source),
        }
    }

    fn same_time(&self, source: Timestamp, target: Timestamp, fidelity: &FidelityReport) -> bool {
        let nanos = |time: Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let is_near = |time| (nanos(time) - nanos(target)).unsigned_abs() <= self.tolerance.as_nanos();
        is_near(source) || is_near(fidelity.time(source))
    }
}

/// Permissions, owner and attributes; a link's permissions have no meaning.
fn same_rest(source: &Entry, target: &Entry, fidelity: &FidelityReport) -> bool {
    let kept = fidelity.mode(source.metadata.mode, source.metadata.kind == Kind::Folder);
    let kept = Metadata { mode: kept, ..source.metadata };
    let same_mode = !fidelity.keeps_modes
        || same_mode(&source.metadata, &target.metadata)
        || same_mode(&kept, &target.metadata);
    let same_details = match (&source.details, &target.details) {
        (Some(source), Some(target)) => same_owner(source, target) && source.xattrs == target.xattrs,
        (None, _) | (_, None) => true,
    };
    same_mode && same_details
}

/// Compares permissions; a link's have no meaning. Set-id and sticky bits of a folder only count where they are wanted.
pub(super) fn same_mode(source: &Metadata, target: &Metadata) -> bool {
    let wanted = source.mode | PERMISSIONS;
    source.kind == Kind::Symlink || source.mode == target.mode & wanted
}

/// By name where both have one, else by number.
fn same_owner(source: &EntryDetails, target: &EntryDetails) -> bool {
    let same = |names: (&str, &str), numbers: (u32, u32)| {
        if names.0.is_empty() || names.1.is_empty() { numbers.0 == numbers.1 } else { names.0 == names.1 }
    };
    match (&source.owner, &target.owner) {
        (Some(source), Some(target)) => {
            same((&source.user_name, &target.user_name), (source.user, target.user))
                && same((&source.group_name, &target.group_name), (source.group, target.group))
        }
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::entry;
    use wire::message::Owner;
    use wire::modes::ModePolicy;

    const EXACT: FidelityReport = FidelityReport::EXACT;

    fn comparison(change: impl FnOnce(&mut MirrorOptions)) -> Comparison {
        let mut options = MirrorOptions::default();
        change(&mut options);
        Comparison::new(&options)
    }

    fn file(size: u64, seconds: i64, nanos: u32) -> Entry {
        let mut file = entry("file");
        (file.metadata.size, file.metadata.modified) = (size, Timestamp { seconds, nanos });
        file
    }

    #[test]
    fn size_and_time_tell_files_apart() {
        let plain = comparison(|_| {});
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 5), &EXACT), Difference::None);
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 6), &EXACT), Difference::Content);
        assert_eq!(plain.of(&file(1, 5, 5), &file(2, 5, 5), &EXACT), Difference::Content);
    }

    #[test]
    fn times_are_the_same_if_the_target_can_keep_no_more() {
        let plain = comparison(|_| {});
        let whole = FidelityReport { time_step: 1_000_000_000, ..EXACT };
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 0), &EXACT), Difference::Content);
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 0), &whole), Difference::None);
        assert_eq!(plain.of(&file(1, 4, 5), &file(1, 5, 0), &whole), Difference::Content);
        assert_eq!(plain.of(&file(1, 5, 5), &file(1, 5, 6), &whole), Difference::Content);
        let newer = comparison(|options| options.transfer.overwrite = Overwrite::Newer);
        assert_eq!(newer.of(&file(1, 5, 5), &file(2, 5, 0), &whole), Difference::LeftAlone);
        assert!(plain.needs_fidelity(&file(1, 5, 5), &file(1, 5, 0)));
        assert!(!plain.needs_fidelity(&file(1, 5, 5), &file(2, 5, 0)));
        assert!(!plain.needs_fidelity(&file(1, 5, 5), &file(1, 5, 5)));
    }

    #[test]
    fn permissions_are_the_same_if_the_target_makes_no_others() {
        let (source, mut target) = (file(1, 5, 5), file(1, 5, 5));
        target.metadata.mode = 0o640;
        let ruled = FidelityReport { modes: ModePolicy { umask: 0o027, force: 0 }, ..EXACT };
        let fat = FidelityReport { keeps_modes: false, ..EXACT };
        let plain = comparison(|_| {});
        assert_eq!(plain.of(&source, &target, &EXACT), Difference::Metadata);
        assert_eq!(plain.of(&source, &target, &ruled), Difference::None);
        assert_eq!(plain.of(&source, &target, &fat), Difference::None);
    }

    #[test]
    fn permissions_are_metadata() {
        let mut other = file(1, 5, 5);
        other.metadata.mode ^= 0o111;
        assert_eq!(comparison(|_| {}).of(&file(1, 5, 5), &other, &EXACT), Difference::Metadata);
        other.metadata.mode ^= 0o111 | 0o4000;
        assert_eq!(comparison(|_| {}).of(&file(1, 5, 5), &other, &EXACT), Difference::None);
        let (mut wanted, mut folder) = (entry("folder/"), entry("folder/"));
        folder.metadata.mode |= 0o3000;
        assert_eq!(comparison(|_| {}).of(&wanted, &folder, &EXACT), Difference::None);
        wanted.metadata.mode |= 0o2000;
        assert_eq!(comparison(|_| {}).of(&wanted, &folder, &EXACT), Difference::None);
        folder.metadata.mode &= 0o777;
        assert_eq!(comparison(|_| {}).of(&wanted, &folder, &EXACT), Difference::Metadata);
    }

    #[test]
    fn with_digests_only_the_same_size_is_read() {
        let by_digest = comparison(|options| options.by_digest = true);
        assert_eq!(by_digest.of(&file(1, 5, 5), &file(1, 5, 5), &EXACT), Difference::Unread);
        assert_eq!(by_digest.of(&file(1, 5, 5), &file(2, 5, 5), &EXACT), Difference::Content);
        assert_eq!(by_digest.of_equal_files(&file(1, 5, 5), &file(1, 6, 5), &EXACT), Difference::Metadata);
    }

    #[test]
    fn what_may_have_been_lost_is_read() {
        let unproven = |mut target: Entry| {
            target.details = Some(Box::new(EntryDetails { is_unproven: true, ..EntryDetails::default() }));
            target
        };
        let check = |overwrite, target: Entry, expected| {
            let comparison = comparison(|options| options.transfer.overwrite = overwrite);
            assert_eq!(comparison.of(&file(1, 5, 5), &unproven(target), &EXACT), expected, "{overwrite:?}");
        };
        check(Overwrite::Different, file(1, 5, 5), Difference::Unread);
        check(Overwrite::Different, file(2, 5, 5), Difference::Content);
        check(Overwrite::Newer, file(1, 5, 5), Difference::Unread);
        check(Overwrite::Newer, file(0, 5, 5), Difference::Content);
        check(Overwrite::Newer, file(1, 6, 5), Difference::LeftAlone);
        check(Overwrite::Never, file(1, 5, 5), Difference::LeftAlone);
        check(Overwrite::Always, file(1, 5, 5), Difference::Content);
    }

    #[test]
    fn what_is_to_be_left_is_left() {
        let never = comparison(|options| options.transfer.overwrite = Overwrite::Never);
        assert_eq!(never.of(&file(1, 5, 5), &file(2, 5, 5), &EXACT), Difference::LeftAlone);
        let newer = comparison(|options| options.transfer.overwrite = Overwrite::Newer);
        assert_eq!(newer.of(&file(1, 5, 5), &file(2, 6, 5), &EXACT), Difference::LeftAlone);
        assert_eq!(newer.of(&file(1, 7, 5), &file(2, 6, 5), &EXACT), Difference::Content);
    }

    #[test]
    fn times_within_the_window_are_the_same_across_a_second() {
        let window = comparison(|options| options.modify_window = Duration::from_millis(2));
        let compare = |target| window.of(&file(1, 5, 1_000_000), &target, &EXACT);
        assert_eq!(compare(file(1, 5, 3_000_000)), Difference::None);
        assert_eq!(compare(file(1, 5, 3_000_001)), Difference::Content);
        assert_eq!(compare(file(1, 4, 999_500_000)), Difference::None);
        assert_eq!(compare(file(1, 4, 998_000_000)), Difference::Content);
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
        assert_eq!(plain.of(&owned(1, "ann"), &owned(2, "ann"), &EXACT), Difference::None);
        assert_eq!(plain.of(&owned(1, "ann"), &owned(1, "bob"), &EXACT), Difference::Metadata);
        assert_eq!(plain.of(&owned(1, "ann"), &owned(1, ""), &EXACT), Difference::None);
        assert_eq!(plain.of(&owned(1, ""), &owned(2, ""), &EXACT), Difference::Metadata);
    }
}
