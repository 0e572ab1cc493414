//! The planning of one file: asks for signatures as they are needed, cuts the file, and lets it be sent as far as it is decided.

use super::{Asked, Planning, REQUESTS_OF_A_FILE_MAX, Unplanned, cover};
use crate::control::Envelope;
use crate::delta::planner::{Decided, PlanFault, Planner};
use crate::delta::signature::SignatureKey;
use crate::engine::file_content::OpenContent;
use crate::engine::lock;
use crate::limits::{CHUNK_LEN, ROOM_PATIENCE};
use crate::message::{SignatureAnswer, SignatureRequest, WantedSignatures};
use tokio::time::timeout;

impl Planning<'_> {
    /// Plans the file to its end, if the receiver signs the one that it replaces.
    pub(super) async fn plan(&mut self) -> Result<(), Unplanned> {
        let path = self.file.file.announcement.path.clone();
        self.ask(Asked::First, WantedSignatures::First { path }).await?;
        let SignatureAnswer::First { len, key, pieces, more } = self.next_answer().await? else {
            return Ok(());
        };
        if i64::try_from(len).is_err() {
            return Err(Unplanned::Violation);
        }
        let mut planner = Planner::new(SignatureKey(key), self.file.len, len);
        self.add_coarse(&mut planner, &pieces, more)?;
        self.run(planner).await
    }

    async fn run(&mut self, planner: Planner) -> Result<(), Unplanned> {
        let mut planner = planner;
        loop {
            self.ask_more(&mut planner).await?;
            let answer = lock(&self.planned.answers).arrived.pop_front();
            if let Some((answer, _charge)) = answer {
                planner = self.answered(planner, answer).await?;
            } else if planner.can_cut() && self.ahead(&planner) < AHEAD_MAX {
                planner = self.cut(planner).await?;
            } else if planner.is_finished() {
                return Ok(());
            } else {
                self.wait(&planner).await?;
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
            arrived.map_err(|_| Unplanned::Unanswered)?;
        }
    }

    /// Waits until an answer has arrived, or planned parts were sent.
    async fn wait(&self, planner: &Planner) -> Result<(), Unplanned> {
        let taken = self.job.deltas.taken.notified();
        tokio::pin!(taken);
        taken.as_mut().enable();
        let is_ahead = self.ahead(planner) >= AHEAD_MAX;
        let is_asked = !lock(&self.planned.answers).under_way.is_empty();
        tokio::select! {
            () = self.planned.arrived.notified() => Ok(()),
            () = taken, if is_ahead => Ok(()),
            () = tokio::time::sleep(ROOM_PATIENCE), if is_asked || !is_ahead => Err(Unplanned::Unanswered),
        }
    }

    /// Returns how many bytes were cut and not sent.
    fn ahead(&self, planner: &Planner) -> u64 {
        planner.cut_until().saturating_sub(lock(&self.job.machine).sent_until(self.file.file.number))
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
        let is_first = self.charge.amount() == 0;
        if !cover(&mut self.charge, kept, &self.job.memory) {
            planner.end_coarse();
            return if is_first { Err(Unplanned::Whole) } else { Ok(()) };
        }
        planner.add_coarse(pieces, more).map_err(|_| Unplanned::Violation)
    }

    /// Cuts some more of the file, but for what the receiver has from an earlier run.
    async fn cut(&self, planner: Planner) -> Result<Planner, Unplanned> {
        let (open, held, mut planner) = (self.open.clone(), self.file.held.clone(), planner);
        let cut = self.exchange.disk.run(move || {
            let mut chunk = planner.cut_until() / CHUNK_LEN as u64;
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
        let is_charged = cover(&mut self.charge, planner.kept_len(0), &self.job.memory)
            && lock(&self.planned.runs).add(runs, &self.job.memory);
        if !is_charged {
            return Err(Unplanned::Whole);
        }
        if !lock(&self.job.machine).release(self.file.file.number, Some(frontier)) {
            return Err(Unplanned::Whole); // it is not sent any more
        }
        self.exchange.work.notify_waiters();
        if !self.pays && (frontier >= TRIAL_LEN || planner.is_finished()) {
            self.pays = planner.matches_at_least(MATCHED_SHARE_MIN);
            let took = self.begun.elapsed().as_secs_f64();
            let is_slow = |rate: f64| (frontier as f64) < rate * took;
            if !self.pays || self.exchange.compression.network_rate().is_some_and(is_slow) {
                return Err(Unplanned::Whole);
            }
        }
        Ok(())
    }
}

/// Most of them for coarse ones: fine ones are waited for.
const COARSE_REQUESTS_MAX: usize = 2;
/// It is planned no further than so many bytes before what is sent.
const AHEAD_MAX: u64 = 64 * 1024 * 1024;
/// After so many bytes it shows whether it pays: at least one byte of four must be in the old file.
const TRIAL_LEN: u64 = 64 * 1024 * 1024;
const MATCHED_SHARE_MIN: u64 = 4;
