//! The programs as their users have them: real processes, real sockets, real files, and what both ends make of bad input.
//!
//! Each module is a list of sentences; what they are spelled with is [`tests::world`] and `tools`. Nothing here waits for
//! luck: tests wait for events, with a deadline. What a machine does not have (root, rsync) is told as skipped.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "a test that meets what it does not expect fails, and should"
)]

mod admission;
mod changing;
mod commands;
mod completions;
mod crowd;
mod cut;
mod deep;
mod doctor;
mod drain;
mod dumps;
mod durability;
mod everyday;
mod examples;
mod faults;
mod faulty;
mod files;
mod folded_names;
mod frames;
mod fuse;
mod handmade;
mod handmade_server;
mod hanging;
mod holes;
mod hostile;
mod hostile_floods;
mod hostile_lanes;
mod hostile_memory;
mod hostile_mirrors;
mod hostile_mirrors_batches;
mod hostile_mirrors_down;
mod hostile_rules;
mod hostile_server;
mod hostile_server_lanes;
mod interrupts;
mod keys;
mod keys_forged;
mod kills;
mod lanes;
mod last_sync;
mod late_decisions;
mod library;
mod limits;
mod links;
mod links_races;
mod log_events;
mod log_everyday;
mod logs;
mod logs_unwritable;
mod long_names;
mod many_names;
mod matrix;
mod mirrors;
mod mirrors_backup;
mod mirrors_carried;
mod mirrors_edits;
mod mirrors_filters;
mod mirrors_guards;
mod mirrors_kept;
mod mirrors_links;
mod mirrors_plans;
mod mirrors_races;
mod mirrors_room;
mod mirrors_totals;
mod mirrors_unreadable;
mod modes;
mod modes_private;
mod never_opened;
mod odd_filesystems;
mod outages;
mod packages;
mod power_cut;
mod profiles;
mod prompts;
mod refusals;
mod reloads;
mod resume;
mod revocations;
mod roots;
mod scripts;
mod service;
mod session_ends;
mod shell;
mod slashes;
mod storage;
mod storage_faults;
mod storage_limits;
mod suggestions;
mod system_errors;
mod throttle;
mod times;
mod tls;
mod tools;
mod trees;
mod trust;
mod unproven;
mod uploads;
mod users_file;
mod vanishing;
mod watching;
mod watching_for_years;
