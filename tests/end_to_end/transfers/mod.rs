//! Transfers of files and trees: what arrives, when it has its name, and what is done about sources and targets that change.

mod changing;
mod durability;
mod holes;
mod lanes;
mod late_decisions;
mod many_sessions;
mod rate_limits;
pub(crate) mod trees;
mod unproven;
mod vanishing;
