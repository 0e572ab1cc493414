//! HASH: SHA-256 of a file's content, in portions so that a large file shares the blocking pool with others.

use crate::events::Operation;
use crate::workspace::Workspace;
use std::io::IoSliceMut;
use tokio_util::sync::CancellationToken;
use wire::checksum::Digest;
use wire::limits::CHUNK_LEN;
use wire::message::{Hash, Hashed};
use wire::sha256::Sha256;
use wire::store::{SourceFile, read_fully};
use wire::{Failure, FailureCode};

pub(super) async fn run(
    workspace: &Workspace,
    hash: Hash,
    cancelled: &CancellationToken,
    operation: &Operation,
) -> Result<Hashed, Failure> {
    let stop = cancelled.clone();
    let first = workspace
        .on_storage(move |storage| hash_portion(storage.open_file(&hash.path)?, Sha256::new(), 0, &stop));
    let mut portion = first.await?;
    loop {
        match portion {
            Portion::Last(digest, bytes) => {
                operation.count(|counts| counts.bytes += bytes);
                return Ok(Hashed { digest, bytes });
            }
            Portion::More(file, hasher, bytes) => {
                let stop = cancelled.clone();
                let next = workspace.on_disk((file, hasher, bytes), move |(file, hasher, bytes)| {
                    hash_portion(file, hasher, bytes, &stop)
                });
                portion = next.await?;
            }
        }
    }
}

/// The state of a portion.
enum Portion {
    More(Box<dyn SourceFile>, Sha256, u64),
    Last(Digest, u64),
}

/// Reads on, for a while. The file is closed here, since that may hang as well.
fn hash_portion(
    file: Box<dyn SourceFile>,
    mut hasher: Sha256,
    mut bytes: u64,
    cancelled: &CancellationToken,
) -> Result<Portion, Failure> {
    let size = usize::try_from(file.identity()?.metadata.size).unwrap_or(CHUNK_LEN);
    let mut chunk = vec![0; size.saturating_add(1).clamp(CHUNK_LEN_MIN, CHUNK_LEN)];
    for _ in 0..CHUNKS_A_PORTION {
        if cancelled.is_cancelled() {
            return Err(FailureCode::Cancelled.into());
        }
        let read = read_fully(&*file, &mut [IoSliceMut::new(&mut chunk)], bytes)?;
        hasher.update(&chunk[..read]);
        bytes += read as u64;
        if read < chunk.len() {
            return Ok(Portion::Last(hasher.finish(), bytes));
        }
    }
    Ok(Portion::More(file, hasher, bytes))
}

const CHUNKS_A_PORTION: usize = 32;
/// Bytes that a small file is read with; a file may be larger than it says.
const CHUNK_LEN_MIN: usize = 4096;
