//! The open connections, and ways to end one from outside.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Reset,
    Swallow,
}

/// An open connection.
#[derive(Debug, Default)]
pub(super) struct Connection(watch::Sender<Option<End>>);

impl Connection {
    pub(super) fn end(&self, how: End) {
        self.0.send_if_modified(|end| end.is_none() && end.replace(how).is_none());
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until it is ended.
    pub(super) async fn ended(&self) -> End {
        let mut told = self.0.subscribe();
        match told.wait_for(Option::is_some).await.map(|end| *end) {
            Ok(Some(end)) => end,
            Ok(None) | Err(_) => pending().await,
        }
    }
}

/// Ends both sockets of a connection.
pub(super) async fn finish(how: End, client: TcpStream, server: TcpStream) {
    match how {
        End::Close => {}
        End::Reset => {
            let _ = (client.set_zero_linger(), server.set_zero_linger()); // they may be closed
        }
        End::Swallow => pending().await, // both stay open, and are not read
    }
}

/// The open connections by their number.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<BTreeMap<usize, Arc<Connection>>>);

impl Connections {
    pub(super) fn add(&self, number: usize) -> Arc<Connection> {
        let connection = Arc::new(Connection::default());
        self.lock().insert(number, connection.clone());
        connection
    }

    pub(super) fn remove(&self, number: usize) {
        self.lock().remove(&number);
    }

    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
