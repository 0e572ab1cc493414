//! Deltas of a job's large files: asks the receiver for signatures of the files that they replace, plans what of each the
//! receiver has, and lets it be sent as far as that is planned. Other files are sent meanwhile.

mod planning;

use super::{Built, SendJob};
use crate::budget::Charge;
use crate::delta::planner::PlanFault;
use crate::delta::recipe::{self, Step};
use crate::delta::runs::{CopyRun, CopyRuns};
use crate::delta::{FAST_RATE, NEAR};
use crate::engine::compression::{EncodedSteps, LEVEL_OF_NEW_PARTS};
use crate::engine::memory::JobMemory;
use crate::engine::reading::OpenFile;
use crate::engine::{Exchange, JobEnd, lock};
use crate::failure::{Failure, FailureCode};
use crate::features::Features;
use crate::frame::{Encoding, FrameKind};
use crate::ids::FileNo;
use crate::limits::{DELTA_FILE_LEN_MIN, ROOM_PATIENCE};
use crate::message::{Compress, Delta, SignatureAnswer, Signatures};
use crate::sender::{DeltaFile, DeltaOffers};
use crate::transport::FrameBuffer;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The deltas of a job.
#[derive(Default)]
pub(super) struct Deltas {
    pub(super) wish: Delta,
    files: Mutex<HashMap<FileNo, Arc<PlannedFile>>>,
    /// Files for which signatures were asked, until all requests are answered: the file may be over before.
    asked: Mutex<HashMap<FileNo, Arc<PlannedFile>>>,
    /// The receiver left a request without an answer: no further file is planned.
    is_given_up: AtomicBool,
    /// Signals that a file may be planned.
    waiting: Notify,
    /// Signals that a planned part was taken to be sent.
    taken: Notify,
}

/// A file that is planned, until it is settled.
#[derive(Default)]
struct PlannedFile {
    runs: Mutex<ChargedRuns>,
    answers: Mutex<Answers>,
    arrived: Notify,
}

/// Runs that are decided and not sent.
#[derive(Default)]
struct ChargedRuns {
    runs: CopyRuns,
    charge: Charge,
}

/// Answers of the receiver, in the order of the requests.
#[derive(Default)]
struct Answers {
    /// Requests that are not answered.
    under_way: VecDeque<Asked>,
    arrived: VecDeque<(SignatureAnswer, Charge)>,
}

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    First,
    Coarse,
    Fine,
}

/// Why a file is planned no further.
enum Unplanned {
    /// The rest of it is sent as if there were no old file.
    Whole,
    /// Likewise, and the receiver did not answer in time.
    Unanswered,
    /// The receiver broke the protocol.
    Violation,
}

impl From<PlanFault> for Unplanned {
    fn from(fault: PlanFault) -> Self {
        match fault {
            PlanFault::Signatures(_) => Self::Violation,
            PlanFault::Content(_) => Self::Whole,
        }
    }
}

impl From<Failure> for Unplanned {
    fn from(_: Failure) -> Self {
        Self::Whole // a file that cannot be read fails when it is sent
    }
}

/// The planning of one file.
struct Planning<'a> {
    job: &'a Arc<SendJob>,
    exchange: &'a Exchange,
    file: &'a DeltaFile,
    planned: Arc<PlannedFile>,
    open: Arc<OpenFile>,
    /// The memory of the planner.
    charge: Charge,
    begun: Instant,
    /// It is known that it pays.
    pays: bool,
}

impl SendJob {
    /// Sets the rule for large files that replace others, where the session has the feature.
    #[must_use]
    pub fn with_deltas(mut self, wish: Delta) -> Self {
        self.deltas.wish = wish;
        self
    }

    /// Decides which files are offered because they may replace others.
    pub(crate) fn begin_deltas(&self, exchange: &Exchange) {
        let is_agreed = Features::DELTA.are_all_in(exchange.compression.features());
        let round_trip = exchange.round_trip();
        let is_near = !round_trip.is_zero() && round_trip < NEAR && self.pacer.is_none();
        let offers = match self.deltas.wish {
            _ if !is_agreed => DeltaOffers::Never,
            Delta::Never => DeltaOffers::Never,
            Delta::Auto if is_near => DeltaOffers::Unwanted,
            Delta::Auto => {
                DeltaOffers::From(DELTA_FILE_LEN_MIN.max(len_in(round_trip * ROUND_TRIPS, USUAL_RATE)))
            }
            Delta::Always => DeltaOffers::From(DELTA_FILE_LEN_MIN),
        };
        lock(&self.machine).offer_for_delta(offers);
    }

    /// Plans files as they begin; never returns.
    pub(crate) async fn plan_deltas(self: &Arc<Self>, exchange: &Exchange) -> JobEnd {
        if lock(&self.machine).offers_for_delta() {
            let (job, outbox) = (self.clone(), exchange.outbox.clone());
            let _ = exchange.disk.run(move || job.offer_first(&outbox)).await; // lanes do the same
        }
        tokio::join!(self.plan_files(exchange), self.plan_files(exchange));
        std::future::pending().await // planning no more is not the end of the job
    }

    async fn plan_files(self: &Arc<Self>, exchange: &Exchange) {
        loop {
            let waiting = self.deltas.waiting.notified();
            tokio::pin!(waiting);
            waiting.as_mut().enable();
            let next = lock(&self.machine).next_delta();
            let Some(file) = next else {
                waiting.await;
                continue;
            };
            let number = file.file.number;
            // Without a turn in time the file is sent whole: other jobs may wait for a slow network.
            let turn = timeout(ROOM_PATIENCE, exchange.planners.acquire()).await;
            if turn.is_ok() {
                match Box::pin(self.plan_file(&file, exchange)).await {
                    Ok(()) | Err(Unplanned::Whole) => {}
                    Err(Unplanned::Unanswered) => self.give_up_deltas(),
                    Err(Unplanned::Violation) => self.fail(Failure::new(
                        FailureCode::BadState,
                        "signatures that were not asked for, or are none",
                    )),
                }
            }
            lock(&self.machine).release(number, None);
            exchange.work.notify_waiters();
            self.changed.notify_one();
            self.answered_all(number).await; // the turn lasts as long: the receiver keeps only so many requests
            exchange.work.notify_waiters();
        }
    }

    /// Waits until all requests for a file's signatures are answered, and drops the answers.
    async fn answered_all(&self, file: FileNo) {
        let Some(planned) = lock(&self.deltas.asked).get(&file).cloned() else { return };
        while !self.deltas.is_given_up.load(Ordering::Relaxed) {
            {
                let mut answers = lock(&planned.answers);
                while answers.arrived.pop_front().is_some() {
                    answers.under_way.pop_front();
                }
                if answers.under_way.is_empty() {
                    lock(&self.deltas.asked).remove(&file);
                    return;
                }
            }
            if timeout(ROOM_PATIENCE, planned.arrived.notified()).await.is_err() {
                self.give_up_deltas();
            }
        }
    }

    /// Plans no further file. Answers that come late are dropped.
    fn give_up_deltas(&self) {
        self.deltas.is_given_up.store(true, Ordering::Relaxed);
        lock(&self.machine).end_deltas();
    }

    /// Signals that files may wait to be planned, or that a planned part may have been taken to be sent.
    pub(super) fn wake_planners(&self) {
        self.deltas.taken.notify_waiters();
        if lock(&self.machine).has_delta_waiting() {
            self.deltas.waiting.notify_waiters();
        }
    }

    /// Takes an answer of the receiver to a request for signatures.
    pub(crate) fn signed(&self, signatures: Signatures) -> Result<(), String> {
        let asked = lock(&self.deltas.asked).get(&signatures.file).cloned();
        let Some(planned) = asked else {
            let is_over = !lock(&self.deltas.files).contains_key(&signatures.file);
            return if is_over { Ok(()) } else { Err(NOT_ASKED_FOR.into()) };
        };
        let mut answers = lock(&planned.answers);
        if answers.arrived.len() >= answers.under_way.len() {
            return Err(NOT_ASKED_FOR.into());
        }
        // Without room the file is sent whole: a message never waits for memory of transfers.
        let is_used = !self.deltas.is_given_up.load(Ordering::Relaxed);
        let charge = self.memory.charge(signatures.answer.len()).filter(|_| is_used);
        let none = (SignatureAnswer::None, Charge::none());
        answers.arrived.push_back(charge.map_or(none, |charge| (signatures.answer, charge)));
        drop(answers);
        planned.arrived.notify_one();
        Ok(())
    }

    async fn plan_file(self: &Arc<Self>, file: &DeltaFile, exchange: &Exchange) -> Result<(), Unplanned> {
        let is_auto = self.deltas.wish == Delta::Auto;
        if is_auto && exchange.compression.network_rate().is_some_and(|rate| rate > FAST_RATE as f64) {
            return Ok(());
        }
        let (job, opening) = (self.clone(), file.file.clone());
        let opened = exchange.disk.run(move || job.opened(&opening)).await?;
        let Ok(open) = opened else { return Ok(()) };
        let planned = Arc::new(PlannedFile::default());
        lock(&self.deltas.files).insert(file.file.number, planned.clone());
        lock(&self.deltas.asked).insert(file.file.number, planned.clone());
        let (charge, begun, pays) = (Charge::none(), Instant::now(), !is_auto);
        let mut planning = Planning { job: self, exchange, file, planned, open, charge, begun, pays };
        let result = planning.plan().await;
        exchange.disk.dispose(planning.open); // a filesystem may block the closing thread
        result
    }

    /// Forgets a file that is settled.
    pub(super) fn forget_delta(&self, file: FileNo) {
        if lock(&self.deltas.files).remove(&file).is_some() {
            self.deltas.waiting.notify_waiters();
            self.deltas.taken.notify_waiters();
        }
    }

    /// True for a block of a file of which the receiver has some parts.
    pub(super) fn is_planned(&self, kind: FrameKind) -> bool {
        match kind {
            FrameKind::Block { file, .. } => lock(&self.deltas.files).contains_key(&file),
            FrameKind::Hole { .. } | FrameKind::Pack { .. } | FrameKind::Seal { .. } => false,
        }
    }

    /// Returns the recipe of a block that is built, if the receiver has a part of it and this saves enough. Each part of a plan
    /// is used once: a block that is sent again is sent whole.
    pub(super) fn as_recipe(
        &self,
        built: &Built,
        buffer: &mut FrameBuffer,
        exchange: &Exchange,
    ) -> Option<Built> {
        let FrameKind::Block { file, offset, .. } = built.kind else { return None };
        let planned = lock(&self.deltas.files).get(&file).cloned()?;
        let steps = lock(&planned.runs).take_steps(offset, built.payload_len)?;
        let head = recipe::encode(&steps, offset)?;
        let level = match self.compress {
            Compress::Auto | Compress::Never => LEVEL_OF_NEW_PARTS,
            Compress::Level(level) => level.into(),
        };
        let recipe = EncodedSteps { head: &head, steps: &steps, content_len: built.payload_len };
        let codecs = exchange.buffers.codecs();
        let payload_len = exchange.compression.encode_recipe(codecs, level, buffer, &recipe)?;
        let kind = built.kind.encoded(Encoding::Recipe);
        Some(Built { kind, extra: built.extra.clone(), payload_len })
    }
}

impl ChargedRuns {
    /// Adds runs, if there is memory for them.
    fn add(&mut self, runs: Vec<CopyRun>, memory: &JobMemory) -> bool {
        let more = runs.len() * size_of::<CopyRun>() * 2;
        let is_charged = cover(&mut self.charge, self.runs.kept_len() + more, memory);
        if is_charged {
            runs.into_iter().for_each(|run| self.runs.add(run));
        }
        is_charged
    }

    fn take_steps(&mut self, offset: u64, len: usize) -> Option<Vec<Step>> {
        let steps = self.runs.take_steps(offset, len);
        self.charge.set(self.runs.kept_len());
        steps
    }
}

/// Lets a charge be at least `kept` bytes, if there is room.
fn cover(charge: &mut Charge, kept: usize, memory: &JobMemory) -> bool {
    if charge.amount() == 0 {
        return memory.charge(kept).map(|taken| *charge = taken).is_some();
    }
    charge.grow(kept.saturating_sub(charge.amount()))
}

/// Returns the bytes that a network of this rate carries in `time`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time and a rate are not negative"
)]
fn len_in(time: Duration, rate: f64) -> u64 {
    (time.as_secs_f64() * rate) as u64
}

/// The violation of a receiver that sends signatures without a request.
const NOT_ASKED_FOR: &str = "signatures that were not asked for";
/// Most requests for signatures of one file that are not answered.
pub(crate) const REQUESTS_OF_A_FILE_MAX: usize = 4;
/// Planning takes so many round trips: a file that is sent in that time, by a usual network, is not worth it.
const ROUND_TRIPS: u32 = 2;
const USUAL_RATE: f64 = 12.5e6;
