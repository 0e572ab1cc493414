//! A real server and a session with it, in this process, over a network in memory and on a storage that the test chooses.

use crate::support::PATIENCE;
use crate::support::memory_network::MemoryNetwork;
use ftp_client::error::Error;
use ftp_client::fingerprint::ServerKey;
use ftp_client::session::Outages;
use ftp_client::trust::{ServerIdentity, ServerTrust};
use ftp_client::{ConnectOptions, Credentials, Session};
use ftp_server::disks::RootOpener;
use ftp_server::identity::HostIdentity;
use ftp_server::token::{TokenGrant, Tokens};
use ftp_server::{Server, ServerOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use wire::Access;

/// A session with a server of its own, which stops when this is dropped.
pub(crate) struct Served {
    pub(crate) network: MemoryNetwork,
    /// How the session was begun.
    pub(crate) options: ConnectOptions,
    pub(crate) session: Session,
    stop: CancellationToken,
}

/// Accepts the server's key.
struct AcceptAll;

impl ServerTrust for AcceptAll {
    fn decide(&self, _: &ServerIdentity<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn expected_key(&self, _: &str, _: u16) -> Result<Option<ServerKey>, Error> {
        Ok(None)
    }
}

impl Served {
    /// Starts a server that opens `root` with `roots`, and a session of a user who has `access` to it.
    pub(crate) async fn start(roots: Arc<dyn RootOpener>, root: &Path, access: Access) -> Self {
        let (tokens, stop) = (Arc::new(Tokens::new()), CancellationToken::new());
        let expires_at = SystemTime::now() + Duration::from_secs(3600);
        let (name, root) = ("tester".to_owned(), root.to_owned());
        let grant = TokenGrant { name, root, access, expires_at, once: false, only: None, home: None };
        let token = tokens.issue(grant).unwrap().text().to_owned();
        let options = ServerOptions {
            listen: Vec::new(),
            drain_timeout: Duration::ZERO,
            roots,
            ..ServerOptions::new(([127, 0, 0, 1], 0).into(), HostIdentity::generate().unwrap(), tokens)
        };
        let mut server = Box::pin(Server::bind(options)).await.unwrap();
        let (network, listener) = MemoryNetwork::new();
        server.accept_from(listener);
        tokio::spawn(Box::pin(server.run(stop.clone(), stop.clone())));
        let options = ConnectOptions {
            lanes: 2,
            timeout: PATIENCE,
            outages: Outages { give_up_after: PATIENCE, ..Outages::default() },
            transport: Arc::new(network.clone()),
            ..ConnectOptions::new("memory", Arc::new(AcceptAll), Credentials::Token { token })
        };
        let session = Session::connect(options.clone()).await.unwrap();
        Self { network, options, session, stop }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
