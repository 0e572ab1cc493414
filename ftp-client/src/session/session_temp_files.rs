//! Files on the server that are there for a session only: whatever ends it, they are removed before it says goodbye.

use super::Session;
use crate::error::Error;
use std::sync::MutexGuard;
use std::time::Duration;
use tokio::time::sleep;
use wire::message::Remove;
use wire::sync::lock;
use wire::{FailureCode, RemotePath};

impl Session {
    /// Another session with the same server and user, with so many lanes.
    pub(crate) async fn beside(&self, lanes: u16) -> Result<Self, Error> {
        let session = Self::connect(self.reconnector.options_beside(lanes)).await?;
        session.welcome().await?;
        Ok(session)
    }

    /// From here on `path` may be there, and must not outlive the session.
    pub(crate) fn add_temp_file(&self, path: &RemotePath) {
        self.temp_files().push(path.clone());
    }

    /// Removes what must not outlive the session. What a transfer was just giving its name may not be there at once.
    pub(crate) async fn remove_temp_files(&self) {
        let paths = std::mem::take(&mut *self.temp_files());
        for path in paths {
            for _ in 0..TRIES {
                match self.latest().call(Remove { path: path.clone(), recursive: false }).await {
                    Err(error) if error.failure_code() == Some(FailureCode::NotFound) => sleep(PAUSE).await,
                    Ok(_) | Err(_) => break, // a session that is lost can remove nothing
                }
            }
        }
    }

    /// Removes one of them now.
    pub(crate) async fn remove_temp_file(&self, path: &RemotePath) -> Result<(), Error> {
        self.latest().call(Remove { path: path.clone(), recursive: false }).await?;
        self.temp_files().retain(|other| other != path);
        Ok(())
    }

    fn temp_files(&self) -> MutexGuard<'_, Vec<RemotePath>> {
        lock(&self.reconnector.temp_files)
    }
}

const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
