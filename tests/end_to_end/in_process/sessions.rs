//! Sessions of the real server and the real client over a network in memory: logins, transfers, mirrors, and the loss of lanes
//! and connections on the way. Each seed lets other connections break, after other numbers of bytes.

use crate::support::content;
use crate::support::in_memory::{InMemory, Outcome, remote, wait_for};
use ftp_client::error::Error;
use ftp_client::mirror::{
    DeleteRefusal, MirrorAction, MirrorDirection, MirrorListener, MirrorOptions, MirrorRequest,
    MirrorSummary, Mode,
};
use ftp_client::observer::{FileOutcome, NoopTransferObserver, TransferEvent, TransferObserver};
use ftp_client::session::Outages;
use ftp_client::{ConnectOptions, Credentials, PutRequest, PutSource, Session, TransferOptions};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use wire::RemotePath;
use wire::message::{Hash, MakeFolder};

/// Gives content until its bound, and then waits until the test lets it go on.
struct Paused {
    content: io::Cursor<Vec<u8>>,
    bound: u64,
    go_on: mpsc::Receiver<()>,
}

impl Paused {
    fn source(content: Vec<u8>, bound: u64) -> (PutSource, mpsc::Sender<()>) {
        let (sender, go_on) = mpsc::channel();
        (PutSource::Stream(Box::new(Self { content: io::Cursor::new(content), bound, go_on })), sender)
    }
}

impl io::Read for Paused {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.content.position() >= self.bound {
            let _ = self.go_on.recv(); // or the test has ended
            self.bound = u64::MAX;
        }
        let left = self.bound.saturating_sub(self.content.position());
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.content.read(&mut buffer[..len])
    }
}

fn check(outcome: Outcome) {
    let done = outcome.unwrap();
    assert_eq!((done.failed, done.gravest), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_login_is_refused_and_the_session_says_so() {
    let world = InMemory::start().await;
    let credentials = Credentials::Token { token: "wrong".to_owned() };
    let wrong = ConnectOptions { credentials, ..world.options.clone() };
    let session = Session::connect(wrong).await.unwrap();
    assert!(matches!(session.welcome().await, Err(Error::LoginRefused { .. })));
    world.session.welcome().await.unwrap();
    world.session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_closes_cancels_its_transfers_and_leaves_nothing() {
    let world = InMemory::start().await;
    let session = Session::connect(world.options.clone()).await.unwrap();
    let (source, _paused) = Paused::source(content(1, 5_000_000), 3_000_000);
    let (path, options) = (remote("cancelled"), TransferOptions::default());
    let put = PutRequest { source, path, into: None, totals: false, options };
    let put = session.put(put, Arc::new(NoopTransferObserver));
    let closing = async {
        wait_for(|| world.storage.uploads() == 1).await;
        session.close().await;
    };
    let (outcome, ()) = tokio::join!(put, closing);
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    wait_for(|| world.storage.uploads() == 0).await;
    assert_eq!(world.names("/", true).await, [""; 0], "another session goes on");
    world.session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_its_caller_drops_is_cancelled_at_the_server() {
    let world = InMemory::start().await;
    let (source, _paused) = Paused::source(content(1, 5_000_000), 3_000_000);
    let put = world.put(source, "dropped", TransferOptions::default());
    tokio::select! {
        outcome = put => panic!("{outcome:?}"),
        () = wait_for(|| world.storage.uploads() == 1) => {}
    }
    wait_for(|| world.storage.uploads() == 0).await;
    assert!(!world.session.is_over(), "the session goes on");
    world.session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_outlives_its_lanes() {
    let world = InMemory::start().await;
    let sent = content(2, 20_000_000);
    let (source, go_on) = Paused::source(sent.clone(), 6_000_000);
    let cutting = async {
        wait_for(|| world.storage.uploads() == 1).await;
        assert!(world.network.cut(|number| number > 0) > 0, "there were lanes");
        go_on.send(()).unwrap();
    };
    let (outcome, ()) = tokio::join!(world.put(source, "file", TransferOptions::default()), cutting);
    check(outcome);
    assert!(world.storage.content("file").unwrap() == sent);
    assert!(!world.session.is_over(), "the control connection stayed");
    world.session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_over_another_connection() {
    let world = InMemory::start().await;
    let file = world.local.path().join("file");
    fs::write(&file, content(3, 30_000_000)).unwrap();
    let put = world.put(PutSource::File(file), "file", TransferOptions::default());
    let cutting = async {
        wait_for(|| world.storage.uploads() == 1).await;
        assert!(world.network.cut(|_| true) > 0);
    };
    let (outcome, ()) = tokio::join!(put, cutting);
    check(outcome);
    assert!(world.storage.content("file").unwrap() == content(3, 30_000_000));
    assert_eq!(world.storage.uploads(), 0, "nothing is left of the first attempt");
    world.session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_that_is_not_made_again_ends_the_transfer() {
    let world = InMemory::start().await;
    let options = ConnectOptions { outages: Outages::default(), ..world.options.clone() };
    let session = Session::connect(options).await.unwrap();
    session.call(MakeFolder { path: remote("folder"), parents: false }).await.unwrap();
    world.network.cut(|_| true);
    let lost = session.call(Hash { path: remote("folder") }).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { .. }), "{lost}");
    assert!(session.is_over());
}

/// Connections that break anywhere, also in handshakes and logins, cost time and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn trees_arrive_whole_whatever_connections_break() {
    for seed in 0..SEEDS {
        let world = InMemory::start().await;
        world.session.welcome().await.unwrap(); // a connection that is lost before that is not made again
        let (tree, back) = (world.tree(), world.local.path().join("back"));
        world.network.break_next(BROKEN, seed);
        world.network.cut(|_| seed % 2 == 0);
        check(world.put(PutSource::Tree(tree.clone()), "tree", TransferOptions::default()).await);
        world.network.break_next(BROKEN, !seed);
        check(world.get("tree", &back, true).await);
        for path in ["small", "empty", "below/large"] {
            let sent = fs::read(tree.join(path)).unwrap();
            assert!(world.storage.content(&format!("tree/{path}")).unwrap() == sent, "seed {seed}: {path}");
            assert!(fs::read(back.join(path)).unwrap() == sent, "seed {seed}: {path}");
        }
        wait_for(|| world.storage.uploads() == 0).await;
        assert!(world.network.connections() > 3, "seed {seed}: none broke");
        world.session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_sends_what_differs_and_deletes_what_is_gone() {
    let world = InMemory::start().await;
    let tree = world.tree();
    let first = mirror(&world, &tree).await;
    assert_eq!((first.transfer.files, first.transfer.failed, first.unchanged), (3, 0, 0));
    let again = mirror(&world, &tree).await;
    assert_eq!((again.transfer.files, again.deleted), (0, 0));
    fs::write(tree.join("small"), "another").unwrap();
    fs::remove_file(tree.join("empty")).unwrap();
    world.network.cut(|number| number > 0);
    let last = mirror(&world, &tree).await;
    assert_eq!((last.transfer.files, last.deleted, last.transfer.failed), (1, 1, 0));
    assert_eq!(world.storage.content("tree/small").unwrap(), b"another");
    assert_eq!(world.names("tree", true).await.len(), 4);
    world.session.close().await;
}

async fn mirror(world: &InMemory, local: &Path) -> MirrorSummary {
    let mut options = MirrorOptions::default();
    options.delete = true;
    options.transfer.modes.only_new = true; // this storage keeps no permissions
    let (direction, mode, scope) = (MirrorDirection::Upload, Mode::Run, RemotePath::root());
    let (local, remote) = (local.to_owned(), remote("tree"));
    let request = MirrorRequest { direction, local, remote, options, mode, scope };
    world.session.mirror(request, Arc::new(Quiet)).await.unwrap().summary
}

/// Ignores a mirror's events, except for failures.
struct Quiet;

impl TransferObserver for Quiet {
    fn on_event(&self, event: &TransferEvent<'_>) {
        if let TransferEvent::FileFinished(report) = event {
            assert!(!matches!(report.outcome, FileOutcome::Failed(_)), "{report:?}");
        }
    }
}

impl MirrorListener for Quiet {
    fn planned(&self, _: &MirrorAction) -> Result<(), Error> {
        Ok(())
    }

    fn done(&self, _: &MirrorAction) {}
    fn not_deleted(&self, _: u64) {}
    fn refused(&self, _: DeleteRefusal) {}
}

/// Worlds with connections that break.
const SEEDS: u64 = 8;
/// Connections that break in each direction of a world.
const BROKEN: usize = 5;
