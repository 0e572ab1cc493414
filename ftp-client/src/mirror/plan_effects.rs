//! Effects of plans: they are written down, or what was written down is done.

use super::action::MirrorAction;
use super::deferred::FolderMetadata;
use super::effects::{DryRun, Effects};
use super::executor::MirrorExecutor;
use super::plan::{LoadedPlan, PlanWriter};
use crate::error::Error;
use std::collections::HashSet;
use wire::message::Entry;
use wire::{Failure, RemotePath};

/// Writes down what would be done.
pub(super) struct PlanRecorder {
    pub(super) dry: DryRun,
    pub(super) writer: PlanWriter,
}

/// Does what was written down.
pub(super) struct PlanApplier<'a> {
    pub(super) executor: MirrorExecutor<'a>,
    pub(super) plan: LoadedPlan,
    /// Items of the plan that failed for lack of room.
    pub(super) again: HashSet<RemotePath>,
}

impl Effects for PlanRecorder {
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        self.writer.add(&action)?;
        self.dry.act(action)
    }
    fn leave(&mut self, folder: &Entry) -> Result<(), Error> {
        self.dry.leave(folder)
    }
    fn touch(&mut self, path: RemotePath, touch: FolderMetadata) -> Result<(), Error> {
        self.dry.touch(path, touch)
    }
    fn own(&mut self, folder: &Entry) -> Result<(), Error> {
        self.dry.own(folder)
    }
    fn read_only(&mut self, folder: &Entry) {
        self.dry.read_only(folder);
    }
    fn counted(&mut self, files: u64, bytes: u64) {
        self.dry.counted(files, bytes);
    }
    fn settle(&mut self) -> Result<(), Error> {
        self.dry.settle()
    }
    fn failed(&mut self, path: &RemotePath, failure: &Failure) {
        self.dry.failed(path, failure);
    }
    fn vanished(&mut self, path: &RemotePath) {
        self.dry.vanished(path);
    }
    fn left_out(&mut self, path: &RemotePath) {
        self.dry.left_out(path);
    }
    fn not_deleted(&mut self, count: u64) {
        self.dry.not_deleted(count);
    }
    fn failures(&self) -> u64 {
        self.dry.failures()
    }
    fn is_dry(&self) -> bool {
        self.dry.is_dry()
    }
}

impl Effects for PlanApplier<'_> {
    fn proven(&mut self, target: &Entry) -> Result<(), Error> {
        self.executor.proven(target)
    }

    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        let is_again = matches!(action, MirrorAction::New { .. } | MirrorAction::Changed { .. })
            && self.again.remove(action.path());
        if self.plan.take(&action) || is_again { self.executor.act(action) } else { Ok(false) }
    }
    fn leave(&mut self, folder: &Entry) -> Result<(), Error> {
        self.executor.leave(folder)
    }
    fn touch(&mut self, path: RemotePath, touch: FolderMetadata) -> Result<(), Error> {
        self.executor.touch(path, touch)
    }
    fn own(&mut self, folder: &Entry) -> Result<(), Error> {
        self.executor.own(folder)
    }
    fn read_only(&mut self, folder: &Entry) {
        self.executor.read_only(folder);
    }
    fn narrow(&mut self, folder: &Entry) {
        self.executor.narrow(folder);
    }
    fn counted(&mut self, files: u64, bytes: u64) {
        self.executor.counted(files, bytes);
    }
    fn settle(&mut self) -> Result<(), Error> {
        self.executor.settle()
    }
    fn failed(&mut self, path: &RemotePath, failure: &Failure) {
        self.executor.failed(path, failure);
    }
    fn vanished(&mut self, path: &RemotePath) {
        self.executor.vanished(path);
    }
    fn left_out(&mut self, path: &RemotePath) {
        self.executor.left_out(path);
    }
    fn not_deleted(&mut self, count: u64) {
        self.executor.not_deleted(count);
    }
    fn failures(&self) -> u64 {
        self.executor.failures()
    }
    fn release(&mut self) -> Result<(), Error> {
        self.executor.release()
    }
    fn abandon(&mut self) -> bool {
        let is_first = self.executor.abandon();
        if is_first {
            self.plan.restore();
        }
        is_first
    }
    fn lacks_room(&self) -> Result<bool, Error> {
        self.executor.lacks_room()
    }
    fn short_of_room(&self) -> u64 {
        self.executor.short_of_room()
    }
    fn try_again(&mut self) {
        self.again = self.executor.short_paths();
        self.executor.try_again();
    }
    fn tell_short_of_room(&mut self) {
        self.executor.tell_short_of_room();
    }
    fn copied(&self) -> u64 {
        self.executor.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::plan::PlanPlace;
    use crate::mirror::recipe::Recipe;
    use crate::mirror::testing::entry;
    use crate::mirror::{DeleteRefusal, MirrorListener};
    use crate::observer::{TransferEvent, TransferObserver};
    use crate::remote::Way;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts what it is told.
    #[derive(Default)]
    struct Counter(AtomicU64);

    impl TransferObserver for Counter {
        fn on_event(&self, _: &TransferEvent<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl MirrorListener for Counter {
        fn planned(&self, _: &MirrorAction) -> Result<(), Error> {
            Ok(())
        }
        fn done(&self, _: &MirrorAction) {}
        fn not_deleted(&self, count: u64) {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
        fn refused(&self, _: DeleteRefusal) {}
    }

    #[test]
    fn failures_while_a_plan_is_written_are_reported_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let place = PlanPlace { way: Way::Ftpx, host: "h".into(), port: 1, local: "/l".into() };
        let writer = PlanWriter::new(folder.path().join("plan"), place, Recipe::default()).unwrap();
        let counter = Arc::new(Counter::default());
        let mut recorder = PlanRecorder { dry: DryRun::new(counter.clone()), writer };
        let path = entry("a").path;
        recorder.failed(&path, &wire::FailureCode::PermissionDenied.into());
        assert_eq!((recorder.failures(), counter.0.load(Ordering::Relaxed)), (1, 1));
        recorder.vanished(&path);
        recorder.left_out(&path);
        recorder.not_deleted(7);
        assert_eq!((recorder.failures(), counter.0.load(Ordering::Relaxed)), (1, 10));
    }
}
