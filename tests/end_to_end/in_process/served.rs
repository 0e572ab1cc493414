//! A real server and a session with it, in this process, on a storage that the test chooses.

use ftp_client::error::Error;
use ftp_client::fingerprint::ServerKey;
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
        let token = tokens.issue(TokenGrant { name, root, access, expires_at, once: false }).unwrap();
        let options = ServerOptions {
            listen: vec![([127, 0, 0, 1], 0).into()],
            sockets: Vec::new(),
            identity: HostIdentity::generate().unwrap(),
            authenticator: tokens,
            limits: Default::default(),
            drain_timeout: Duration::ZERO,
            marks: None,
            roots,
        };
        let server = Box::pin(Server::bind(options)).await.unwrap();
        let port = server.addresses()[0].port();
        tokio::spawn(Box::pin(server.run(stop.clone(), stop.clone())));
        let options = ConnectOptions {
            host: "127.0.0.1".to_owned(),
            port,
            trust: Arc::new(AcceptAll),
            credentials: Credentials::Token { token: token.text().to_owned() },
            checksum: None,
            lanes: 2,
            rate_limit: 0,
            timeout: Duration::from_secs(20),
            outages: Default::default(),
            state: None,
        };
        Self { session: Session::connect(options).await.unwrap(), stop }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
