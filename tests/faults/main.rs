//! The engines on storage that fails: at every operation, with every error, as if the process were killed, and as if the
//! power were cut. At every moment each path has its old content or its whole new content.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails, and should")]

mod faulty;
mod joined;
mod model;
mod power;
mod process;
#[path = "../end_to_end/tools.rs"]
#[allow(dead_code, reason = "another test target uses the rest")]
mod tools;
mod trees;
