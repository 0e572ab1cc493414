//! Protects passwords, tokens and keys in this process's memory from other processes of this machine.
//!
//! They are not wiped after use: a client needs them to reconnect for as long as it runs, and copies of a login's secrets
//! remain in the buffers of TLS and of the decoder.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Excludes the process's memory from core dumps, and hides it from other processes of its account. To be called before any
/// secret is read.
///
/// If the system refuses, the process continues, and dumps stay possible.
pub fn forbid_dumps() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
