//! `wan` and `trips`: over a simulated wide-area network.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tests::wan::{Random, Side, Wan, WanOptions};

use super::MIB;
use crate::args::{Args, Case};
use crate::contenders::Direction;
use crate::data;
use crate::place::Place;
use crate::report::{Report, Yardstick};
use crate::rounds::{self, Plan};
use crate::site::Site;
use crate::stage::Stage;

pub(super) fn wan(args: &Args) -> Result<Report> {
    let bytes = if args.smoke { 4 * MIB } else { 64 * MIB };
    let site = Site::in_memory()?;
    let source = site.source().join("big");
    data::write_file(&source, bytes, &mut Random::new(data::SEED))?;
    let verify = rounds::same_file(&source)?;
    let measurement = Measurement {
        case: Case::Wan,
        source,
        data: format!("one file of {} MiB", bytes / MIB),
        loss_percent: 0.5,
        roster: &["ours", "rsync", "ftp-curl", "http-curl"],
        yardstick: Yardstick::LinkShare { bytes, rate_mbit: RATE_MBIT },
    };
    measurement.run(args, &site, &verify)
}

pub(super) fn trips(args: &Args) -> Result<Report> {
    let (folders, files) = if args.smoke { (20, 25) } else { (20, 50) };
    let site = Site::in_memory()?;
    let source = site.source().join("tree");
    data::write_even(&source, folders, files, 4096)?;
    let verify = rounds::same_tree(&source)?;
    let measurement = Measurement {
        case: Case::Trips,
        source,
        data: format!("{} files of 4 KiB in {folders} folders", folders * files),
        loss_percent: 0.0,
        roster: &["ours", "rsync"],
        yardstick: Yardstick::RoundTrips { rtt_ms: RTT_MS },
    };
    measurement.run(args, &site, &verify)
}

struct Measurement {
    case: Case,
    source: PathBuf,
    /// The source in words.
    data: String,
    loss_percent: f64,
    roster: &'static [&'static str],
    yardstick: Yardstick,
}

impl Measurement {
    fn run(self, args: &Args, site: &Site, verify: &dyn Fn(&Path) -> Result<()>) -> Result<Report> {
        let network = Wan::up(self.network(args))?;
        let setting = format!("{}; {}", self.data, self.describe(&network)?);
        let place = Place::Wan(Box::new(network));
        let stage = Stage::new(args, site, &place, self.roster);
        let crew = stage.assemble();
        let mut report = Report::new(&stage, self.case.name(), setting);
        for direction in [Direction::Get, Direction::Put] {
            // Caches are warm after the check of the source, and the path keeps no memory of earlier connections.
            let (source, runs, cap) = (self.source.clone(), args.runs(), args.cap());
            let plan = Plan { direction, source, runs, warm_up: false, cap, verify, prepare: None };
            report.add(direction, rounds::in_turn(&stage, &crew, &plan), self.yardstick);
        }
        drop(crew);
        Ok(report.close(stage))
    }

    fn network(&self, args: &Args) -> WanOptions {
        WanOptions {
            rtt_ms: RTT_MS,
            rate_mbit: RATE_MBIT,
            loss_percent: self.loss_percent,
            congestion: Some(args.congestion.clone()),
            ..WanOptions::default()
        }
    }

    fn describe(&self, network: &Wan) -> Result<String> {
        let (a, b) = (network.congestion(Side::A)?, network.congestion(Side::B)?);
        let loss = self.loss_percent;
        Ok(format!("{RTT_MS} ms, {RATE_MBIT} Mbit/s, {loss} % loss, client {a}, server {b}"))
    }
}

const RTT_MS: f64 = 100.0;
const RATE_MBIT: f64 = 200.0;
