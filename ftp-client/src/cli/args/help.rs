//! The help of commands whose `-h` is about sizes.

use clap::{ArgAction, Args};

/// `--help` alone, where `-h` is about sizes, as with ls and df everywhere.
#[derive(Clone, Args)]
pub(crate) struct LongHelp {
    /// Print help
    #[arg(long, action = ArgAction::Help, display_order = 999)]
    help: Option<bool>,
}
