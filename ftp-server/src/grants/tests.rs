//! Sessions that are ended from outside, without any session: who does not read its messages is ended all the same.

use super::*;
use crate::auth::{LoginClaim, LoginRefusal, Principal};
use wire::budget::Budget;
use wire::checksum::Checksum;
use wire::engine::{NoopObserver, ReceiveJob};
use wire::ids::JobId;
use wire::message::{Durability, Message, Overwrite, Ping};
use wire::net::control::{OutboxMessages, outbox};
use wire::receiver::Receiver as Machine;
use wire::store::{FolderCache, LocalFolder, TreeSink, TreeSinkOptions};

/// Withdraws all that it has granted, once it is told to.
#[derive(Default)]
struct Fickle(AtomicBool);

impl Authenticator for Fickle {
    fn authenticate(&self, _: &LoginClaim) -> Result<Principal, LoginRefusal> {
        Err(LoginRefusal::NotOffered)
    }

    fn review(&self, grants: &[&Grant], _: SystemTime) -> Vec<Result<(), Revocation>> {
        let verdict = if self.0.load(Ordering::SeqCst) { Err(Revocation::UserRemoved) } else { Ok(()) };
        grants.iter().map(|_| verdict).collect()
    }
}

fn running() -> (GrantedSession, OutboxMessages) {
    let (outbox, messages) = outbox();
    let disk = wire::disk::Disk::alone();
    let exchange = Exchange::new(outbox.clone(), Arc::default(), disk, Budget::unlimited());
    let principal = Principal::new("alice", "/srv", wire::Access::Write);
    let grant = Grant { principal, peer: [192, 0, 2, 1].into() };
    (GrantedSession::new(grant, exchange, outbox, CancellationToken::new()), messages)
}

fn job(folder: &std::path::Path) -> Arc<ReceiveJob> {
    let options = TreeSinkOptions {
        overwrite: Overwrite::Always,
        add_only: false,
        takes_over: true,
        modes: wire::modes::Modes::CARRIED,
        sparse: false,
        durability: Durability::Process,
        keeping: None,
        begun: None,
    };
    let base = FolderCache::new(Arc::new(LocalFolder::open_ambient(folder).unwrap()));
    let sink = Box::new(TreeSink::new(wire::store::Base::Folder(base), options));
    Arc::new(ReceiveJob::new(JobId(2), Machine::new(Checksum::Blake3, 8), sink, Arc::new(NoopObserver)))
}

#[tokio::test]
async fn a_session_is_told_why_before_its_jobs_end() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut messages) = running();
    let job = running.exchange.receive(job(folder.path()));
    running.revoke(Revocation::PasswordChanged);
    assert!(running.stop.is_cancelled() && running.is_told.load(Ordering::SeqCst));
    let told = messages.try_recv().unwrap().envelope;
    let failure = refusal(Revocation::PasswordChanged);
    assert_eq!((told.request, told.message), (0, Message::from(failure.clone())));
    assert_eq!(job.await.unwrap_err(), failure);
}

#[tokio::test]
async fn a_session_whose_client_reads_nothing_ends_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (running, _messages) = running();
    while running.outbox.try_send(Envelope::new(0, Ping)) {}
    let begun = running.exchange.receive(job(folder.path()));
    running.revoke(Revocation::UserRemoved);
    assert!(running.stop.is_cancelled() && !running.is_told.load(Ordering::SeqCst));
    assert_eq!(begun.await.unwrap_err().code, FailureCode::AccessDenied);
    let late = running.exchange.receive(job(folder.path()));
    assert_eq!(late.await.unwrap_err().code, FailureCode::AccessDenied, "nothing begins any more");
}

#[tokio::test]
async fn the_watcher_ends_sessions_soon_after_their_login_stands_no_more() {
    let (granted, authenticator) = (Arc::<Granted>::default(), Arc::<Fickle>::default());
    let (running, _messages) = running();
    let stop = running.stop.clone();
    let entry = granted.add([7; 16], running);
    let alive = watch(authenticator.clone(), granted.clone()).unwrap();
    authenticator.0.store(true, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(20), stop.cancelled()).await.expect("the session ends");
    assert_eq!(entry.revoked(), Some(Revocation::UserRemoved));
    drop((entry, alive));
    assert!(granted.all().is_empty());
}
