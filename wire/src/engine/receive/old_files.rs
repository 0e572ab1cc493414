//! Old files that large files are to replace: signs them for the sender, and copies from them.
//!
//! An old file is opened once, when its signatures are asked for, and is held open until the large file is over. It may be
//! changed or replaced meanwhile: then a copy does not match its chunk's digest, and the chunk is sent again without a recipe.

use super::{ReceiveFault, ReceiveJob};
use crate::budget::{Charge, OPEN_FILE_LEN};
use crate::control::Envelope;
use crate::delta::FileContent;
use crate::delta::recipe::{Step, decode, rebuild};
use crate::delta::signature::SignatureKey;
use crate::delta::signer::{CoarseWindow, Signer};
use crate::engine::compression::copied_len;
use crate::engine::file_content::OpenContent;
use crate::engine::{Exchange, lock};
use crate::failure::{Failure, FailureCode};
use crate::features::Features;
use crate::frame::FrameError;
use crate::ids::FileNo;
use crate::limits::{DELTA_FILE_LEN_MIN, OLD_FILES_MAX, RECIPE_MISMATCHES_MAX, SIGNATURE_REQUESTS_MAX};
use crate::message::{FineRun, OfferedItem, SignatureAnswer, SignatureRequest, Signatures, WantedSignatures};
use crate::path::RemotePath;
use crate::receiver::ReceiverViolation;
use crate::store::{SharedPart, SourceFile, Staged};
use crate::verified::VerifiedChunk;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The old files of a job.
#[derive(Default)]
pub(super) struct OldFiles {
    /// The job wants deltas.
    is_wanted: AtomicBool,
    /// And the session has the feature.
    is_agreed: AtomicBool,
    /// Recipes whose chunk did not match its digest.
    mismatches: AtomicUsize,
    files: Mutex<HashMap<FileNo, Arc<OldFile>>>,
    /// Requests that are not answered, with their memory charges.
    requests: Mutex<VecDeque<(SignatureRequest, Charge)>>,
    requested: Notify,
}

/// An open old file.
pub(super) struct OldFile {
    file: Box<dyn SourceFile>,
    /// The path at which it is to be replaced.
    path: RemotePath,
    len: u64,
    signing: Mutex<Signing>,
}

struct Signing {
    signer: Signer,
    /// The memory of the file and of its pieces.
    charge: Charge,
}

/// A chunk: as it arrived, or as it was made of the old file.
pub(super) enum Rebuilt<'a> {
    Whole(&'a [&'a [u8]]),
    Made(Made),
}

/// A chunk that was made of the old file and of what the recipe brought.
pub(super) struct Made {
    bytes: Vec<u8>,
    old: Arc<OldFile>,
    /// Whole blocks that are the same in both files.
    parts: Vec<SharedPart>,
}

impl<'a> Rebuilt<'a> {
    pub(super) fn whole(&self) -> Option<&'a [&'a [u8]]> {
        match self {
            Self::Whole(pieces) => Some(pieces),
            Self::Made(_) => None,
        }
    }

    pub(super) fn rebuilt(&self) -> &[u8] {
        match self {
            Self::Whole(_) => &[],
            Self::Made(made) => &made.bytes,
        }
    }
}

impl Rebuilt<'_> {
    pub(super) fn write(&self, staged: &dyn Staged, chunk: &VerifiedChunk<'_>) -> Result<(), Failure> {
        match self {
            Self::Whole(_) => staged.write(chunk),
            Self::Made(made) => staged.write_sharing(chunk, &*made.old.file, &made.parts),
        }
    }
}

impl OldFiles {
    pub(super) fn get(&self, file: FileNo) -> Option<Arc<OldFile>> {
        lock(&self.files).get(&file).cloned()
    }

    pub(super) fn take_all(&self) -> HashMap<FileNo, Arc<OldFile>> {
        std::mem::take(&mut *lock(&self.files))
    }

    fn is_on(&self) -> bool {
        let is_possible = self.is_wanted.load(Ordering::Relaxed) && self.is_agreed.load(Ordering::Relaxed);
        is_possible && !self.is_given_up()
    }

    /// True once so many recipes did not match that they may be guesses.
    pub(super) fn is_given_up(&self) -> bool {
        self.mismatches.load(Ordering::Relaxed) >= RECIPE_MISMATCHES_MAX
    }
}

impl OldFile {
    /// True if it is to be replaced at this path.
    pub(super) fn is_at(&self, path: &RemotePath) -> bool {
        self.path == *path
    }

    /// Makes a chunk by its recipe. Returns also how many bytes were copied. A chunk whose old bytes are gone is zeros, which
    /// its digest refuses.
    pub(super) fn rebuild(
        self: Arc<Self>,
        recipe: Vec<u8>,
        offset: u64,
        content_len: usize,
    ) -> Result<(Rebuilt<'static>, usize), ReceiveFault> {
        let decoded = decode(&recipe, offset, content_len, self.len).map_err(FrameError::Recipe)?;
        let content = OpenContent(&*self.file);
        let copy = |piece: &mut [u8], offset: u64| match content.read(piece, offset)? {
            read if read == piece.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        };
        let bytes = rebuild(&decoded, recipe, content_len, copy).unwrap_or_else(|_| vec![0; content_len]);
        let (parts, copied) = (shared_parts(&decoded.steps, offset), copied_len(&decoded.steps));
        Ok((Rebuilt::Made(Made { bytes, old: self, parts }), copied))
    }

    fn next_window(&self) -> Option<CoarseWindow> {
        let mut signing = lock(&self.signing);
        let needed = OPEN_FILE_LEN + signing.signer.kept_len() + Signer::window_len();
        let more = needed.saturating_sub(signing.charge.amount());
        if !signing.charge.grow(more) {
            return None;
        }
        let window = signing.signer.next_window(&OpenContent(&*self.file)).ok();
        let kept = OPEN_FILE_LEN + signing.signer.kept_len();
        signing.charge.set(kept);
        window
    }

    fn fine(&self, runs: &[FineRun]) -> Option<Vec<u8>> {
        lock(&self.signing).signer.fine(&OpenContent(&*self.file), runs).ok().flatten()
    }
}

fn shared_parts(steps: &[Step], chunk_offset: u64) -> Vec<SharedPart> {
    let mut at = chunk_offset;
    let mut parts = Vec::new();
    for step in steps {
        let len = step.len() as u64;
        if let Step::Copy { offset, .. } = *step {
            parts.extend(SharedPart::blocks_of(at, offset, len));
        }
        at += len;
    }
    parts
}

impl ReceiveJob {
    /// Sets whether old files are signed and copied from, where the session has the feature.
    #[must_use]
    pub fn with_deltas(self, wanted: bool) -> Self {
        self.old_files.is_wanted.store(wanted, Ordering::Relaxed);
        self
    }

    /// Sets the features that hold for the session by now.
    pub(crate) fn agree(&self, features: Features) {
        self.old_files.is_agreed.store(Features::DELTA.are_all_in(features), Ordering::Relaxed);
    }

    /// Returns the length of the old file that an offered item will replace, if copies of it may pay.
    pub(super) fn old_len(&self, item: &OfferedItem) -> Option<u64> {
        let pays = self.old_files.is_on() && item.metadata.size >= DELTA_FILE_LEN_MIN;
        if pays && item.metadata.is_possible() { self.sink.old_len(item) } else { None }
    }

    /// Takes a request for signatures. It is answered where that may block.
    pub(super) fn signatures_requested(
        &self,
        request: SignatureRequest,
        charge: Charge,
    ) -> Result<(), ReceiverViolation> {
        let mut requests = lock(&self.old_files.requests);
        if requests.len() >= SIGNATURE_REQUESTS_MAX {
            return Err(ReceiverViolation::Signatures);
        }
        requests.push_back((request, charge));
        drop(requests);
        self.old_files.requested.notify_one();
        Ok(())
    }

    /// Answers requests for signatures, in their order; returns only if that becomes impossible. Only one of a session's jobs
    /// signs at a time.
    ///
    /// # Errors
    /// If the session is over.
    pub(crate) async fn answer_requests(self: &Arc<Self>, exchange: &Exchange) -> Result<(), Failure> {
        loop {
            let Some((request, _charge)) = lock(&self.old_files.requests).pop_front() else {
                self.old_files.requested.notified().await;
                continue;
            };
            let _turn = exchange.signing.lock().await;
            self.agree(exchange.compression.features());
            let (job, file) = (self.clone(), request.file);
            let answer = exchange.disk.run(move || job.sign(&request)).await?;
            // Without room there are no signatures: an answer never waits for memory of transfers.
            let charge = self.memory.charge(answer.len());
            if charge.is_none() && matches!(answer, SignatureAnswer::First { .. }) {
                self.close_old(file);
            }
            let (answer, charge) =
                charge.map_or((SignatureAnswer::None, Charge::none()), |charge| (answer, charge));
            exchange.signature_bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
            let message = Envelope::new(self.id.0, Signatures { file, answer });
            let sent = exchange.outbox.send_charged(message, charge).await;
            sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
        }
    }

    fn sign(&self, request: &SignatureRequest) -> SignatureAnswer {
        let old = || self.old_files.get(request.file);
        let answer = match &request.wanted {
            WantedSignatures::First { path } => self.open_old(request.file, path),
            WantedSignatures::Next => old().and_then(|old| old.next_window()).map(|window| {
                let CoarseWindow { pieces, more } = window;
                SignatureAnswer::Next { pieces, more }
            }),
            WantedSignatures::Fine { runs } => {
                old().and_then(|old| old.fine(runs)).map(|signatures| SignatureAnswer::Fine { signatures })
            }
        };
        answer.unwrap_or(SignatureAnswer::None)
    }

    /// Opens an old file, and signs its first window.
    fn open_old(&self, file: FileNo, path: &RemotePath) -> Option<SignatureAnswer> {
        let is_free =
            |files: &HashMap<FileNo, Arc<OldFile>>| files.len() < OLD_FILES_MAX && !files.contains_key(&file);
        if !self.old_files.is_on() || !is_free(&lock(&self.old_files.files)) {
            return None;
        }
        let charge = self.memory.charge(OPEN_FILE_LEN)?;
        let opened = self.sink.open_old(path)?;
        let len = opened.identity().ok()?.metadata.size;
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        let signer = Signer::new(SignatureKey(key), len);
        let signing = Mutex::new(Signing { signer, charge });
        let old = Arc::new(OldFile { file: opened, path: path.clone(), len, signing });
        let CoarseWindow { pieces, more } = old.next_window()?;
        let machine = lock(&self.machine);
        if machine.has_ended(file) {
            return None;
        }
        let mut files = lock(&self.old_files.files);
        if !is_free(&files) || self.old_files.is_given_up() {
            return None;
        }
        files.insert(file, old);
        Some(SignatureAnswer::First { len, key, pieces, more })
    }

    /// Counts a recipe whose chunk did not match its digest. After some, old files are closed: a sender could learn bytes of
    /// one by guesses.
    pub(super) fn recipe_mismatched(&self) {
        self.old_files.mismatches.fetch_add(1, Ordering::Relaxed);
        if self.old_files.is_given_up()
            && let Some(disk) = self.disk.get()
        {
            disk.dispose(self.old_files.take_all());
        }
    }

    /// Closes the old file of a large file that is over.
    pub(super) fn close_old(&self, file: FileNo) {
        let closed = lock(&self.old_files.files).remove(&file);
        if let (Some(closed), Some(disk)) = (closed, self.disk.get()) {
            disk.dispose(closed);
        }
    }
}
