//! `text` and `start`: over networks on which bytes and round trips count.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tests::wan::{Random, Wan, WanOptions};

use crate::args::{Args, Case};
use crate::contenders::Direction;
use crate::data;
use crate::place::Place;
use crate::report::{Report, Yardstick};
use crate::rounds::{self, Plan};
use crate::site::Site;
use crate::stage::Stage;

pub(super) fn text(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let source = site.source().join("tree");
    data::write_texts(&source, if args.smoke { 200 } else { 9_000 })?;
    let bytes = data::tree_size(&source)?.bytes;
    let verify = rounds::same_tree(&source)?;
    let setting = format!("9,000 files of text, {bytes} bytes; 50 ms, {RATE_MBIT} Mbit/s");
    let place = place(args, 50.0)?;
    let stage = Stage::new(args, &site, &place, &["ours", "rsync", "rsync-z"]);
    let crew = stage.assemble();
    let mut report = Report::new(&stage, Case::Text.name(), setting);
    for direction in [Direction::Get, Direction::Put] {
        let plan = plan(args, direction, &source, &verify);
        report.add(direction, rounds::in_turn(&stage, &crew, &plan), Yardstick::NetworkBytes);
    }
    drop(crew);
    Ok(report.close(stage))
}

pub(super) fn start(args: &Args) -> Result<Report> {
    let mut report = None;
    for (title, rtt_ms) in [("20 ms", 20.0), ("100 ms", 100.0)] {
        let site = Site::in_memory()?;
        let source = site.source().join("small");
        data::write_file(&source, 4096, &mut Random::new(data::SEED))?;
        let verify = rounds::same_file(&source)?;
        let place = place(args, rtt_ms)?;
        let stage = Stage::new(args, &site, &place, &["ours", "rsync", "scp", "rsync-ssh"]);
        let setting = format!("one file of 4 KiB; {RATE_MBIT} Mbit/s");
        let mut this = report.take().unwrap_or_else(|| Report::new(&stage, Case::Start.name(), setting));
        let crew = stage.assemble();
        for direction in [Direction::Get, Direction::Put] {
            let plan = plan(args, direction, &source, &verify);
            let rows = rounds::in_turn(&stage, &crew, &plan);
            this.add_titled(title, direction, rows, Yardstick::RoundTrips { rtt_ms });
        }
        drop(crew);
        this.include(stage);
        report = Some(this);
    }
    report.map(Report::closed).context("no network was measured")
}

/// A network of this round trip, without loss.
pub(super) fn place(args: &Args, rtt_ms: f64) -> Result<Place> {
    let options = WanOptions {
        rtt_ms,
        rate_mbit: RATE_MBIT,
        loss_percent: 0.0,
        congestion: Some(args.congestion.clone()),
        ..WanOptions::default()
    };
    Ok(Place::Wan(Box::new(Wan::up(options)?)))
}

fn plan<'a>(
    args: &Args,
    direction: Direction,
    source: &Path,
    verify: &'a dyn Fn(&Path) -> Result<()>,
) -> Plan<'a> {
    let (source, runs, cap): (PathBuf, _, _) = (source.to_owned(), args.runs(), args.cap());
    Plan { direction, source, runs, warm_up: false, cap, verify, prepare: None }
}

pub(super) const RATE_MBIT: f64 = 100.0;
