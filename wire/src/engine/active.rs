//! Counts the calls at work on a job: while there is one, the observer has not received all events.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The calls that are at work.
#[derive(Default)]
pub(super) struct ActiveCount(AtomicUsize);

impl ActiveCount {
    /// Counts a call until the guard is dropped, even by a panic, and then notifies `changed`.
    pub(super) fn enter<'a>(&'a self, changed: &'a Notify) -> ActiveCall<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        ActiveCall { count: &self.0, changed }
    }

    /// True if no call is at work.
    pub(super) fn is_idle(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// One call that is at work.
pub(super) struct ActiveCall<'a> {
    count: &'a AtomicUsize,
    changed: &'a Notify,
}

impl Drop for ActiveCall<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_call_counts_until_it_returns_or_panics() {
        let (count, changed) = (ActiveCount::default(), Notify::new());
        let call = count.enter(&changed);
        assert!(!count.is_idle());
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _call = count.enter(&changed);
            panic!("a frame that cannot be taken");
        }));
        assert!(panic.is_err() && !count.is_idle());
        drop(call);
        assert!(count.is_idle());
    }
}
