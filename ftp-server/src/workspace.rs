//! A user and the storage that they work on. This is all that most commands need: how the user came here, and how the answer
//! goes out, is the session's affair. Another front end, such as a web page, makes a workspace of its own and runs the same commands.

use crate::auth::Principal;
use crate::events::EventSource;
use std::sync::Arc;
use wire::Failure;
use wire::disk::Disk;
use wire::journal::JournalKey;
use wire::store::Storage;
use wire::store::marks::Marks;

/// A user, and the storage that they work on.
pub(crate) struct Workspace {
    pub(crate) principal: Principal,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) disk: Arc<Disk>,
    /// Makes an event of each request.
    pub(crate) events: Arc<EventSource>,
    pub(crate) journal_key: JournalKey,
    pub(crate) marks: Option<Arc<Marks>>,
}

impl Workspace {
    /// Does work where it may block.
    pub(crate) async fn on_disk<A: Send + 'static, T: Send + 'static>(
        &self,
        argument: A,
        work: impl FnOnce(A) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.disk.run_soon(move || work(argument)).await?
    }

    /// Does work on the storage where it may block.
    pub(crate) async fn on_storage<T: Send + 'static>(
        &self,
        work: impl FnOnce(Arc<dyn Storage>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.on_disk(self.storage.clone(), work).await
    }
}
