//! The job that carries a mirror's files, either way: opened with the first file, closed with the last.

mod item_tracker;

use super::MirrorOptions;
use super::room::makes_room;
use super::target::{MirrorDirection, Trees};
use crate::error::Error;
use crate::expected_items::{self, AllowListSink, ExpectedItems};
use crate::local;
use crate::local_error_context::LocalErrorContext;
use crate::observer::TransferSummary;
use crate::options::{SendingRules, TransferOptions, delta_here, keeping};
use crate::report::Reporter;
use crate::requested_job::RequestedJob;
use crate::session::Session;
use crate::session::portions::portions;
use item_tracker::ItemTracker;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::engine::{Exchange, ItemQueue, Pacer, QueueSource, ReceiveJob, Role, SendJob};
use wire::ids::JobId;
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Delta, FollowLinks, JobOptions, Overwrite, Put, Resume, Select, Wanted, WantedItem};
use wire::metadata::Metadata;
use wire::receiver::Receiver;
use wire::sender::{Asking, Sender};
use wire::store::{Base, Folder, FolderCache, FolderLock, Keeping, Sink, TreeSink};
use wire::{Failure, FailureCode, RemotePath};

/// A job under way.
pub(crate) struct MirrorJob {
    id: JobId,
    exchange: Arc<Exchange>,
    feed: ItemFeed,
    tracker: Arc<ItemTracker>,
    job: JoinHandle<Result<TransferSummary, Error>>,
}

enum ItemFeed {
    Up { queue: Arc<ItemQueue> },
    Down { wanted: Vec<WantedItem>, session: Session, expected: Arc<ExpectedItems> },
}

impl MirrorJob {
    /// Opens the job. `folder` is the local tree.
    pub(crate) fn open(
        trees: &Trees,
        folder: Arc<dyn Folder>,
        options: &MirrorOptions,
        reporter: Arc<Reporter>,
    ) -> Result<Self, Error> {
        match trees.direction {
            MirrorDirection::Upload => trees.runtime.block_on(open_upload(trees, folder, options, reporter)),
            MirrorDirection::Download => {
                trees.runtime.block_on(open_download(trees, folder, options, reporter))
            }
        }
    }

    /// Sends a file, link or folder; waits while too many are under way. False if the job is over.
    pub(crate) fn send(&mut self, path: RemotePath, metadata: Metadata) -> bool {
        match &mut self.feed {
            ItemFeed::Up { queue } => {
                let open = self.tracker.credit.take_waiting(&path);
                let added = open && queue.add(path, metadata).is_ok();
                self.exchange.has_work();
                added
            }
            ItemFeed::Down { wanted, session, expected } => {
                if !self.tracker.credit.is_left() {
                    ask(wanted, self.id, session, false);
                }
                let open = self.tracker.credit.take_waiting(&path);
                expected.add(&path);
                wanted.push(WantedItem { path, metadata });
                if wanted.len() >= WANTED_AT_ONCE {
                    ask(wanted, self.id, session, false);
                }
                open
            }
        }
    }

    /// Waits until all that was sent has come to an end. False if the job is over.
    pub(crate) fn settle(&mut self) -> bool {
        if let ItemFeed::Down { wanted, session, .. } = &mut self.feed
            && !wanted.is_empty()
        {
            ask(wanted, self.id, session, false);
        }
        self.tracker.credit.wait_until_settled()
    }

    /// Items that failed so far.
    pub(crate) fn failures(&self) -> usize {
        self.tracker.failed().failed
    }

    /// Items that failed for lack of room, and were not reported.
    pub(crate) fn short(&self) -> Vec<(RemotePath, Failure)> {
        self.tracker.failed().short.clone().unwrap_or_default()
    }

    /// From here on lack of room is a failure like any other. Returns those that were not reported, which no longer count.
    pub(crate) fn end_waiting_for_room(&self) -> Vec<(RemotePath, Failure)> {
        let mut failed = self.tracker.failed();
        let short = failed.short.take().unwrap_or_default();
        for (path, _) in &short {
            failed.failed -= 1;
            failed.missed -= 1;
            failed.paths.remove(path);
        }
        short
    }

    /// True if this item did not arrive.
    pub(crate) fn has_failed(&self, path: &RemotePath) -> bool {
        self.tracker.failed().has(path)
    }

    /// True if this item was removed before it could be read.
    pub(crate) fn has_vanished(&self, path: &RemotePath) -> bool {
        self.tracker.failed().paths.get(path) == Some(&FailureCode::Vanished)
    }

    /// Ends the job in good order; why it ended, if it had before.
    pub(crate) fn close(&mut self, trees: &Trees) -> Result<TransferSummary, Error> {
        self.close_on(&trees.runtime)
    }

    fn close_on(&mut self, runtime: &Handle) -> Result<TransferSummary, Error> {
        match &mut self.feed {
            ItemFeed::Up { queue } => {
                queue.close();
                self.exchange.has_work();
            }
            ItemFeed::Down { wanted, session, .. } => ask(wanted, self.id, session, true),
        }
        let ended = runtime.block_on(&mut self.job);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

/// Whoever does not wait for its end does not want it.
impl Drop for MirrorJob {
    fn drop(&mut self) {
        self.exchange.cancel(self.id);
    }
}

/// Asks for items, in messages that long paths do not make too long.
fn ask(wanted: &mut Vec<WantedItem>, id: JobId, session: &Session, last: bool) {
    let mut parts = portions(std::mem::take(wanted), |item| item.path.as_bytes().len());
    let end = parts.pop().unwrap_or_default();
    for (items, last) in parts.into_iter().map(|items| (items, false)).chain([(end, last)]) {
        let envelope = Envelope::new(id.0, Wanted { items, last });
        let _ = session.inner.control.outbox.blocking_send(envelope); // the job tells that the session is over
    }
}

async fn open_upload(
    trees: &Trees,
    folder: Arc<dyn Folder>,
    options: &MirrorOptions,
    reporter: Arc<Reporter>,
) -> Result<MirrorJob, Error> {
    let session = &trees.session;
    let control = session.inner.control.clone();
    let (path, checksum) = (trees.remote.clone(), options.checksum(session.checksum()));
    let delta = delta_here(session, options.transfer.delta);
    let transfer = TransferOptions { overwrite: at_the_end(options), delta, ..options.transfer.clone() };
    // Without `begun`: what is there has been compared already.
    let job = JobOptions { resume: trees.resume, follow: trees.follow_there, ..JobOptions::of(checksum) };
    let put = Put { exclusive: true, ..transfer.put(path.clone(), job) };
    let mut requested = RequestedJob::open(session, Role::Sender, path, put).await?;
    let window = control.welcome().await?.window;
    if !trees.is_at_server {
        requested.answered().await; // a target that the job makes must be there before a batch changes something in it
    }
    let queue = Arc::new(ItemQueue::default());
    reporter.begin();
    let tracker = Arc::new(ItemTracker::new(reporter, None, makes_room(options)));
    let source = Arc::new(QueueSource::new(folder, queue.clone()));
    let machine = Sender::new(checksum, window, Asking::of(trees.resume, Asking::Large(0)));
    let pacer = Pacer::new(session.inner.rate_limit);
    let job = SendJob::new(requested.id, machine, source, tracker.clone(), pacer)
        .changing(options.transfer.changing)
        .compressing(options.transfer.compress)
        .with_deltas(delta)
        .with_holes(options.transfer.sparse)
        .naming_receiver(crate::put::AT_SERVER);
    let (id, exchange) = (requested.id, control.exchange.clone());
    let (sending, ending) = (exchange.clone(), tracker.clone());
    let job = tokio::spawn(async move {
        let end = sending.send(Arc::new(job)).await;
        ending.end(&mut requested, end)
    });
    Ok(MirrorJob { id, exchange, feed: ItemFeed::Up { queue }, tracker, job })
}

/// The rule by which an item that was chosen is looked at once more when it gets its name. What differs is sent whatever is
/// there by then; and files that are to be names of several files no more are sent, though they do not differ.
fn at_the_end(options: &MirrorOptions) -> Overwrite {
    match options.transfer.overwrite {
        Overwrite::Newer if !options.hard_links => Overwrite::Newer,
        Overwrite::Never => Overwrite::Never,
        Overwrite::Always | Overwrite::Different | Overwrite::Newer => Overwrite::Always,
    }
}

async fn open_download(
    trees: &Trees,
    folder: Arc<dyn Folder>,
    options: &MirrorOptions,
    reporter: Arc<Reporter>,
) -> Result<MirrorJob, Error> {
    let (lock, unproven) = local::blocking({
        let (folder, shown, here) = (folder.clone(), trees.shown.clone(), trees.session.clone());
        let power = options.transfer.survive_power();
        move || {
            let lock = folder.lock().map_err(|error| Error::local(&shown, error))?;
            Ok((lock, here.begin_writing(&folder, power)))
        }
    })
    .await?;
    let session = &trees.session;
    let makes_room = makes_room(options);
    let checksum = options.checksum(session.checksum());
    let (rules, sparse) = (options.transfer.sending(), options.transfer.sparse);
    let keeping = keeping(session, trees.resume).map(|keeping| Keeping { checksum, ..keeping });
    let transfer = TransferOptions { overwrite: at_the_end(options), ..options.transfer.clone() };
    let options = transfer.sink(keeping, None);
    let shown = local::whole(&trees.shown)?;
    let sink = TreeSink::new(Base::Folder(FolderCache::new(folder)), options).doubting(unproven);
    let sink = sink.found_by(move || local::find(&shown));
    let sink: Box<dyn Sink> = Box::new(sink);
    let (resume, follow, lock) = (trees.resume, trees.follow_there, Some(lock));
    let selecting = Selecting { resume, makes_room, rules, sparse, follow, checksum, lock };
    select(session, trees.remote.clone(), Box::new(LocalErrorContext(sink)), reporter, selecting).await
}

/// How a job of chosen items runs.
struct Selecting {
    resume: Resume,
    rules: SendingRules,
    sparse: bool,
    follow: FollowLinks,
    checksum: Checksum,
    /// Failures for lack of room are kept for later, and not reported.
    makes_room: bool,
    /// Held as long as the job runs.
    lock: Option<FolderLock>,
}

/// Opens a job that sends what is asked for below `path`.
async fn select(
    session: &Session,
    path: RemotePath,
    sink: Box<dyn Sink>,
    reporter: Arc<Reporter>,
    selecting: Selecting,
) -> Result<MirrorJob, Error> {
    let Selecting { resume, rules, sparse, follow, checksum, makes_room, lock } = selecting;
    let session = session.clone();
    let expected = Arc::new(ExpectedItems::default());
    let tracker = Arc::new(ItemTracker::new(reporter.clone(), Some(expected.clone()), makes_room));
    let sink = Box::new(AllowListSink::new(sink, expected.clone()));
    reporter.begin();
    let (rate_limit, delta) = (session.inner.rate_limit, delta_here(&session, rules.delta));
    let select = Select {
        path: path.clone(),
        window: WINDOW_FRAMES_MAX,
        rate_limit,
        changing: rules.changing,
        compress: rules.compress,
        options: JobOptions { resume, sparse, delta, follow, ..JobOptions::of(checksum) },
    };
    let mut requested = RequestedJob::open(&session, Role::Receiver, path, select).await?;
    let (id, exchange) = (requested.id, requested.control.exchange.clone());
    let (receiving, ending) = (exchange.clone(), tracker.clone());
    let machine = Receiver::new(checksum, WINDOW_FRAMES_MAX).with_holes(sparse);
    let job = ReceiveJob::new(id, machine, sink, tracker.clone());
    let job = Arc::new(job.with_deltas(delta != Delta::Never));
    let feed = ItemFeed::Down { wanted: Vec::new(), session, expected };
    let job = tokio::spawn(async move {
        let end = receiving.receive(job).await;
        drop(lock);
        let summary = ending.end(&mut requested, end)?;
        if ending.credit.is_settled() {
            Ok(summary)
        } else {
            Err(expected_items::not_all(&requested.control))
        }
    });
    Ok(MirrorJob { id, exchange, feed, tracker, job })
}

/// A job of items that are chosen here, without a mirror.
pub(crate) struct SelectionJob(MirrorJob);

impl SelectionJob {
    /// Opens it, for items below `path`.
    pub(crate) async fn open(
        session: &Session,
        path: RemotePath,
        sink: Box<dyn Sink>,
        resume: Resume,
        rules: SendingRules,
        reporter: Arc<Reporter>,
    ) -> Result<Self, Error> {
        let (follow, checksum) = (FollowLinks::Never, session.checksum());
        let (sparse, makes_room, lock) = (false, false, None);
        let selecting = Selecting { resume, rules, sparse, follow, checksum, makes_room, lock };
        select(session, path, sink, reporter, selecting).await.map(Self)
    }

    /// Asks for an item; waits while too many are under way. False if the job is over.
    pub(crate) fn send(&mut self, path: RemotePath, metadata: Metadata) -> bool {
        self.0.send(path, metadata)
    }

    /// Waits for the job's end.
    pub(crate) fn close(&mut self, runtime: &Handle) -> Result<TransferSummary, Error> {
        self.0.close_on(runtime)
    }
}

/// Items of one message.
const WANTED_AT_ONCE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::transfer_queue::TransferQueue;
    use crate::observer::{NoopTransferObserver, TransferEvent, TransferObserver};
    use wire::budget::Budget;
    use wire::disk::Disk;
    use wire::engine::{JobObserver, SettledItem};

    /// A job that sends nothing; failures are reported to it.
    fn idle() -> MirrorJob {
        let reporter = Reporter::new(Arc::new(NoopTransferObserver), Checksum::Blake3);
        let (outbox, _messages) = wire::net::control::outbox();
        let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
        let tracker = Arc::new(ItemTracker::new(reporter, None, true));
        let job = tokio::spawn(async { Ok(TransferSummary::default()) });
        MirrorJob { id: JobId(1), exchange, feed: ItemFeed::Up { queue: Arc::default() }, tracker, job }
    }

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    impl MirrorJob {
        fn settled(&self, path: &RemotePath, code: FailureCode) {
            let failure = Some(&Failure::from(code));
            let (folder, bytes, digest, as_is) = (false, 0, None, false);
            self.tracker.settled(&SettledItem {
                path,
                folder,
                bytes,
                digest,
                as_is,
                failure,
                is_lost: false,
            });
        }
    }

    /// Sums the bytes of progress.
    #[derive(Default)]
    struct ProgressSum(std::sync::atomic::AtomicU64);

    impl TransferObserver for ProgressSum {
        fn on_event(&self, event: &TransferEvent<'_>) {
            if let TransferEvent::Progress { bytes, .. } = event {
                self.0.fetch_add(*bytes, std::sync::atomic::Ordering::SeqCst);
            }
        }
    }

    #[test]
    fn progress_is_reported() {
        let observer = Arc::new(ProgressSum::default());
        let tracker = ItemTracker::new(Reporter::new(observer.clone(), Checksum::Blake3), None, false);
        tracker.progress(Some(&path("large")), 5);
        tracker.progress(None, 7);
        assert_eq!(observer.0.load(std::sync::atomic::Ordering::SeqCst), 12);
    }

    /// Deletions depend on it.
    #[tokio::test]
    async fn items_that_fail_are_counted_unless_they_were_seen() {
        let job = idle();
        assert_eq!(job.failures(), 0);
        job.settled(&path("a"), FailureCode::PermissionDenied);
        job.settled(&path("b"), FailureCode::Vanished);
        assert_eq!(job.failures(), 1);
        assert!(job.has_failed(&path("a")) && job.has_failed(&path("b")) && !job.has_failed(&path("c")));
        assert!(job.has_vanished(&path("b")) && !job.has_vanished(&path("a")));
        let queue = TransferQueue::new(job).unwrap();
        assert_eq!(queue.failures(), 1);
        assert!(queue.has_failed(&path("a")) && queue.has_vanished(&path("b")));
    }

    #[tokio::test]
    async fn lack_of_room_is_a_failure_only_once_no_more_is_waited_for() {
        let job = idle();
        job.settled(&path("a"), FailureCode::NoSpace);
        job.settled(&path("b"), FailureCode::Io);
        assert_eq!((job.failures(), job.short().len()), (2, 1));
        let missed = job.tracker.failed().missed;
        let short = job.end_waiting_for_room();
        assert_eq!(short.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["/a"]);
        assert_eq!((job.failures(), job.tracker.failed().missed), (1, missed - 1));
        assert!(job.has_failed(&path("b")) && !job.has_failed(&path("a")));
        job.settled(&path("a"), FailureCode::NoSpace);
        assert_eq!((job.failures(), job.short().len()), (2, 0));
    }

    /// The rule that chose an item must not refuse it in the end.
    #[test]
    fn what_was_chosen_is_sent_unless_it_is_newer_or_there_by_then() {
        for hard_links in [false, true] {
            let last = |overwrite| {
                let mut options = MirrorOptions { hard_links, ..MirrorOptions::default() };
                options.transfer.overwrite = overwrite;
                at_the_end(&options)
            };
            assert_eq!(last(Overwrite::Different), Overwrite::Always);
            assert_eq!(last(Overwrite::Always), Overwrite::Always);
            assert_eq!(last(Overwrite::Never), Overwrite::Never);
            let newer = if hard_links { Overwrite::Always } else { Overwrite::Newer };
            assert_eq!(last(Overwrite::Newer), newer, "hard links: {hard_links}");
        }
    }
}
