//! Passwords, tokens and keys are in this process's memory. Nothing else of this machine should come to see them.
//!
//! They are not wiped when they are no longer needed: a client needs them to connect again for as long as it runs, and of what a login brings,
//! copies stay in the buffers of TLS and of the decoder.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps the process's memory out of core dumps, and from other processes of its account. To be called before anything secret is read.
///
/// A system that refuses it is no reason not to work: then dumps are as they were.
pub fn forbid_dumps() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
