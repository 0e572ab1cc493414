//! Options that several commands share, in groups, and the values of options. A command's own arguments are in its file
//! in `commands/`.

mod carrying;
mod common;
pub(crate) mod explanations;
mod help;
mod mirror;
mod profile;
mod transfer;
pub(crate) mod values;

pub(crate) use carrying::{CarryingArgs, Permissions};
pub(crate) use common::{Color, Common};
pub(crate) use help::LongHelp;
pub(crate) use mirror::{Carrying, Choosing, CompareWord, Comparing, TypedRule, of_profile};
pub(crate) use profile::{Defaults, ProfileOption, profile_options, profile_parser};
pub(crate) use transfer::TransferArgs;
pub(crate) use values::OverwriteArg;
