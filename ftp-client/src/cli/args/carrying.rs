//! Options that `get`, `put` and `mirror` share: how items are carried, whatever is chosen.

use super::common::Resuming;
use super::values::{self, ChangingArg};
use clap::{Args, ValueEnum};
use ftp_client::mirror::recipe::{self, Recipe};
use ftp_client::{Error, TransferOptions};
use wire::message::{Changing, Compress, Delta, Durability, Overwrite};
use wire::modes::Modes;

/// How items are carried.
#[derive(Clone, Args)]
pub(crate) struct CarryingArgs {
    /// The failure that a done item survives: process = a crash of the program, power = also a loss of power (synced)
    #[arg(long, value_enum, value_name = "WHAT", default_value = "process")]
    durability: DurabilityWord,
    /// How to treat a file that changes while it is read
    #[arg(long, value_enum, value_name = "HOW", default_value = "retry")]
    pub(crate) changing: ChangingArg,
    /// Compress data on its way: auto = where it makes the transfer faster, never, or a level from 1 (fast) to 9 (small)
    #[arg(long, value_parser = values::compress, value_name = "HOW", default_value = "auto")]
    pub(crate) compress: Compress,
    /// Send only what is new of large files that replace others: auto = where the network is slow
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) delta: DeltaWord,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    #[command(flatten)]
    pub(crate) resuming: Resuming,
}

/// The options of this group that a profile may hold.
pub(crate) const OF_PROFILES: [&str; 4] = ["durability", "changing", "compress", "delta"];

impl CarryingArgs {
    /// Returns the failure that items must survive.
    fn durability(&self) -> Durability {
        match self.durability {
            DurabilityWord::None => Durability::None,
            DurabilityWord::Process => Durability::Process,
            DurabilityWord::Power => Durability::Power,
        }
    }

    /// Returns this part of a mirror's recipe.
    pub(crate) fn recipe(&self) -> Recipe {
        Recipe {
            no_perms: self.permissions.no_perms,
            perms: self.permissions.perms,
            chmod: self.permissions.chmod.clone(),
            changing: Changing::from(self.changing).into(),
            durability: self.durability(),
            compress: self.compress.into(),
            delta: Delta::from(self.delta).into(),
            ..Recipe::default()
        }
    }

    /// Returns the options of a transfer, with the command's own rule for files that exist.
    pub(crate) fn options(&self, overwrite: Overwrite) -> Result<TransferOptions, Error> {
        Ok(TransferOptions {
            overwrite,
            durability: self.durability(),
            changing: self.changing.into(),
            resume: self.resuming.get(),
            modes: self.permissions.modes()?,
            compress: self.compress,
            delta: self.delta.into(),
            ..TransferOptions::default()
        })
    }
}

/// `--durability`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DurabilityWord {
    /// As process, but a loss of power may also empty files that were replaced: where many are, this saves some time
    None,
    /// A reported item survives a crash of the program
    Process,
    /// A reported item also survives a loss of power: files are synced to disk, many at a time
    Power,
}

/// `--delta`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeltaWord {
    /// Where the network is slow, so that it makes the transfer faster
    Auto,
    /// Wherever there is an old file of 256 KiB or more, for a file of 1 MiB or more
    Always,
    /// Send files whole
    Never,
}

impl From<DeltaWord> for Delta {
    fn from(word: DeltaWord) -> Self {
        match word {
            DeltaWord::Auto => Self::Auto,
            DeltaWord::Always => Self::Always,
            DeltaWord::Never => Self::Never,
        }
    }
}

/// Options for permissions.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Permissions {
    /// Carry no permissions: new items get the target's default permissions, existing items keep theirs
    #[arg(long, overrides_with = "perms")]
    pub(crate) no_perms: bool,
    /// Keep the permissions of SOURCE in downloads too, instead of applying the umask (0777 becomes 0755 with umask 022)
    #[arg(long, overrides_with = "no_perms")]
    pub(crate) perms: bool,
    /// Change permissions during the transfer, as rsync does: D2775,F664 or go-w,Fa-x (D folders only, F files only)
    #[arg(long, value_name = "CHANGES", allow_hyphen_values = true)]
    pub(crate) chmod: Option<String>,
}

impl Permissions {
    pub(crate) fn modes(&self) -> Result<Modes, Error> {
        recipe::modes(self.no_perms, self.perms, self.chmod.as_deref())
    }
}
