//! The engines on failing storage: every operation fails, with every error, by a killed process, and by a power cut. At every
//! moment each path has its whole old or its whole new content.

mod kept;
mod model;
mod power;
pub(crate) mod process;
mod trees;
