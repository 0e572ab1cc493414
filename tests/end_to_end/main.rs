//! The programs as their users have them: real processes, real sockets, real files, and what both ends make of bad input.
//!
//! Each module is a list of sentences; what they are spelled with is [`tests::world`] and `support`. Nothing here waits for
//! luck: tests wait for events, with a deadline. What a machine does not have (root, rsync) is told as skipped.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "a test that meets what it does not expect fails, and should"
)]

mod cli;
mod commands;
mod faults;
mod hostile;
mod login;
mod mirrors;
mod packaging;
mod resume;
mod server;
mod support;
mod transfers;
