//! The options of the comparison.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures ftp-server and ftp-client against the usual tools, in turn, on the same data.
#[derive(Debug, Parser)]
#[command(name = "versus", after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The measurement to run
    #[arg(value_enum)]
    pub(crate) case: Option<Case>,
    /// Measured runs of each tool
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Small data and a single run without a warm-up, to see that everything works
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Write the results to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Only these tools, by the names in the table
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Folder on a disk for the data of `big` and `power` (default: Cargo's folder for temporary files)
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// TCP congestion control of both hosts in the cases with a simulated network
    #[arg(long, value_name = "NAME", default_value = "cubic")]
    pub(crate) congestion: String,
    /// End a run over a simulated network after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    cap: u64,
    /// Always given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// The subject of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// One file of 1 GiB over loopback, from the page cache to a disk
    Big,
    /// Some 52,000 small files over loopback, from memory to memory
    Tree,
    /// A listing of that tree
    List,
    /// One file of 64 MiB over a path of 100 ms, 200 Mbit/s and 0.5 % loss
    Wan,
    /// 1,000 files of 4 KiB over a path of 100 ms, counted in round trips
    Trips,
    /// 5,000 files of 4 KiB over loopback to a disk, each durable against a loss of power
    Power,
    /// That tree mirrored: nothing changed, 1 % changed, first run
    Mirror,
    /// 1,000,000 empty files mirrored, nothing changed
    Million,
    /// 1,000 files mirrored over a path of 100 ms, nothing changed, counted in round trips
    MirrorTrips,
    /// New versions of large files over a path of 20 ms and 100 Mbit/s, counted in bytes on the network
    Delta,
    /// 9,000 files of text over a path of 50 ms and 100 Mbit/s, counted in bytes on the network
    Text,
    /// One file of 4 KiB over paths of 20 ms and 100 ms, counted in round trips
    Start,
}

impl Case {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Case::Big => "big",
            Case::Tree => "tree",
            Case::List => "list",
            Case::Wan => "wan",
            Case::Trips => "trips",
            Case::Power => "power",
            Case::Mirror => "mirror",
            Case::Million => "million",
            Case::MirrorTrips => "mirror-trips",
            Case::Delta => "delta",
            Case::Text => "text",
            Case::Start => "start",
        }
    }
}

impl Args {
    pub(crate) fn runs(&self) -> u32 {
        if self.smoke { 1 } else { self.runs }
    }

    pub(crate) fn cap(&self) -> Duration {
        Duration::from_secs(self.cap)
    }

    pub(crate) fn wants(&self, contender: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == contender)
    }
}

const EXAMPLES: &str = "\
Examples:
  cargo bench -p tests --bench versus -- big
  cargo bench -p tests --bench versus -- tree --runs 10 --json tree.json
  cargo bench -p tests --bench versus -- wan --smoke --only ours,rsync";
