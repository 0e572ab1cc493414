//! The server as an operator sees it: its log, its limits, its start and its end.

mod drain;
mod log_events;
mod log_everyday;
mod logs;
mod logs_unwritable;
mod refusals;
mod reloads;
mod service;
pub(crate) mod session_ends;
mod shares;
