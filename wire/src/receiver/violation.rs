//! The rules that a sender can break.

use crate::limits::LARGE_FILES_MAX;

/// The sender violated the protocol; the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiverViolation {
    /// More frames than the window allows.
    #[error("a frame beyond the window")]
    Window,
    /// A frame beyond the job's end.
    #[error("a frame beyond the job's end")]
    BeyondEnd,
    /// Two ends of one job that differ, or one below a frame that came.
    #[error("a job's end that contradicts its frames")]
    End,
    /// Too many files at once.
    #[error("more than {LARGE_FILES_MAX} files begun at once")]
    Files,
    /// A block outside the file.
    #[error("a block outside its file")]
    OutsideFile,
    /// A chunk that came before, in another frame.
    #[error("the same block twice")]
    SameBlock,
    /// A hole in a job that has none.
    #[error("a hole in a job without holes")]
    Hole,
    /// A second seal of a file.
    #[error("a second seal of a file")]
    SecondSeal,
    /// A seal that contradicts the file's blocks.
    #[error("a seal that contradicts its file's blocks")]
    Seal,
    /// Two different announcements of one file, or one that differs from its offer, or a finished file's number for another.
    #[error("two announcements of one file that differ")]
    Announcement,
    /// A file that was offered before, and not sent.
    #[error("the same file offered twice")]
    OfferedTwice,
    /// Too many requests for signatures.
    #[error("more requests for signatures than allowed")]
    Signatures,
    /// Too many items offered.
    #[error("more items offered than allowed")]
    Offers,
}
