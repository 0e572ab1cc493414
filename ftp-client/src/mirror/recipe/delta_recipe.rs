//! The word of a recipe about large files that replace others.

use serde::{Deserialize, Serialize};
use wire::message::Delta;

/// The rule for large files that replace others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeltaRecipe {
    /// Only what is new is sent where that makes the transfer faster.
    Auto,
    /// Only what is new is sent.
    Always,
    /// They are sent whole.
    #[default]
    Never,
}

impl DeltaRecipe {
    /// True for what need not be written down.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<DeltaRecipe> for Delta {
    fn from(word: DeltaRecipe) -> Self {
        match word {
            DeltaRecipe::Auto => Self::Auto,
            DeltaRecipe::Always => Self::Always,
            DeltaRecipe::Never => Self::Never,
        }
    }
}

impl From<Delta> for DeltaRecipe {
    fn from(delta: Delta) -> Self {
        match delta {
            Delta::Auto => Self::Auto,
            Delta::Always => Self::Always,
            Delta::Never => Self::Never,
        }
    }
}
