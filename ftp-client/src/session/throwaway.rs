//! Files on the server that are there for a session only: whatever ends it, they are removed before it says goodbye.

use super::Session;
use crate::error::Error;
use std::sync::MutexGuard;
use std::time::Duration;
use tokio::time::sleep;
use wire::sync::lock;
use wire::{FailureCode, RemotePath};

impl Session {
    /// Another session with the same server and user, with so many lanes.
    pub(crate) async fn beside(&self, lanes: u16) -> Result<Self, Error> {
        let session = Self::connect(self.link.options_beside(lanes)).await?;
        session.welcome().await?;
        Ok(session)
    }

    /// From here on `path` may be there, and must not outlive the session.
    pub(crate) fn throw_away(&self, path: &RemotePath) {
        self.throwaways().push(path.clone());
    }

    /// Removes what must not outlive the session. What a transfer was just giving its name may not be there at once.
    pub(crate) async fn remove_throwaways(&self) {
        let paths = std::mem::take(&mut *self.throwaways());
        for path in paths {
            for _ in 0..TRIES {
                match self.latest().remove(&path, false).await {
                    Err(error) if error.failure_code() == Some(FailureCode::NotFound) => sleep(PAUSE).await,
                    Ok(()) | Err(_) => break, // a session that is lost can remove nothing
                }
            }
        }
    }

    /// Removes one of them now.
    pub(crate) async fn remove_throwaway(&self, path: &RemotePath) -> Result<(), Error> {
        self.latest().remove(path, false).await?;
        self.throwaways().retain(|other| other != path);
        Ok(())
    }

    fn throwaways(&self) -> MutexGuard<'_, Vec<RemotePath>> {
        lock(&self.link.throwaways)
    }
}

const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
