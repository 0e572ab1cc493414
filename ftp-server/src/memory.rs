//! Gives memory back to the system when a crowd has gone.
//!
//! glibc's allocator gives back by itself what is free at the end of each of its heaps (one for a thread or two), and no more: after a
//! thousand sessions a few live bytes keep most of what all of them had needed, for as long as the server runs. `malloc_trim` gives
//! back every free page, wherever it lies. It holds each heap's lock while it walks through it, milliseconds for a hundred megabytes: so it
//! is called when at most half of the connections are left, not at each that ends. Other C libraries give memory back themselves.

use std::time::Duration;
use tracing::debug;

/// How many connections there were at most since memory was given back.
#[derive(Debug, Default)]
struct Crowd {
    most: usize,
}

impl Crowd {
    /// True if so many have gone that their memory is worth giving back; then the count begins anew.
    fn has_gone(&mut self, connections: usize) -> bool {
        let gone = self.most > 0 && connections <= self.most / 2;
        self.most = if gone { connections } else { self.most.max(connections) };
        gone
    }
}

/// Looks after how many `connections` there are, now and then, for ever.
pub(crate) async fn watch(connections: impl Fn() -> usize) {
    let mut crowd = Crowd::default();
    loop {
        tokio::time::sleep(INTERVAL).await;
        if crowd.has_gone(connections()) {
            let released = tokio::task::spawn_blocking(give_back).await.unwrap_or(false);
            debug!(released, "memory that connections had needed");
        }
    }
}

/// Returns true if there was something to give back.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no safe name for it in any crate")]
fn give_back() -> bool {
    // SAFETY: it takes no pointer, leaves what is allocated alone, and may be called by any thread at any time (MT-Safe, malloc_trim(3)).
    unsafe { libc::malloc_trim(0) == 1 }
}

#[cfg(not(target_env = "gnu"))]
fn give_back() -> bool {
    false
}

const INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_gone_once_half_of_it_is_left() {
        let mut crowd = Crowd::default();
        let seen = [0, 1, 1, 100, 1000, 999, 501, 500, 400, 249, 249, 1, 0, 0];
        let gone: Vec<_> = seen.into_iter().filter(|now| crowd.has_gone(*now)).collect();
        assert_eq!(gone, [500, 249, 1, 0]);
    }
}
