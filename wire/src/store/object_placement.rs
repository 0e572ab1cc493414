//! Items that go into a store of whole objects: uploaded in parts or at once, and named by a commit.
//!
//! State of the store if we die at any line: the name has its old content, until [`Upload::commit`] gives it the new one in one
//! step. Parts without a name are the store's to remove; no later run resumes them.

use super::admission::NameAdmission;
use super::placing::{Placed, Staged, check_going};
use crate::failure::Failure;
use crate::frame::EntryHead;
use crate::path::Name;
use crate::receiver::Publish;
use crate::store::{Capability, ObjectFolder, Publication, Upload};
use crate::verified::{VerifiedChunk, VerifiedContent};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where an object goes, and how it gets its name.
pub(super) struct ObjectPlacement {
    folder: Arc<dyn ObjectFolder>,
    name: Name,
    admission: NameAdmission,
    mode: u32,
    /// Cancelled once the object may no longer get its name.
    over: CancellationToken,
}

/// A large file under way.
pub(super) struct UploadedFile {
    place: ObjectPlacement,
    upload: Box<dyn Upload>,
}

impl ObjectPlacement {
    /// A place for an object that may take `name`.
    ///
    /// # Errors
    /// `Unsupported` if it would replace another and the store cannot do that in one step.
    pub(super) fn new(
        folder: Arc<dyn ObjectFolder>,
        name: Name,
        admission: NameAdmission,
        mode: u32,
        over: CancellationToken,
    ) -> Result<Self, Failure> {
        if admission.metadata().is_some() {
            folder.capabilities().require(Capability::AtomicReplace)?;
        }
        Ok(Self { folder, name, admission, mode, over })
    }

    /// Starts a large file.
    pub(super) fn upload(self) -> Result<UploadedFile, Failure> {
        let upload = self.folder.upload()?;
        Ok(UploadedFile { place: self, upload })
    }

    /// Stores a small file.
    pub(super) fn put(&self, head: &EntryHead, content: &VerifiedContent<'_>) -> Result<Placed, Failure> {
        check_going(&self.over)?;
        let give_name = |replace| {
            let mode = self.mode;
            let name = (&self.name).into();
            self.folder.put(content, &Publication { name, modified: head.modified, mode, replace })
        };
        self.admission.publish(&*self.folder, (&self.name).into(), give_name)?;
        Ok(Placed::Done)
    }

    /// Stores a link.
    pub(super) fn link(&self, head: &EntryHead, target: &[u8]) -> Result<Placed, Failure> {
        check_going(&self.over)?;
        let name = (&self.name).into();
        let give_name = |replace| self.folder.make_link(name, target, head.modified, replace);
        self.admission.publish(&*self.folder, name, give_name)?;
        Ok(Placed::Done)
    }
}

impl Staged for UploadedFile {
    fn write(&self, chunk: &VerifiedChunk<'_>) -> Result<(), Failure> {
        Ok(self.upload.write(chunk)?)
    }

    fn publish(&self, publish: &Publish) -> Result<Placed, Failure> {
        let ObjectPlacement { folder, name, admission, mode, over } = &self.place;
        check_going(over)?;
        let (name, modified) = (name.into(), publish.announcement().modified);
        let give_name = |replace| {
            self.upload.commit(publish.size(), &Publication { name, modified, mode: *mode, replace })
        };
        admission.publish(&**folder, name, give_name)?;
        Ok(Placed::Done)
    }

    fn discard(&self) {
        self.upload.abort();
    }
}
