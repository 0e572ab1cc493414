//! Options of `get` and `put`.

use super::{CarryingArgs, OverwriteArg};
use clap::Args;
use std::path::PathBuf;

/// Options of transfers.
#[derive(Clone, Args)]
pub(crate) struct TransferArgs {
    /// Include folders and everything in them
    #[arg(short, long, visible_short_alias = 'R')]
    pub(crate) recursive: bool,
    /// When to replace files that exist
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    pub(crate) overwrite: OverwriteArg,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
    /// Write the outcome of each item to FILE, for scripts and for `ftp-client retry`
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
}
