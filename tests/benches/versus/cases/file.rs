//! `big`: one file over loopback, from the page cache to a disk.

use std::path::PathBuf;

use anyhow::Result;
use tests::wan::Random;

use super::{LOCAL_CAP, MIB};
use crate::args::{Args, Case};
use crate::contenders::Direction;
use crate::data;
use crate::place::Place;
use crate::report::{Report, Yardstick};
use crate::rounds::{self, Plan};
use crate::site::Site;
use crate::stage::Stage;

pub(super) fn big(args: &Args) -> Result<Report> {
    let bytes = if args.smoke { 16 * MIB } else { 1024 * MIB };
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let site = Site::below(&folder)?;
    let source = site.source().join("big");
    data::write_file(&source, bytes, &mut Random::new(data::SEED))?;
    let verify = rounds::same_file(&source)?;

    let stage = Stage::new(args, &site, &Place::Loopback, &ROSTER);
    let crew = stage.assemble();
    let setting =
        format!("one file of {} MiB from the page cache to {}; loopback", bytes / MIB, folder.display());
    let mut report = Report::new(&stage, Case::Big.name(), setting);
    for direction in [Direction::Get, Direction::Put] {
        let plan = Plan {
            direction,
            source: source.clone(),
            runs: args.runs(),
            warm_up: !args.smoke,
            cap: LOCAL_CAP,
            verify: &verify,
            prepare: None,
        };
        report.add(direction, rounds::in_turn(&stage, &crew, &plan), Yardstick::Throughput(bytes));
    }
    drop(crew);
    Ok(report.close(stage))
}

const ROSTER: [&str; 10] = [
    "ours",
    "ours-sha256",
    "cp",
    "rsync",
    "rsync-ssh",
    "scp",
    "ftp-curl",
    "ftp-lftp",
    "http-curl",
    "https-curl",
];
