//! Recipes of chunks, and signatures of old files, from the other end.

use std::convert::Infallible;
use std::io;
use wire::delta::FileContent;
use wire::delta::planner::Planner;
use wire::delta::recipe::{decode, encode, rebuild};
use wire::delta::signature::SignatureKey;

/// A recipe of a short chunk, or signatures of an old file.
pub fn delta(bytes: &[u8]) {
    match bytes.split_first() {
        Some((how, rest)) if how & 1 == 0 => recipe(rest),
        Some((_, rest)) => signatures(rest),
        None => {}
    }
}

/// What is accepted copies nothing from beyond the old file, makes a chunk of the right length, and is encoded again alike.
fn recipe(bytes: &[u8]) {
    let Ok(recipe) = decode(bytes, 0, CHUNK_LEN, OLD_LEN) else { return };
    let again = encode(&recipe.steps, 0).expect("it had no more steps");
    let literals = &bytes[recipe.literals_at..];
    let twice = decode(&[&again, literals].concat(), 0, CHUNK_LEN, OLD_LEN);
    assert_eq!(twice.map(|twice| twice.steps), Ok(recipe.steps.clone()));
    let copy = |piece: &mut [u8], offset: u64| {
        assert!(offset + piece.len() as u64 <= OLD_LEN);
        Ok::<_, Infallible>(())
    };
    let Ok(chunk) = rebuild(&recipe, bytes.to_vec(), CHUNK_LEN, copy);
    assert_eq!(chunk.len(), CHUNK_LEN);
}

/// Whatever the signatures are, runs lie within both files, and the plan comes to its end or is refused.
fn signatures(bytes: &[u8]) {
    let (content, old_len) = (Zeros(200_000), 150_000);
    let mut planner = Planner::new(SignatureKey([0; 32]), content.0, old_len);
    if planner.add_coarse(bytes, false).is_err() {
        return;
    }
    while !planner.is_finished() {
        planner.cut(&content).expect("it can be read");
        while planner.next_request().is_some() {
            if planner.add_fine(bytes, &content).is_err() {
                return;
            }
        }
        for run in planner.take().runs {
            assert!(run.old + run.len <= old_len && run.new + run.len <= content.0, "{run:?}");
        }
    }
}

/// A file of so many zeros.
struct Zeros(u64);

impl FileContent for Zeros {
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = usize::try_from(self.0.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        bytes[..len].fill(0);
        Ok(len)
    }

    fn next_data(&self, offset: u64) -> u64 {
        offset
    }
}

const CHUNK_LEN: usize = 64;
const OLD_LEN: u64 = 1000;
