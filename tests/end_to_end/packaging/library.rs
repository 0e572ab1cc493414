//! The client as a library: uses by other programs that `ftp-client` itself does not have.

use ftp_client::mirror::{
    DeleteRefusal, MirrorAction, MirrorDirection, MirrorListener, MirrorOptions, MirrorRequest, Mode,
};
use ftp_client::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver};
use ftp_client::trust::{ServerIdentity, ServerTrust};
use ftp_client::{ConnectOptions, Credentials, Error, Session, fingerprint};
use std::fs;
use std::sync::Arc;
use tests::world::{PASSWORD, World};
use wire::RemotePath;

/// Trusts any server.
struct TrustAll;

impl ServerTrust for TrustAll {
    fn decide(&self, _: &ServerIdentity<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn expected_key(&self, _: &str, _: u16) -> Result<Option<fingerprint::ServerKey>, Error> {
        Ok(None)
    }
}

/// Fails every action.
struct FailingListener;

impl TransferObserver for FailingListener {
    fn on_event(&self, event: &TransferEvent<'_>) {
        if let TransferEvent::FileFinished(FileReport {
            path, outcome: FileOutcome::Failed(failure), ..
        }) = event
        {
            panic!("{path}: {failure}");
        }
    }
}

impl MirrorListener for FailingListener {
    fn planned(&self, _: &MirrorAction) -> Result<(), Error> {
        Err(Error::Interrupted)
    }

    fn done(&self, action: &MirrorAction) {
        panic!("done: {}", action.path());
    }

    fn not_deleted(&self, _: u64) {}
    fn refused(&self, _: DeleteRefusal) {}
}

async fn connect(world: &World) -> Session {
    let address = world.server().address;
    let login = Credentials::Password { user: "tester".into(), password: PASSWORD.into() };
    let options = ConnectOptions::new(address.ip().to_string(), Arc::new(TrustAll), login);
    Session::connect(ConnectOptions { port: address.port(), ..options }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_ends_before_the_first_action_that_its_listener_cannot_take() {
    let world = World::serving();
    for folder in [world.local().join("source"), world.root().join("source")] {
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "bytes").unwrap();
    }
    let session = connect(&world).await;
    for (direction, local, remote) in
        [(MirrorDirection::Upload, "source", "target"), (MirrorDirection::Download, "target", "source")]
    {
        let (local, remote) = (world.local().join(local), RemotePath::from_user(remote.as_bytes()).unwrap());
        let (options, mode, scope) = (MirrorOptions::default(), Mode::Run, RemotePath::root());
        let request = MirrorRequest { direction, local, remote, options, mode, scope };
        let ended = session.mirror(request, Arc::new(FailingListener)).await;
        assert!(matches!(ended, Err(Error::Interrupted)), "{direction:?}: {ended:?}");
    }
    session.close().await;
    assert!(!world.local().join("target").exists() && !world.root().join("target").exists());
}
