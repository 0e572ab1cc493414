//! Finds out which files cannot be compressed: by trying, and after each failure less often.

/// Tells if the next chunk of a file is worth an attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    /// Chunks that still go without an attempt.
    left: u32,
    /// How many went without one after the last failure.
    pause: u32,
}

impl Backoff {
    /// Counts a chunk; returns true if it is worth an attempt.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_due
    }

    /// Takes the result of an attempt: whether it `paid`.
    pub(crate) fn on_result(&mut self, paid: bool) {
        if paid {
            *self = Self::default();
        } else {
            self.pause = (self.pause * 2).clamp(1, PAUSE_MAX);
            self.left = self.pause;
        }
    }
}

/// Most chunks without an attempt: 32 MiB.
const PAUSE_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_do_not_pay_become_rare() {
        let mut backoff = Backoff::default();
        let mut tried = Vec::new();
        for chunk in 0..400 {
            if backoff.is_due() {
                tried.push(chunk);
                backoff.on_result(false);
            }
        }
        assert_eq!(tried, [0, 2, 5, 10, 19, 36, 69, 134, 199, 264, 329, 394]);
    }

    #[test]
    fn one_that_pays_ends_the_pause() {
        let mut backoff = Backoff::default();
        (0..5).for_each(|_| backoff.on_result(false));
        backoff.on_result(true);
        assert!(backoff.is_due() && backoff.is_due());
        backoff.on_result(false);
        assert!(!backoff.is_due() && backoff.is_due(), "it begins anew");
    }
}
