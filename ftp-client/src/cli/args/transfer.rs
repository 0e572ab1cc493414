//! Options of `get` and `put`.

use super::{CarryingArgs, Choosing, OverwriteArg};
use clap::Args;
use std::path::PathBuf;
use wire::message::Overwrite;

/// Options of transfers.
#[derive(Clone, Args)]
pub(crate) struct TransferArgs {
    /// Include folders and everything in them
    #[arg(short, long, visible_short_alias = 'R', display_order = 0)]
    pub(crate) recursive: bool,
    /// When to replace files that exist [default: always; with -r: different]
    #[arg(long, value_enum, value_name = "WHEN")]
    overwrite: Option<OverwriteArg>,
    /// Write the outcome of each item to FILE, for scripts and for `ftp-client retry`
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
    #[command(flatten)]
    pub(crate) choosing: Box<Choosing>,
}

impl TransferArgs {
    /// Returns the rule for files that exist. A tree that is sent again sends what differs; a file that is named is always sent.
    pub(crate) fn overwrite(&self) -> Overwrite {
        match self.overwrite {
            Some(rule) => rule.into(),
            None if self.recursive => Overwrite::Different,
            None => Overwrite::Always,
        }
    }
}
