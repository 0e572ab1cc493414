//! Names of staged files: in the target folder, hidden, and reserved, so that no partial file is ever listed or sent.

use crate::failure::{Failure, FailureCode};
use crate::path::NameRef;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of a staged file: `.ftpx-`, 16 hexadecimal digits and `.part`; its journal's ends in `.held`.
#[derive(Debug, Clone)]
pub struct StagedName([u8; LEN]);

impl StagedName {
    /// Suffix of the names of staged files.
    pub(super) const SUFFIX: &[u8] = SUFFIX;
    /// Suffix of the names of journals.
    pub(super) const JOURNAL_SUFFIX: &[u8] = JOURNAL_SUFFIX;

    /// A name that is unique on this machine.
    #[must_use]
    pub fn new() -> Self {
        static BEGIN: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let begin =
            *BEGIN.get_or_init(|| getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()) << 32));
        Self::of_number(begin.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The name for a resumable transfer of the file `name`, by which the next run finds it.
    #[must_use]
    pub fn of(name: NameRef<'_>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"ftpx staged v1\n").update(name.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self::of_number(u64::from_le_bytes(number))
    }

    fn of_number(number: u64) -> Self {
        let mut bytes = *b".ftpx-0000000000000000.part";
        for (index, byte) in bytes[PREFIX.len()..PREFIX.len() + DIGITS].iter_mut().enumerate() {
            *byte = b"0123456789abcdef"[(number >> (60 - 4 * index) & 15) as usize];
        }
        Self(bytes)
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name of the staged file's journal.
    #[must_use]
    pub fn journal(&self) -> [u8; LEN] {
        let mut bytes = self.0;
        bytes[LEN - SUFFIX.len()..].copy_from_slice(JOURNAL_SUFFIX);
        bytes
    }
}

impl Default for StagedName {
    fn default() -> Self {
        Self::new()
    }
}

/// True if `name` is reserved for staged files and their journals.
#[must_use]
pub fn is_staged(name: NameRef<'_>) -> bool {
    let rest = name.as_bytes().strip_prefix(PREFIX);
    let digits = rest.and_then(|rest| rest.strip_suffix(SUFFIX).or(rest.strip_suffix(JOURNAL_SUFFIX)));
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// The failure for a path that ends in such a name.
#[must_use]
pub fn reserved_name() -> Failure {
    Failure::new(FailureCode::InvalidPath, "this name is reserved for unfinished transfers")
}

const PREFIX: &[u8] = b".ftpx-";
const SUFFIX: &[u8] = b".part";
const JOURNAL_SUFFIX: &[u8] = b".held";
const DIGITS: usize = 16;
const LEN: usize = PREFIX.len() + DIGITS + SUFFIX.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_names_are_unique_and_known_again() {
        let (a, b) = (StagedName::new(), StagedName::new());
        assert_ne!(a.as_bytes(), b.as_bytes());
        assert!(is_staged(NameRef::new(a.as_bytes()).unwrap()));
        assert!(is_staged(NameRef::new(&a.journal()).unwrap()));
        let named = |name: &[u8]| StagedName::of(NameRef::new(name).unwrap()).0;
        assert!(named(b"x") == named(b"x") && named(b"x") != named(b"y"));
        for other in
            [&b".ftpx-1.part"[..], b".ftpx-0000000000000000.part2", b".ftpx-000000000000000g.part", b"x"]
        {
            assert!(!is_staged(NameRef::new(other).unwrap()));
        }
    }
}
