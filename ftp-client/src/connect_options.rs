//! The options of a connection: the server, the login, and the lanes.

use crate::credentials::Credentials;
use crate::dial::{DialTarget, Transport};
use crate::outages::Outages;
use crate::remote::DEFAULT_PORT;
use crate::tls_tcp::TlsTcp;
use crate::trust::ServerTrust;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::checksum::Checksum;
use wire::limits::LOGIN_TIMEOUT;

/// The options of a connection. A copy shares `trust`, which remembers what it has decided.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Decides about the server's key.
    pub trust: Arc<dyn ServerTrust>,
    /// The login.
    pub credentials: Credentials,
    /// The checksum to use; `None` for the one that both ends agree on.
    pub checksum: Option<Checksum>,
    /// How many lanes; 0 for as many as serve.
    pub lanes: u16,
    /// Most bytes of lane data per second; 0 for no limit.
    pub rate_limit: u64,
    /// How long to wait for the server's answer while connecting.
    pub timeout: Duration,
    /// The rules for a connection that is lost or cannot be made.
    pub outages: Outages,
    /// Folder of resume records; `None` disables resuming across runs.
    pub state: Option<PathBuf>,
    /// How the server is reached.
    pub transport: Arc<dyn Transport>,
}

impl ConnectOptions {
    /// Connects to `host` over TLS and TCP. The number of lanes is chosen, nothing is limited, no lost connection is made again, and no run
    /// resumes another.
    #[must_use]
    pub fn new(host: impl Into<String>, trust: Arc<dyn ServerTrust>, credentials: Credentials) -> Self {
        Self {
            host: host.into(),
            port: DEFAULT_PORT,
            trust,
            credentials,
            checksum: None,
            lanes: 0,
            rate_limit: 0,
            timeout: LOGIN_TIMEOUT,
            outages: Outages::default(),
            state: None,
            transport: Arc::new(TlsTcp),
        }
    }

    /// The server, for a transport.
    pub(crate) fn target(&self) -> DialTarget<'_> {
        DialTarget { host: &self.host, port: self.port, trust: &self.trust, timeout: self.timeout }
    }
}
