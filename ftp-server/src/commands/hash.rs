//! HASH: SHA-256 of a file's content, in portions so that a large file shares the blocking pool with others.

use super::{Answer, on_pool};
use crate::session::Context;
use std::io::IoSliceMut;
use tokio_util::sync::CancellationToken;
use wire::FailureCode;
use wire::limits::CHUNK_LEN;
use wire::message::{Hash, Hashed};
use wire::sha256::Sha256;
use wire::store::{Storage, read_fully};

pub(super) async fn run(context: &Context, hash: Hash, cancelled: &CancellationToken) -> Answer {
    let storage = context.storage.clone();
    let file = on_pool(storage, move |storage| Ok(storage.open_file(&hash.path)?)).await?;
    let mut state = (file, Sha256::new(), 0_u64);
    loop {
        let (back, ended) = on_pool(state, |(file, mut hasher, mut bytes)| {
            let mut chunk = vec![0; CHUNK_LEN];
            for _ in 0..CHUNKS_A_PORTION {
                let read = read_fully(&*file, &mut [IoSliceMut::new(&mut chunk)], bytes)?;
                hasher.update(&chunk[..read]);
                bytes += read as u64;
                if read < CHUNK_LEN {
                    return Ok(((file, hasher, bytes), true));
                }
            }
            Ok(((file, hasher, bytes), false))
        })
        .await?;
        state = back;
        if ended {
            let (_, hasher, bytes) = state;
            return Ok(Some(Hashed { digest: hasher.finish(), bytes }.into()));
        }
        if cancelled.is_cancelled() {
            return Err(FailureCode::Cancelled.into());
        }
    }
}

const CHUNKS_A_PORTION: usize = 32;
