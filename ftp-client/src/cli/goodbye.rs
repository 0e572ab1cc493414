//! Saying goodbye to a server within a bounded time.

use std::time::Duration;
use tokio::time::timeout;

/// Waits for a session to close, or for jobs to end, but not for long: what still runs then waits for something that does not
/// come, as for standard input. The connection may be gone already.
pub(crate) async fn in_time(goodbye: impl Future) {
    let _ = timeout(GOODBYE_TIMEOUT, goodbye).await;
}

/// More than a session takes for its last messages.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
