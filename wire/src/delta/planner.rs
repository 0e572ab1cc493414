//! Finds out what of a new file is in the old one, window by window, from the old one's signatures.
//!
//! The new file is cut as the old one was, from its beginning on. Where an old piece is expected, behind the last one that
//! matched, it is compared first, without a search for the cut. What matches no piece is a stretch: its old pieces are those
//! between the matching ones around it, and are compared finely. Everything before the [frontier](Planner::take) is decided.

use super::FileContent;
use super::cutting::Cutter;
use super::old_table::OldTable;
use super::piece_reader::PieceReader;
use super::runs::{CopyRun, CopyRuns};
use super::signature::{COARSE_LEN, SignatureFault, SignatureKey, coarse};
use super::signer::hole;
use super::stretch::{Compared, Stretch};
use crate::limits::{COARSE_WINDOW_LEN, FINE_RUNS_LEN_MAX, FINE_RUNS_MAX};
use crate::message::{FineCut, FineRun};
use std::collections::VecDeque;
use std::io;

pub use super::stretch::PlanFault;

/// The plan of one file that is sent.
#[derive(Debug)]
pub struct Planner {
    key: SignatureKey,
    cutter: Cutter,
    len: u64,
    old_len: u64,
    table: OldTable,
    /// All old pieces are known that there will be.
    is_old_complete: bool,
    reader: PieceReader,
    /// Everything before is cut.
    at: u64,
    /// What is at `at` in the new file was here in the old one, less that.
    shift: i64,
    /// Where the stretch begins that is still growing, and the shift there.
    open: Option<(u64, i64)>,
    /// Stretches that are not decided, in the order of the file.
    undecided: VecDeque<Undecided>,
    /// Requests for fine signatures: how many were made, and the oldest that is not answered.
    requests: u64,
    unanswered: u64,
    runs: CopyRuns,
    matched: u64,
    skipped: u64,
}

#[derive(Debug)]
struct Undecided {
    stretch: Stretch,
    state: StretchState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StretchState {
    /// Its signatures were not asked for.
    Waiting,
    /// They were, by the request of this number.
    Asked(u64),
    /// It is decided, and others before it are not.
    Decided,
}

/// The parts that are decided.
#[derive(Debug, Default)]
pub struct Decided {
    /// Runs before the frontier.
    pub runs: Vec<CopyRun>,
    /// Everything before is decided.
    pub frontier: u64,
}

impl Planner {
    /// Begins with a new file of `len` bytes, and an old one of `old_len` bytes.
    #[must_use]
    pub fn new(key: SignatureKey, len: u64, old_len: u64) -> Self {
        let cutter = Cutter::coarse(old_len);
        Self {
            key,
            cutter,
            len,
            old_len,
            table: OldTable::default(),
            is_old_complete: false,
            reader: PieceReader::of_file(cutter.max()),
            at: 0,
            shift: 0,
            open: None,
            undecided: VecDeque::new(),
            requests: 0,
            unanswered: 0,
            runs: CopyRuns::default(),
            matched: 0,
            skipped: 0,
        }
    }

    /// Returns the memory that it may take once `bytes` of coarse signatures more are added.
    #[must_use]
    pub fn kept_len(&self, bytes: usize) -> usize {
        let runs = self.runs.kept_len() + self.undecided.len() * size_of::<Undecided>();
        self.table.kept_len(bytes / COARSE_LEN) + runs + PieceReader::kept_len(self.cutter.max())
    }

    /// Goes on behind `offset`: what is before it is at the receiver already.
    pub fn skip_to(&mut self, offset: u64) {
        if offset > self.at {
            self.close(self.at, self.shift);
            let to = offset.min(self.len);
            self.skipped += to - self.at;
            self.at = to;
        }
    }

    /// Adds the next coarse signatures; `more` will come.
    ///
    /// # Errors
    /// If they are malformed, or beyond the end of the old file.
    pub fn add_coarse(&mut self, bytes: &[u8], more: bool) -> Result<(), SignatureFault> {
        let pieces = coarse(bytes, &self.cutter)?;
        if !self.table.add(&pieces, self.old_len) || (more && pieces.is_empty()) {
            return Err(SignatureFault);
        }
        self.is_old_complete = !more;
        Ok(())
    }

    /// No further old pieces will be known.
    pub fn end_coarse(&mut self) {
        self.is_old_complete = true;
    }

    /// True if another window of the old file should be asked for, where `under_way` are.
    #[must_use]
    pub fn wants_coarse(&self, under_way: usize) -> bool {
        let ahead = (under_way * COARSE_WINDOW_LEN) as u64;
        let wanted = self.expected(self.at).saturating_add(COARSE_AHEAD);
        !self.is_old_complete && self.at < self.len && self.table.end().saturating_add(ahead) < wanted
    }

    /// True if it can go no further without the next window.
    fn waits_for_coarse(&self) -> bool {
        !self.is_old_complete && self.expected(self.at) + 2 * self.cutter.max() as u64 > self.table.end()
    }

    fn expected(&self, at: u64) -> u64 {
        at.saturating_add_signed(self.shift)
    }

    /// Cuts some more of the new file.
    ///
    /// # Errors
    /// Of `content`.
    pub fn cut(&mut self, content: &dyn FileContent) -> io::Result<()> {
        let mut end = self.at.saturating_add(CUT_AT_ONCE);
        let mut holes = 0;
        while self.at < self.len.min(end) && holes < HOLES_AT_ONCE && !self.waits_for_coarse() {
            if let Some(len) = hole(content, self.at, self.len) {
                self.close(self.at, self.shift);
                self.at += len;
                end = end.saturating_add(len); // it costs no time
                holes += 1;
                continue;
            }
            let (expected, max) = (self.table.at(self.expected(self.at)), self.cutter.max());
            let bytes = self.reader.until(content, self.at, self.len, max)?;
            if bytes.is_empty() {
                self.at = self.len; // it was cut meanwhile, which shows when it is sent
                break;
            }
            let expected = expected.filter(|old| old.signature.is_some() && old.len <= bytes.len() as u64);
            let expected =
                expected.map(|old| (old, self.key.sign(&bytes[..usize::try_from(old.len).unwrap_or(0)])));
            if let Some((old, signature)) = expected
                && old.signature == Some(signature)
            {
                self.found(old.offset, old.len);
                continue;
            }
            let len = self.cutter.cut(bytes);
            let known = expected.filter(|(old, _)| old.len == len as u64).map(|(_, signature)| signature);
            let signature = known.unwrap_or_else(|| self.key.sign(&bytes[..len]));
            match self.table.find(len as u64, signature) {
                Some((old, true)) => self.found(old.offset, old.len),
                Some((old, false)) => self.found_copy(old.offset, old.len),
                None => self.missed(len as u64),
            }
        }
        if self.at == self.len && self.open.is_some() {
            self.close(self.at, self.old_len.cast_signed().wrapping_sub(self.len.cast_signed()));
        }
        Ok(())
    }

    /// The next piece is this one of the old file.
    fn found(&mut self, old: u64, len: u64) {
        let shift = old.cast_signed().wrapping_sub(self.at.cast_signed());
        self.close(self.at, shift);
        self.shift = shift;
        self.add_run(old, len);
    }

    /// The next piece is one of several equal ones of the old file: it does not show what is around it.
    fn found_copy(&mut self, old: u64, len: u64) {
        self.close(self.at, self.shift);
        self.add_run(old, len);
    }

    fn add_run(&mut self, old: u64, len: u64) {
        self.runs.add(CopyRun { new: self.at, old, len });
        self.matched += len;
        self.at += len;
    }

    /// The next piece is none of the old file.
    fn missed(&mut self, len: u64) {
        let (begin, _) = *self.open.get_or_insert((self.at, self.shift));
        self.at += len;
        let is_at_piece = self.table.at(self.expected(self.at)).is_some();
        let open_len = self.at - begin;
        if (is_at_piece && open_len >= STRETCH_LEN_MAX / 2)
            || open_len + self.cutter.max() as u64 > STRETCH_LEN_MAX
        {
            self.close(self.at, self.shift);
        }
    }

    /// Ends the stretch that is growing, where the old file is shifted like this behind it.
    fn close(&mut self, end: u64, shift: i64) {
        let Some((begin, before)) = self.open.take() else { return };
        let old = begin.saturating_add_signed(before)..end.saturating_add_signed(shift);
        let pieces = self.table.run(old, FINE_RUNS_LEN_MAX);
        if pieces.is_empty() {
            return;
        }
        let old = self.table.bytes(&pieces);
        let stretch = Stretch::new(begin..end, pieces, old);
        self.undecided.push_back(Undecided { stretch, state: StretchState::Waiting });
    }

    /// Returns the runs of the next request for fine signatures, if there are any.
    pub fn next_request(&mut self) -> Option<Vec<FineRun>> {
        let (mut request, mut len) = (Vec::new(), 0);
        let waiting = self.undecided.iter_mut().filter(|undecided| undecided.state == StretchState::Waiting);
        for Undecided { stretch, state } in waiting {
            len += stretch.old_len();
            if len > FINE_RUNS_LEN_MAX || request.len() == FINE_RUNS_MAX {
                break;
            }
            *state = StretchState::Asked(self.requests);
            request.push(FineRun {
                first: u32::try_from(stretch.pieces.start).unwrap_or(u32::MAX),
                count: u32::try_from(stretch.pieces.len()).unwrap_or(u32::MAX),
                cut: stretch.cut,
            });
        }
        if request.is_empty() {
            return None;
        }
        self.requests += 1;
        Some(request)
    }

    /// Takes the answer to the oldest request for fine signatures.
    ///
    /// # Errors
    /// If it is not one, or the new file cannot be read.
    pub fn add_fine(&mut self, bytes: &[u8], content: &dyn FileContent) -> Result<(), PlanFault> {
        let number = self.unanswered;
        if number == self.requests {
            return Err(SignatureFault.into());
        }
        self.unanswered += 1;
        let mut rest = bytes;
        let asked =
            self.undecided.iter_mut().filter(|undecided| undecided.state == StretchState::Asked(number));
        for Undecided { stretch, state } in asked {
            *state = match stretch.compare(&self.key, content, &mut rest, &mut self.runs)? {
                Compared::Runs(len) => {
                    self.matched += len;
                    StretchState::Decided
                }
                Compared::NotInPlace => {
                    stretch.cut = FineCut::Content;
                    StretchState::Waiting
                }
            };
        }
        if rest.is_empty() { Ok(()) } else { Err(SignatureFault.into()) }
    }

    /// Returns what was decided since the last call.
    pub fn take(&mut self) -> Decided {
        while self.undecided.front().is_some_and(|undecided| undecided.state == StretchState::Decided) {
            self.undecided.pop_front();
        }
        let first = self.undecided.front().map(|undecided| undecided.stretch.new.start);
        let frontier = first.or(self.open.map(|(begin, _)| begin)).unwrap_or(self.at);
        Decided { runs: self.runs.take_until(frontier), frontier }
    }

    /// True once everything is decided.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.at == self.len && self.undecided.is_empty() && self.open.is_none()
    }

    /// True if there is more to cut now.
    #[must_use]
    pub fn can_cut(&self) -> bool {
        self.at < self.len && !self.waits_for_coarse()
    }

    /// Returns up to where it is cut.
    #[must_use]
    pub fn cut_until(&self) -> u64 {
        self.at
    }

    /// True if at least one of `share` bytes that were cut is known to match.
    #[must_use]
    pub fn matches_at_least(&self, share: u64) -> bool {
        self.matched >= (self.at - self.skipped) / share
    }
}

/// Bytes of the new file that are cut between two looks at what has arrived.
const CUT_AT_ONCE: u64 = 8 * 1024 * 1024;
const HOLES_AT_ONCE: u32 = 1024;
/// Bytes of the old file that are asked for ahead.
const COARSE_AHEAD: u64 = 3 * COARSE_WINDOW_LEN as u64;
/// Longest stretch that is compared as one.
const STRETCH_LEN_MAX: u64 = FINE_RUNS_LEN_MAX;

#[cfg(test)]
mod tests;
