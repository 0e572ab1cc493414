//! Runs of bytes that a new file shares with the old one.

use super::recipe::Step;
use std::collections::BTreeMap;

/// A run of bytes that is the same in both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRun {
    /// Offset in the new file.
    pub new: u64,
    /// Offset in the old file.
    pub old: u64,
    /// Length.
    pub len: u64,
}

/// Runs in the order of the new file, which do not overlap.
#[derive(Debug, Default)]
pub struct CopyRuns(BTreeMap<u64, CopyRun>);

impl CopyRuns {
    /// Adds a run. One that goes on with the run before it becomes one with it.
    pub fn add(&mut self, run: CopyRun) {
        if run.len == 0 {
            return;
        }
        if let Some((_, before)) = self.0.range_mut(..run.new).next_back()
            && (before.new + before.len, before.old + before.len) == (run.new, run.old)
        {
            before.len += run.len;
            return;
        }
        self.0.insert(run.new, run);
    }

    /// Returns the number of runs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the memory that they take.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        self.0.len() * size_of::<CopyRun>() * 2
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns the parts of the runs before `end`.
    pub fn take_until(&mut self, end: u64) -> Vec<CopyRun> {
        let mut taken = Vec::new();
        while let Some(entry) = self.0.first_entry().filter(|entry| *entry.key() < end) {
            let run = entry.remove();
            let len = run.len.min(end - run.new);
            taken.push(CopyRun { len, ..run });
            self.add(CopyRun { new: run.new + len, old: run.old + len, len: run.len - len });
        }
        taken
    }

    /// Removes the runs of the chunk of `len` bytes at `offset`, and returns the chunk's steps; `None` if it has no run.
    pub fn take_steps(&mut self, offset: u64, len: usize) -> Option<Vec<Step>> {
        let end = offset + len as u64;
        let mut steps = Vec::new();
        let mut at = offset;
        // A run from before the chunk reaches into it.
        let first = self.0.range(..=offset).next_back().map(|(new, _)| *new);
        let mut next = first.or_else(|| self.next_from(offset)).filter(|new| *new < end);
        while let Some(run) = next.and_then(|new| self.0.remove(&new)) {
            let skip = at.saturating_sub(run.new).min(run.len);
            let (new, old, len) = (run.new + skip, run.old + skip, run.len - skip);
            self.0.extend((skip > 0).then_some((run.new, CopyRun { len: skip, ..run })));
            let here = len.min(end.saturating_sub(new));
            if here > 0 {
                steps.extend(literal(new - at));
                steps.extend(usize::try_from(here).map(|len| Step::Copy { offset: old, len }));
                at = new + here;
            }
            let rest = CopyRun { new: new + here, old: old + here, len: len - here };
            self.0.extend((rest.len > 0).then_some((rest.new, rest)));
            next = self.next_from(at.max(offset)).filter(|new| *new < end);
        }
        if steps.is_empty() {
            return None;
        }
        steps.extend(literal(end - at));
        Some(steps)
    }

    fn next_from(&self, offset: u64) -> Option<u64> {
        self.0.range(offset..).next().map(|(new, _)| *new)
    }
}

fn literal(len: u64) -> Option<Step> {
    usize::try_from(len).ok().filter(|len| *len > 0).map(|len| Step::Literal { len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> CopyRuns {
        let mut runs = CopyRuns::default();
        for (new, old, len) in [(10, 110, 20), (30, 130, 30), (80, 5, 10)] {
            runs.add(CopyRun { new, old, len });
        }
        runs
    }

    #[test]
    fn chunks_get_their_parts_of_runs_once() {
        let (copy, literal) = (|offset, len| Step::Copy { offset, len }, |len| Step::Literal { len });
        let mut runs = runs();
        assert_eq!(runs.len(), 2, "the second goes on with the first");
        assert_eq!(runs.take_steps(40, 20).unwrap(), [copy(140, 20)]);
        assert_eq!(runs.take_steps(0, 20).unwrap(), [literal(10), copy(110, 10)]);
        assert_eq!(runs.take_steps(20, 20).unwrap(), [copy(120, 20)]);
        assert_eq!(runs.take_steps(60, 30).unwrap(), [literal(20), copy(5, 10)]);
        assert!(runs.is_empty() && runs.take_steps(60, 30).is_none());
    }

    #[test]
    fn runs_are_cut_at_an_end() {
        let mut runs = runs();
        assert_eq!(runs.take_until(50), [CopyRun { new: 10, old: 110, len: 40 }]);
        assert_eq!(runs.take_until(50), []);
        assert_eq!(
            runs.take_until(1000),
            [CopyRun { new: 50, old: 150, len: 10 }, CopyRun { new: 80, old: 5, len: 10 }]
        );
    }
}
