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
    /// List what would be sent, one line per item: '+' new, '~' changed, '>' metadata
    #[arg(short = 'n', long, conflicts_with_all = ["result", "remove_source"])]
    pub(crate) dry_run: bool,
    /// Remove each file and link at the source once its target is proven to have the same content; folders stay
    #[arg(long, conflicts_with = "copy_links")]
    pub(crate) remove_source: bool,
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
