//! Messages between the two ends of a job about an old file that a large file replaces: requests for signatures, and answers.

use super::byte_string;
use crate::bounded::sequence;
use crate::ids::FileNo;
use crate::limits::FINE_RUNS_MAX;
use crate::path::RemotePath;
use serde::{Deserialize, Serialize};

/// The rule by which the sender of a job sends only what is new of large files that replace others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Delta {
    /// Where that makes the transfer faster.
    Auto,
    /// Wherever there is an old file.
    Always,
    /// Never.
    #[default]
    Never,
}

/// Asks a job's receiver for signatures of the old file that a large file replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRequest {
    /// The job's number of the large file.
    pub file: FileNo,
    /// The signatures.
    pub wanted: WantedSignatures,
}

/// The signatures that a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WantedSignatures {
    /// The first window of coarse ones. The receiver opens the old file.
    First {
        /// The path of the large file, below the job's path.
        path: RemotePath,
    },
    /// The next window of coarse ones.
    Next,
    /// Fine ones of runs of coarse pieces.
    Fine {
        /// The runs, at most [`FINE_RUNS_MAX`].
        #[serde(deserialize_with = "sequence::<FINE_RUNS_MAX, _, _>")]
        runs: Vec<FineRun>,
    },
}

/// Consecutive coarse pieces of an old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FineRun {
    /// Number of the first.
    pub first: u32,
    /// Number of pieces.
    pub count: u32,
    /// How they are cut finely.
    pub cut: FineCut,
}

/// The ways to cut old content finely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FineCut {
    /// In pages, which begin at multiples of 4,096 bytes of the file.
    Pages,
    /// By its content.
    Content,
}

/// Answers a request for signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    /// The job's number of the large file.
    pub file: FileNo,
    /// The signatures.
    pub answer: SignatureAnswer,
}

/// Signatures of an old file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureAnswer {
    /// There are none, or no further ones.
    None,
    /// The first window.
    First {
        /// Length of the old file.
        len: u64,
        /// The key of its signatures.
        key: [u8; 32],
        /// Its coarse pieces.
        #[serde(with = "byte_string")]
        pieces: Vec<u8>,
        /// Other windows follow.
        more: bool,
    },
    /// The next window.
    Next {
        /// Its coarse pieces.
        #[serde(with = "byte_string")]
        pieces: Vec<u8>,
        /// Other windows follow.
        more: bool,
    },
    /// Fine signatures, of one run after the other.
    Fine {
        /// The signatures.
        #[serde(with = "byte_string")]
        signatures: Vec<u8>,
    },
}

impl SignatureAnswer {
    /// Returns the length of the signatures.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::First { pieces, .. } | Self::Next { pieces, .. } => pieces.len(),
            Self::Fine { signatures } => signatures.len(),
        }
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
