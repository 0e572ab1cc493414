//! Tests the programs as users run them: real processes, real sockets, real files, and the reaction of both ends to bad input.
//! Rules that need no process are in [`in_process`].
//!
//! Each module is a list of sentences; their vocabulary is [`tests::world`] and `support`. Tests never rely on timing: they
//! wait for events, with a deadline. Requirements that a machine lacks (root, rsync) are reported as skipped.

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
mod in_process;
mod login;
mod mirrors;
mod packaging;
mod resume;
mod server;
mod ssh;
mod support;
mod transfers;
