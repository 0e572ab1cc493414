//! Messages about jobs: checks which end may send them, and passes them to their job.

use super::{Exchange, PendingJob, Role};
use crate::budget::Charge;
use crate::control::Envelope;
use crate::engine::lock;
use crate::failure::{Failure, FailureCode};
use crate::ids::JobId;
use crate::limits::{ACK_ITEMS_MAX, FINE_RUNS_MAX, HELD_DIGESTS_MAX, OFFER_ITEMS_MAX, SIGNATURES_LEN_MAX};
use crate::message::{HeldItem, Message, WantedSignatures};
use std::sync::atomic::Ordering;

impl Exchange {
    /// Handles a message about a job. Returns any other message.
    ///
    /// # Errors
    /// If the peer violated the protocol, with the rule that it broke; the session ends.
    pub fn handle(&self, envelope: Envelope) -> Result<Option<Envelope>, String> {
        self.handle_charged(envelope, Charge::none()).map(|back| back.map(|(envelope, _)| envelope))
    }

    /// Like [`handle`](Self::handle), for a message with its memory charge.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever is not about a job is given back, also what is to come"
    )]
    pub fn handle_charged(
        &self,
        envelope: Envelope,
        charge: Charge,
    ) -> Result<Option<(Envelope, Charge)>, String> {
        let id = JobId(envelope.request);
        self.check(id, &envelope.message)?;
        let (sender, receiver) = self.find(id);
        match &envelope.message {
            Message::Ack(ack) => {
                if let Some(job) = sender {
                    let done = ack.done.iter().map(|range| u64::from(range.count)).sum();
                    self.frames_through.fetch_add(done, Ordering::Relaxed);
                    job.acked(ack).map_err(|violation| violation.to_string())?;
                    self.work.notify_waiters();
                }
            }
            Message::Held(held) => {
                if let Some(job) = sender {
                    job.held(held).map_err(|violation| violation.to_string())?;
                    self.work.notify_waiters();
                }
            }
            Message::Signatures(_) => {
                if let (Some(job), Message::Signatures(signatures)) = (sender, envelope.message) {
                    self.signature_bytes.fetch_add(signatures.answer.len() as u64, Ordering::Relaxed);
                    job.signed(signatures)?;
                }
            }
            Message::Offer(_) | Message::End(_) | Message::Totals(_) | Message::SignatureRequest(_) => {
                match receiver {
                    Some(job) => {
                        job.told(envelope.message, charge).map_err(|violation| violation.to_string())?;
                    }
                    None => self.told_early(id, envelope.message, charge)?,
                }
            }
            Message::Failure(failure) if self.end(id, failure) => {}
            Message::Cancel(_) => self.cancel(id),
            _ => return Ok(Some((envelope, charge))),
        }
        Ok(None)
    }

    /// Checks the rules of a message that apply whether its job is being opened, runs, or is over.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever is not about a job has nothing to be checked"
    )]
    fn check(&self, id: JobId, message: &Message) -> Result<(), String> {
        let (from, is_short) = match message {
            Message::Ack(ack) => {
                (Role::Receiver, ack.failed.len() <= ACK_ITEMS_MAX && ack.damaged.len() <= ACK_ITEMS_MAX)
            }
            Message::Held(held) => (Role::Receiver, held.answers.iter().all(has_few_digests)),
            Message::Offer(offer) => (Role::Sender, offer.items.len() <= OFFER_ITEMS_MAX),
            Message::SignatureRequest(request) => {
                let is_short = match &request.wanted {
                    WantedSignatures::First { .. } | WantedSignatures::Next => true,
                    WantedSignatures::Fine { runs } => runs.len() <= FINE_RUNS_MAX,
                };
                (Role::Sender, is_short)
            }
            Message::Signatures(signatures) => {
                (Role::Receiver, signatures.answer.len() <= SIGNATURES_LEN_MAX)
            }
            Message::End(_) | Message::Totals(_) => (Role::Sender, true),
            _ => return Ok(()),
        };
        let name = Message::kind_name(message.kind()).unwrap_or("message");
        if !is_short {
            return Err(format!("{name} with more items than it may have"));
        }
        match self.role(id) {
            Some(role) if role == from => Err(format!("{name} from the wrong end of job {id}")),
            Some(_) | None => Ok(()),
        }
    }

    fn role(&self, id: JobId) -> Option<Role> {
        let jobs = lock(&self.jobs);
        match jobs.opening.get(&id) {
            Some(opening) => Some(opening.role),
            None if jobs.receivers.contains_key(&id) => Some(Role::Receiver),
            None => jobs.senders.iter().any(|job| job.id == id).then_some(Role::Sender),
        }
    }

    /// Cancels a job.
    pub fn cancel(&self, id: JobId) {
        self.end(id, &FailureCode::Cancelled.into());
    }

    /// Ends a job; false if it does not run. One that is being opened ends when it runs, and whoever waits for the answer to its
    /// request is to hear of it as well.
    fn end(&self, id: JobId, failure: &Failure) -> bool {
        let mut jobs = lock(&self.jobs);
        if let Some(opening) = jobs.opening.get_mut(&id) {
            // It waits without a charge, so its text is cut to what we would send.
            opening.failed.get_or_insert_with(|| Failure::new(failure.code, &*failure.message));
            return false;
        }
        drop(jobs);
        let (sender, receiver) = self.find(id);
        let runs = sender.is_some() || receiver.is_some();
        if let Some(job) = sender {
            job.fail(failure.clone());
        }
        if let Some(job) = receiver {
            job.fail(failure.clone());
        }
        runs
    }

    /// Keeps an early message: a sender need not wait until its job is open here.
    fn told_early(&self, id: JobId, message: Message, charge: Charge) -> Result<(), String> {
        let mut jobs = lock(&self.jobs);
        let Some(job) = jobs.receivers.get(&id).cloned() else {
            return match jobs.opening.get_mut(&id) {
                Some(PendingJob { early, .. }) if early.len() >= EARLY_MAX => {
                    Err("too much said of a job that is not open".into())
                }
                Some(PendingJob { early, .. }) => {
                    early.push((message, charge));
                    Ok(())
                }
                None => Ok(()), // it is over
            };
        };
        drop(jobs);
        job.told(message, charge).map_err(|violation| violation.to_string()) // it was opened this moment
    }
}

fn has_few_digests(item: &HeldItem) -> bool {
    match item {
        HeldItem::Nothing | HeldItem::All | HeldItem::Old { .. } => true,
        HeldItem::Chunks { digests, .. } => digests.len() <= HELD_DIGESTS_MAX,
    }
}

/// Most messages about a job that is being opened: its offers, and its end.
const EARLY_MAX: usize = 32;
