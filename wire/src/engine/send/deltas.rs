//! Deltas of a job's large files: asks the receiver for signatures of the files that they replace, plans what of each the
//! receiver has, and lets it be sent as far as that is planned. Other files are sent meanwhile.

use super::{Built, SendJob};
use crate::budget::Charge;
use crate::control::Envelope;
use crate::delta::planner::{Decided, PlanFault, Planner};
use crate::delta::recipe;
use crate::delta::runs::CopyRuns;
use crate::delta::signature::SignatureKey;
use crate::engine::compression::{EncodedSteps, LEVEL_OF_NEW_PARTS};
use crate::engine::file_content::OpenContent;
use crate::engine::reading::OpenFile;
use crate::engine::{Exchange, JobEnd, lock};
use crate::failure::{Failure, FailureCode};
use crate::features::Features;
use crate::frame::{Encoding, FrameKind};
use crate::ids::FileNo;
use crate::limits::{CHUNK_LEN, DELTA_FILE_LEN_MIN, ROOM_PATIENCE};
use crate::message::{Compress, Delta, SignatureAnswer, SignatureRequest, Signatures, WantedSignatures};
use crate::sender::DeltaFile;
use crate::transport::FrameBuffer;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The deltas of a job.
#[derive(Default)]
pub(super) struct Deltas {
    pub(super) wish: Delta,
    files: Mutex<HashMap<FileNo, Arc<PlannedFile>>>,
    /// Signals that a file may be planned.
    waiting: Notify,
    /// Signals that a planned part was taken to be sent.
    taken: Notify,
}

/// A file that is planned, until it is settled.
#[derive(Default)]
struct PlannedFile {
    runs: Mutex<CopyRuns>,
    answers: Mutex<Answers>,
    arrived: Notify,
}

/// Answers of the receiver, in the order of the requests.
#[derive(Default)]
struct Answers {
    /// Requests that are not answered.
    under_way: VecDeque<Asked>,
    arrived: VecDeque<(SignatureAnswer, Charge)>,
}

/// What a request is for.
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
        let len_min = match self.deltas.wish {
            _ if !is_agreed => None,
            Delta::Never => None,
            Delta::Auto if is_near => None,
            Delta::Auto => Some(DELTA_FILE_LEN_MIN.max(len_in(round_trip * ROUND_TRIPS, USUAL_RATE))),
            Delta::Always => Some(DELTA_FILE_LEN_MIN),
        };
        lock(&self.machine).offer_for_delta(len_min);
    }

    /// Plans files as they begin, until the job ends.
    pub(crate) async fn plan_deltas(self: &Arc<Self>, exchange: &Exchange) -> JobEnd {
        if lock(&self.machine).offers_for_delta() {
            let (job, outbox) = (self.clone(), exchange.outbox.clone());
            let _ = exchange.disk.run(move || job.offer_first(&outbox)).await; // lanes do the same
        }
        tokio::join!(self.plan_files(exchange), self.plan_files(exchange));
        Ok(())
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
            let Ok(_turn) = exchange.planners.acquire().await else { return };
            if let Err(Unplanned::Violation) = Box::pin(self.plan_file(&file, exchange)).await {
                self.fail(Failure::new(
                    FailureCode::BadState,
                    "signatures that were not asked for, or are none",
                ));
            }
            lock(&self.machine).release(file.file.number, None);
            exchange.work.notify_waiters();
            self.changed.notify_one();
        }
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
        let Some(planned) = lock(&self.deltas.files).get(&signatures.file).cloned() else { return Ok(()) };
        let mut answers = lock(&planned.answers);
        if answers.arrived.len() >= answers.under_way.len() {
            return Err("signatures that were not asked for".into());
        }
        // Without room the file is sent whole: a message never waits for memory of transfers.
        let charge = self.memory.charge(signatures.answer.len());
        let none = (SignatureAnswer::None, Charge::none());
        answers.arrived.push_back(charge.map_or(none, |charge| (signatures.answer, charge)));
        drop(answers);
        planned.arrived.notify_one();
        Ok(())
    }

    async fn plan_file(self: &Arc<Self>, file: &DeltaFile, exchange: &Exchange) -> Result<(), Unplanned> {
        let is_auto = self.deltas.wish == Delta::Auto;
        if is_auto && exchange.compression.network_rate().is_some_and(|rate| rate > FAST_RATE) {
            return Ok(());
        }
        let (job, opening) = (self.clone(), file.file.clone());
        let opened = exchange.disk.run(move || job.opened(&opening)).await?;
        let Ok(open) = opened else { return Ok(()) };
        let planned = Arc::new(PlannedFile::default());
        lock(&self.deltas.files).insert(file.file.number, planned.clone());
        let (charge, begun, pays) = (Charge::none(), Instant::now(), !is_auto);
        let mut planning = Planning { job: self, exchange, file, planned, open, charge, begun, pays };
        let path = file.file.announcement.path.clone();
        planning.ask(Asked::First, WantedSignatures::First { path }).await?;
        let first = planning.next_answer().await?;
        let SignatureAnswer::First { len, key, pieces, more } = first else { return Ok(()) };
        let mut planner = Planner::new(SignatureKey(key), file.len, len);
        planning.add_coarse(&mut planner, &pieces, more)?;
        planning.run(planner).await
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

impl Planning<'_> {
    /// Plans the file to its end.
    async fn run(&mut self, planner: Planner) -> Result<(), Unplanned> {
        let mut planner = planner;
        loop {
            self.ask_more(&mut planner).await?;
            let answer = lock(&self.planned.answers).arrived.pop_front();
            if let Some((answer, _charge)) = answer {
                planner = self.answered(planner, answer).await?;
            } else if planner.can_cut() && self.ahead() < AHEAD_MAX {
                planner = self.cut(planner).await?;
            } else if planner.is_finished() {
                return Ok(());
            } else {
                self.wait().await?;
                continue;
            }
            self.publish(&mut planner)?;
        }
    }

    /// Asks for the signatures that the planner wants next.
    async fn ask_more(&self, planner: &mut Planner) -> Result<(), Unplanned> {
        loop {
            let (coarse, all) = {
                let answers = lock(&self.planned.answers);
                let coarse = answers.under_way.iter().filter(|asked| **asked == Asked::Coarse).count();
                (coarse, answers.under_way.len())
            };
            if all >= REQUESTS_OF_A_FILE_MAX {
                return Ok(());
            } else if coarse < COARSE_REQUESTS_MAX && planner.wants_coarse(coarse) {
                self.ask(Asked::Coarse, WantedSignatures::Next).await?;
            } else if let Some(runs) = planner.next_request() {
                self.ask(Asked::Fine, WantedSignatures::Fine { runs }).await?;
            } else {
                return Ok(());
            }
        }
    }

    async fn ask(&self, asked: Asked, wanted: WantedSignatures) -> Result<(), Unplanned> {
        lock(&self.planned.answers).under_way.push_back(asked);
        let request = SignatureRequest { file: self.file.file.number, wanted };
        let sent = self.exchange.outbox.send(Envelope::new(self.job.id.0, request)).await;
        sent.map_err(|_| Unplanned::Whole)
    }

    async fn next_answer(&self) -> Result<SignatureAnswer, Unplanned> {
        loop {
            let answer = lock(&self.planned.answers).arrived.pop_front();
            if let Some((answer, _charge)) = answer {
                lock(&self.planned.answers).under_way.pop_front();
                return Ok(answer);
            }
            let arrived = timeout(ROOM_PATIENCE, self.planned.arrived.notified()).await;
            arrived.map_err(|_| Unplanned::Whole)?;
        }
    }

    /// Waits until an answer has arrived, or planned parts were sent.
    async fn wait(&self) -> Result<(), Unplanned> {
        let taken = self.job.deltas.taken.notified();
        tokio::pin!(taken);
        taken.as_mut().enable();
        let is_ahead = self.ahead() >= AHEAD_MAX;
        tokio::select! {
            () = self.planned.arrived.notified() => Ok(()),
            () = taken => Ok(()),
            () = tokio::time::sleep(ROOM_PATIENCE), if !is_ahead => Err(Unplanned::Whole),
        }
    }

    fn ahead(&self) -> u64 {
        lock(&self.job.machine).released_ahead(self.file.file.number)
    }

    async fn answered(&mut self, planner: Planner, answer: SignatureAnswer) -> Result<Planner, Unplanned> {
        let asked = lock(&self.planned.answers).under_way.pop_front();
        let mut planner = planner;
        match (asked, answer) {
            (Some(Asked::Coarse), SignatureAnswer::Next { pieces, more }) => {
                self.add_coarse(&mut planner, &pieces, more)?;
                Ok(planner)
            }
            (Some(Asked::Coarse), SignatureAnswer::None) => {
                planner.end_coarse();
                Ok(planner)
            }
            (Some(Asked::Fine), SignatureAnswer::Fine { signatures }) => {
                let open = self.open.clone();
                let added = self.exchange.disk.run(move || {
                    let added = planner.add_fine(&signatures, &OpenContent(&*open.file));
                    added.map(|()| planner)
                });
                Ok(added.await??)
            }
            (_, SignatureAnswer::None) => Err(Unplanned::Whole),
            (
                None | Some(Asked::First | Asked::Coarse | Asked::Fine),
                SignatureAnswer::First { .. } | SignatureAnswer::Next { .. } | SignatureAnswer::Fine { .. },
            ) => Err(Unplanned::Violation),
        }
    }

    /// Adds coarse signatures, if there is memory for them.
    fn add_coarse(&mut self, planner: &mut Planner, pieces: &[u8], more: bool) -> Result<(), Unplanned> {
        let kept = planner.kept_len(pieces.len());
        if self.charge.amount() == 0 {
            self.charge = self.job.memory.charge(kept).ok_or(Unplanned::Whole)?;
        } else if !self.charge.grow(kept.saturating_sub(self.charge.amount())) {
            planner.end_coarse();
            return Ok(());
        }
        planner.add_coarse(pieces, more).map_err(|_| Unplanned::Violation)
    }

    /// Cuts some more of the file, but for what the receiver has from an earlier run.
    async fn cut(&self, planner: Planner) -> Result<Planner, Unplanned> {
        let (open, held, mut planner) = (self.open.clone(), self.file.held.clone(), planner);
        let cut = self.exchange.disk.run(move || {
            let (at, _) = planner.matched();
            let mut chunk = at / CHUNK_LEN as u64;
            if held.contains(chunk) {
                while held.contains(chunk) {
                    chunk += 1;
                }
                planner.skip_to(chunk * CHUNK_LEN as u64);
            }
            planner.cut(&OpenContent(&*open.file)).map(|()| planner).map_err(PlanFault::from)
        });
        Ok(cut.await??)
    }

    /// Lets what is decided be sent.
    fn publish(&mut self, planner: &mut Planner) -> Result<(), Unplanned> {
        let Decided { runs, frontier } = planner.take();
        let mut planned = lock(&self.planned.runs);
        runs.into_iter().for_each(|run| planned.add(run));
        drop(planned);
        if !lock(&self.job.machine).release(self.file.file.number, Some(frontier)) {
            return Err(Unplanned::Whole); // it is not sent any more
        }
        self.exchange.work.notify_waiters();
        if !self.pays && (frontier >= TRIAL_LEN || planner.is_finished()) {
            let (cut, matched) = planner.matched();
            self.pays = matched >= cut / MATCHED_SHARE_MIN;
            let took = self.begun.elapsed().as_secs_f64();
            let is_slow = |rate: f64| (frontier as f64) < rate * took;
            if !self.pays || self.exchange.compression.network_rate().is_some_and(is_slow) {
                return Err(Unplanned::Whole);
            }
        }
        Ok(())
    }
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

/// Most requests for signatures of one file that are not answered.
pub(crate) const REQUESTS_OF_A_FILE_MAX: usize = 4;
/// Most of them for coarse ones: fine ones are waited for.
const COARSE_REQUESTS_MAX: usize = 2;
/// A shorter round trip is that of a network that is faster than planning.
const NEAR: Duration = Duration::from_millis(1);
/// Planning takes so many round trips: a file that is sent in that time, by a usual network, is not worth it.
const ROUND_TRIPS: u32 = 2;
const USUAL_RATE: f64 = 12.5e6;
/// A network of this rate is faster than planning.
const FAST_RATE: f64 = 150e6;
/// It is planned no further than so many bytes before what is sent.
const AHEAD_MAX: u64 = 64 * 1024 * 1024;
/// After so many bytes it shows whether it pays: at least one byte of four must be in the old file.
const TRIAL_LEN: u64 = 64 * 1024 * 1024;
const MATCHED_SHARE_MIN: u64 = 4;
