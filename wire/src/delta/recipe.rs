//! Recipes of chunks: copies from the old file, and literal bytes.
//!
//! ```text
//! | length of the steps, u32 | steps | literal bytes, one step's after the other's |
//!
//! step: varint (length << 1 | 1), varint zigzag(old offset − expected offset)      a copy
//!       varint (length << 1)                                                       literal bytes
//! ```
//!
//! The expected offset is that behind the last copy, and of the first one that of the chunk. So a chunk that did not change takes
//! a few bytes.

use crate::limits::RECIPE_STEPS_MAX;

/// A part of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the old file.
    Copy {
        /// Their offset there.
        offset: u64,
        /// Their number.
        len: usize,
    },
    /// Bytes that the recipe brings.
    Literal {
        /// Their number.
        len: usize,
    },
}

impl Step {
    /// Returns the number of bytes of the chunk.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "no step is empty")]
    pub fn len(&self) -> usize {
        match *self {
            Self::Copy { len, .. } | Self::Literal { len } => len,
        }
    }
}

/// Bytes are no recipe. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipeFault {
    /// A field is cut off or too long, or a step has no bytes.
    #[error("a recipe with a malformed step")]
    Malformed,
    /// There are too many steps.
    #[error("a recipe of too many steps")]
    Steps,
    /// The steps do not have the length of the chunk, or not the literals that are there.
    #[error("a recipe of another length than its chunk")]
    Length,
    /// A copy is from beyond the end of the old file.
    #[error("a recipe that copies from beyond the old file")]
    Range,
}

/// Encodes the steps of the chunk at `chunk_offset`; the literal bytes are to follow. Returns `None` for too many.
#[must_use]
pub fn encode(steps: &[Step], chunk_offset: u64) -> Option<Vec<u8>> {
    if steps.len() > RECIPE_STEPS_MAX {
        return None;
    }
    let mut bytes = vec![0; LEN_LEN];
    let mut expected = chunk_offset;
    for step in steps {
        match *step {
            Step::Copy { offset, len } => {
                put_varint(&mut bytes, (len as u64) << 1 | 1);
                put_varint(&mut bytes, zigzag(offset.wrapping_sub(expected).cast_signed()));
                expected = offset.wrapping_add(len as u64);
            }
            Step::Literal { len } => put_varint(&mut bytes, (len as u64) << 1),
        }
    }
    let len = u32::try_from(bytes.len() - LEN_LEN).ok()?;
    bytes[..LEN_LEN].copy_from_slice(&len.to_le_bytes());
    Some(bytes)
}

/// A decoded recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The steps, in the order of the chunk.
    pub steps: Vec<Step>,
    /// Where the literal bytes begin.
    pub literals_at: usize,
}

/// Decodes the recipe of the chunk of `content_len` bytes at `chunk_offset`, which copies from an old file of `old_len` bytes.
///
/// # Errors
/// If it is none.
pub fn decode(
    bytes: &[u8],
    chunk_offset: u64,
    content_len: usize,
    old_len: u64,
) -> Result<Recipe, RecipeFault> {
    let (len, rest) = bytes.split_first_chunk::<LEN_LEN>().ok_or(RecipeFault::Malformed)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| RecipeFault::Malformed)?;
    let mut rest = rest.get(..len).ok_or(RecipeFault::Malformed)?;
    let literals_at = LEN_LEN + len;
    let (mut steps, mut expected) = (Vec::new(), chunk_offset);
    let (mut content, mut literals) = (0, 0);
    while !rest.is_empty() {
        if steps.len() == RECIPE_STEPS_MAX {
            return Err(RecipeFault::Steps);
        }
        let head = take_varint(&mut rest)?;
        let len = usize::try_from(head >> 1).map_err(|_| RecipeFault::Length)?;
        if len == 0 {
            return Err(RecipeFault::Malformed);
        }
        if len > content_len - content {
            return Err(RecipeFault::Length);
        }
        content += len;
        if head & 1 == 0 {
            literals += len;
            steps.push(Step::Literal { len });
        } else {
            let offset = expected.wrapping_add_signed(unzigzag(take_varint(&mut rest)?));
            let end =
                offset.checked_add(len as u64).filter(|end| *end <= old_len).ok_or(RecipeFault::Range)?;
            steps.push(Step::Copy { offset, len });
            expected = end;
        }
    }
    if content == content_len && bytes.len() - literals_at == literals {
        Ok(Recipe { steps, literals_at })
    } else {
        Err(RecipeFault::Length)
    }
}

/// Turns the decoded bytes of a recipe into the chunk, in their place: `copy` fills in bytes of the old file from an offset.
///
/// # Errors
/// Of `copy`.
pub fn rebuild<E>(
    recipe: &Recipe,
    bytes: Vec<u8>,
    content_len: usize,
    mut copy: impl FnMut(&mut [u8], u64) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut bytes = bytes;
    let literals = bytes.len() - recipe.literals_at;
    bytes.resize(bytes.len().max(content_len), 0);
    // The literals still to be placed lie at the end: what is written before never reaches them.
    let mut literals_at = content_len - literals;
    bytes.copy_within(recipe.literals_at..recipe.literals_at + literals, literals_at);
    let mut at = 0;
    for step in &recipe.steps {
        match *step {
            Step::Copy { offset, len } => {
                copy(&mut bytes[at..at + len], offset)?;
                at += len;
            }
            Step::Literal { len } => {
                bytes.copy_within(literals_at..literals_at + len, at);
                literals_at += len;
                at += len;
            }
        }
    }
    bytes.truncate(content_len);
    Ok(bytes)
}

fn put_varint(bytes: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        bytes.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, RecipeFault> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(RecipeFault::Malformed)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(RecipeFault::Malformed);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(RecipeFault::Malformed)
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Bytes of the length of the steps.
const LEN_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn decoded(bytes: &[u8]) -> Result<Recipe, RecipeFault> {
        decode(bytes, 1000, 10, 50)
    }

    #[test]
    fn steps_survive_their_encoding() {
        let steps = [
            Step::Copy { offset: 1000, len: 2 },
            Step::Literal { len: 3 },
            Step::Copy { offset: 0, len: 1 },
            Step::Copy { offset: u64::MAX - 9, len: 4 },
        ];
        let mut bytes = encode(&steps, 1000).unwrap();
        bytes.extend_from_slice(b"lit");
        assert_eq!(decode(&bytes, 1000, 10, u64::MAX).unwrap().steps, steps);
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        let whole =
            |steps: &[Step], literals: &[u8]| [encode(steps, 1000).unwrap(), literals.to_vec()].concat();
        let copy = |offset, len| Step::Copy { offset, len };
        assert!(decoded(&whole(&[copy(40, 10)], b"")).is_ok());
        for (bytes, fault) in [
            (whole(&[copy(41, 10)], b""), RecipeFault::Range),
            (whole(&[copy(0, 9)], b""), RecipeFault::Length),
            (whole(&[copy(0, 11)], b""), RecipeFault::Length),
            (whole(&[copy(0, 10)], b"x"), RecipeFault::Length),
            (whole(&[Step::Literal { len: 10 }], b"123456789"), RecipeFault::Length),
            (whole(&[copy(0, 0), copy(0, 10)], b""), RecipeFault::Malformed),
            (vec![1, 0, 0], RecipeFault::Malformed),
            (vec![2, 0, 0, 0, 1], RecipeFault::Malformed),
            (vec![1, 0, 0, 0, 0x80], RecipeFault::Malformed),
            (vec![1, 0, 0, 0, 21], RecipeFault::Malformed),
        ] {
            assert_eq!(decoded(&bytes), Err(fault), "{bytes:?}");
        }
        let many = vec![copy(0, 1); RECIPE_STEPS_MAX + 1];
        assert_eq!(encode(&many, 0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let Ok(recipe) = decode(&bytes, 1 << 40, 64, 1000) else { return Ok(()) };
            let copy = |piece: &mut [u8], offset: u64| {
                assert!(offset + piece.len() as u64 <= 1000);
                Ok::<_, Infallible>(())
            };
            let Ok(content) = rebuild(&recipe, bytes, 64, copy);
            prop_assert_eq!(content.len(), 64);
        }
    }
}
