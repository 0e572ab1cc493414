//! The measurements, one file for each kind.

mod delta;
mod far;
mod file;
mod mirror;
mod thin;
mod tree;

use std::time::Duration;

use anyhow::Result;

use crate::args::{Args, Case};
use crate::report::Report;

/// Runs the requested measurement.
pub(crate) fn run(case: Case, args: &Args) -> Result<Report> {
    match case {
        Case::Big => file::big(args),
        Case::Tree => tree::tree(args),
        Case::List => tree::list(args),
        Case::Wan => far::wan(args),
        Case::Trips => far::trips(args),
        Case::Power => tree::power(args),
        Case::Mirror => mirror::mirror(args),
        Case::Million => mirror::million(args),
        Case::MirrorTrips => mirror::trips(args),
        Case::Delta => delta::delta(args),
        Case::Text => thin::text(args),
        Case::Start => thin::start(args),
    }
}

/// Time limit of a run over loopback; only a hanging one takes this long.
const LOCAL_CAP: Duration = Duration::from_secs(600);

const MIB: u64 = 1 << 20;
