//! Transfers of files and trees: the content that arrives, when it gets its name, and sources and targets that change.

mod changing;
mod chosen;
mod compression;
mod delta;
mod durability;
mod holes;
mod lanes;
mod late_decisions;
mod many_sessions;
mod moved_sources;
mod moved_targets;
mod previews;
mod rate_limits;
pub(crate) mod trees;
mod unproven;
mod vanishing;
