//! A copy of a file within a storage: written to a staged file beside its target, which gets its name when it is complete.

use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::message::Overwrite;
use crate::modes::PERMISSIONS;
use crate::path::{Name, NameRef};
use crate::store::admission::{AdmissionRule, Candidate, NameAdmission};
use crate::store::marks::Unproven;
use crate::store::{DiskFolder, Folder, Identity, SourceFile, StagedName, TargetFile, disk_folder};
use std::io;
use std::sync::Arc;

/// A copy under way. Dropped before its end, it leaves nothing.
pub struct FileCopy {
    source: Box<dyn SourceFile>,
    /// The source's state when the copy began.
    begun: Identity,
    folder: Arc<dyn DiskFolder>,
    name: Name,
    admission: NameAdmission,
    staged: StagedCopy,
    file: Box<dyn TargetFile>,
    /// Everything before this offset is copied.
    offset: u64,
}

/// The name of the staged file, which is removed; once it was published, there is none.
struct StagedCopy {
    folder: Arc<dyn DiskFolder>,
    name: StagedName,
}

impl FileCopy {
    /// Begins a copy of `source` to `name` in `folder`, by the rule for files that exist there.
    ///
    /// # Errors
    /// `Skipped` if the existing file stays; `InvalidPath` if it is the source itself; `Unsupported` if the storage keeps no files
    /// on a disk; of the filesystem.
    pub fn begin(
        source: Box<dyn SourceFile>,
        folder: Arc<dyn Folder>,
        name: Name,
        overwrite: Overwrite,
        unproven: &Unproven,
    ) -> Result<Self, Failure> {
        let folder = disk_folder(&folder)
            .ok_or_else(|| Failure::new(FailureCode::Unsupported, "this storage copies no files"))?;
        let begun = source.identity()?;
        let target = NameRef::from(&name);
        match folder.identity(target) {
            Ok(existing) if existing == begun => {
                return Err(Failure::new(
                    FailureCode::InvalidPath,
                    "the source and the target are the same file",
                ));
            }
            Ok(existing) if existing.metadata.kind == crate::metadata::Kind::Folder => {
                return Err(FailureCode::IsAFolder.into());
            }
            Ok(_) | Err(_) => {}
        }
        let candidate = Candidate {
            size: Some(begun.metadata.size),
            modified: Some(begun.metadata.modified),
            is_unproven: unproven.covers_file(&*folder, target),
        };
        let admission = Arc::new(AdmissionRule::new(overwrite, false)).admit(&*folder, target, candidate)?;
        let staged = StagedName::new();
        let file = folder.create_staged(&staged, begun.metadata.mode & PERMISSIONS)?;
        let staged = StagedCopy { folder: folder.clone(), name: staged };
        Ok(Self { source, begun, folder, name, admission, staged, file, offset: 0 })
    }

    /// Copies on, for a while. Returns true at the end of the content.
    ///
    /// # Errors
    /// `Cancelled` once `is_over`; of the filesystem.
    pub fn copy_portion(&mut self, is_over: &dyn Fn() -> bool) -> Result<bool, Failure> {
        let len = self.begun.metadata.size;
        if self.offset == 0 && len > 0 && self.file.share_content(&*self.source)? {
            self.offset = len;
        }
        for _ in 0..PIECES_A_PORTION {
            if is_over() {
                return Err(FailureCode::Cancelled.into());
            }
            self.offset = self.source.next_data(self.offset).min(len).max(self.offset);
            let piece = (len - self.offset).min(PIECE_LEN);
            if piece == 0 {
                return Ok(true);
            }
            match self.file.copy_content(&*self.source, self.offset, piece)? {
                0 => return Ok(true), // it was cut meanwhile, which is noticed at the end
                copied => self.offset += copied,
            }
            beat();
        }
        if self.admission.metadata().is_some() {
            self.file.begin_write_out(); // so that little is left to be waited for at the end
        }
        Ok(false)
    }

    /// Gives the copy its name. Returns its length.
    ///
    /// # Errors
    /// `SourceChanged` if the source was changed meanwhile; `Skipped` if the rule refuses the name by now; `Cancelled` once
    /// `is_over`; of the filesystem.
    pub fn finish(self, is_over: &dyn Fn() -> bool) -> Result<u64, Failure> {
        if !self.source.identity()?.has_content_of(&self.begun) {
            return Err(FailureCode::SourceChanged.into());
        }
        let metadata = self.begun.metadata;
        let ends_in_hole = self.file.place()?.len < metadata.size;
        if ends_in_hole {
            self.file.set_len(metadata.size)?; // otherwise unnecessary: ext4 would write the length to the disk before the content
        }
        self.file.set_metadata(Some(metadata.modified), metadata.mode & PERMISSIONS)?;
        self.file.finish(false)?;
        if ends_in_hole || self.admission.metadata().is_some() {
            self.file.write_out()?; // after a loss of power, the old content or the new one is there
        }
        if is_over() {
            return Err(FailureCode::Cancelled.into());
        }
        let name = NameRef::from(&self.name);
        let give_name = |replace| self.folder.publish(&self.staged.name, name, replace);
        self.admission.publish(&*self.folder, name, give_name)?;
        Ok(metadata.size)
    }
}

impl Drop for StagedCopy {
    fn drop(&mut self) {
        let _: io::Result<()> = self.folder.remove_staged(&self.name); // `gc` removes it otherwise
    }
}

/// Bytes between two looks at whether the copy is cancelled, and where the source has a hole.
const PIECE_LEN: u64 = 8 * 1024 * 1024;
/// A portion is 32 MiB: less than a second of a thread, on most disks.
const PIECES_A_PORTION: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalFolder;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn begin(root: &Path, overwrite: Overwrite) -> Result<FileCopy, Failure> {
        let folder: Arc<dyn Folder> = Arc::new(LocalFolder::open_ambient(root).unwrap());
        let source = LocalFolder::open_ambient_file(&root.join("source")).unwrap();
        FileCopy::begin(source, folder, Name::new(b"target").unwrap(), overwrite, &Unproven::default())
    }

    fn names(root: &Path) -> Vec<String> {
        let names =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_that_does_not_come_to_its_end_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("source"), "content").unwrap();
        let mut copy = begin(root.path(), Overwrite::Always).unwrap();
        assert_eq!(names(root.path()).len(), 2, "the source and a staged file");
        assert!(!root.path().join("target").exists());
        let cancelled = copy.copy_portion(&|| true);
        // Where the filesystem shares blocks, the content is there at once.
        assert!(cancelled.is_err_and(|failure| failure.code == FailureCode::Cancelled));
        drop(copy);
        assert_eq!(names(root.path()), ["source"]);
    }

    #[test]
    fn a_source_that_changes_meanwhile_fails_and_the_old_target_stays() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("source"), "content").unwrap();
        fs::write(root.path().join("target"), "old").unwrap();
        let mut copy = begin(root.path(), Overwrite::Always).unwrap();
        assert!(copy.copy_portion(&|| false).unwrap());
        fs::write(root.path().join("source"), "other content").unwrap();
        assert_eq!(copy.finish(&|| false).map_err(|failure| failure.code), Err(FailureCode::SourceChanged));
        assert_eq!(fs::read_to_string(root.path().join("target")).unwrap(), "old");
        assert_eq!(names(root.path()), ["source", "target"]);
    }

    #[test]
    fn a_copy_that_is_over_at_its_end_gets_no_name() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("source"), "content").unwrap();
        fs::write(root.path().join("target"), "old").unwrap();
        let mut copy = begin(root.path(), Overwrite::Always).unwrap();
        assert!(copy.copy_portion(&|| false).unwrap());
        assert_eq!(copy.finish(&|| true).map_err(|failure| failure.code), Err(FailureCode::Cancelled));
        assert_eq!(fs::read_to_string(root.path().join("target")).unwrap(), "old");
        assert_eq!(names(root.path()), ["source", "target"]);
    }

    #[test]
    fn a_target_that_appears_meanwhile_stays_by_the_rule() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("source"), "content").unwrap();
        let mut copy = begin(root.path(), Overwrite::Never).unwrap();
        assert!(copy.copy_portion(&|| false).unwrap());
        fs::write(root.path().join("target"), "theirs").unwrap();
        assert_eq!(copy.finish(&|| false).map_err(|failure| failure.code), Err(FailureCode::Skipped));
        assert_eq!(fs::read_to_string(root.path().join("target")).unwrap(), "theirs");
        assert_eq!(names(root.path()), ["source", "target"]);
    }

    /// A target that shares what it can, and of which nothing else is to be asked.
    struct SharingFile(Box<dyn TargetFile>);

    impl TargetFile for SharingFile {
        fn share_content(&self, source: &dyn SourceFile) -> io::Result<bool> {
            self.0.copy_content(source, 0, source.identity()?.metadata.size)?;
            Ok(true)
        }

        fn copy_content(&self, _: &dyn SourceFile, _: u64, _: u64) -> io::Result<u64> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn write_at(&self, _: &[io::IoSlice<'_>], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        fn place(&self) -> io::Result<crate::store::FilePlace> {
            self.0.place()
        }

        fn set_metadata(&self, modified: Option<crate::metadata::Timestamp>, mode: u32) -> io::Result<()> {
            self.0.set_metadata(modified, mode)
        }

        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
    }

    #[test]
    fn content_that_can_be_shared_is_not_copied() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("source"), "content").unwrap();
        fs::set_permissions(root.path().join("source"), fs::Permissions::from_mode(0o4751)).unwrap();
        let mut copy = begin(root.path(), Overwrite::Always).unwrap();
        let (folder, other) = (copy.folder.clone(), StagedName::new());
        let file = std::mem::replace(&mut copy.file, folder.create_staged(&other, 0o600).unwrap());
        folder.remove_staged(&other).unwrap();
        copy.file = Box::new(SharingFile(file));
        assert!(copy.copy_portion(&|| false).unwrap());
        assert_eq!(copy.finish(&|| false), Ok(7));
        assert_eq!(names(root.path()), ["source", "target"]);
        let mode = fs::metadata(root.path().join("target")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o751, "a copy has no rights beyond its maker's");
        assert_eq!(fs::read_to_string(root.path().join("target")).unwrap(), "content");
    }
}
