//! `tree`, `list` and `power`: many small files over loopback, from memory to memory or, synced, to a disk.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::LOCAL_CAP;
use crate::args::{Args, Case};
use crate::contenders::Direction;
use crate::data::{self, TreeSize};
use crate::place::Place;
use crate::report::{Report, Yardstick};
use crate::rounds::{self, Plan};
use crate::site::Site;
use crate::stage::Stage;

pub(super) fn tree(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let (source, kind) = make_source(args, &site)?;
    let verify = rounds::same_tree(&source)?;
    measure(args, Case::Tree, &site, (source, kind), &[Direction::Get, Direction::Put], &verify)
}

/// Few enough for tools that sync each file separately.
pub(super) fn power(args: &Args) -> Result<Report> {
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let site = Site::below(&folder)?;
    let source = site.source().join("tree");
    data::write_even(&source, 50, if args.smoke { 4 } else { 100 }, 4096)?;
    let verify = rounds::same_tree(&source)?;
    let directions = [Direction::Get, Direction::Put];
    measure(args, Case::Power, &site, (source, "generated"), &directions, &verify)
}

pub(super) fn list(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let (source, kind) = make_source(args, &site)?;
    let size = data::tree_size(&source)?;
    let verify = move |listing: &Path| names_all(listing, size);
    measure(args, Case::List, &site, (source, kind), &[Direction::List], &verify)
}

fn measure(
    args: &Args,
    case: Case,
    site: &Site,
    (source, kind): (PathBuf, &str),
    directions: &[Direction],
    verify: &dyn Fn(&Path) -> Result<()>,
) -> Result<Report> {
    let size = data::tree_size(&source)?;
    let stage = Stage::new(args, site, &Place::Loopback, &ROSTER);
    let crew = stage.assemble();
    let TreeSize { files, folders, bytes } = size;
    let place = if case == Case::Power { "on a disk, synced" } else { "in memory" };
    let setting = format!("{kind}: {files} files, {folders} folders, {bytes} bytes, {place}; loopback");
    let mut report = Report::new(&stage, case.name(), setting);
    for &direction in directions {
        let (source, runs) = (source.clone(), args.runs());
        let plan =
            Plan { direction, source, runs, warm_up: !args.smoke, cap: LOCAL_CAP, verify, prepare: None };
        report.add(direction, rounds::in_turn(&stage, &crew, &plan), Yardstick::Items(files));
    }
    drop(crew);
    Ok(report.close(stage))
}

/// The toolchain's documentation, or a tree of its shape.
pub(super) fn make_source(args: &Args, site: &Site) -> Result<(PathBuf, &'static str)> {
    let source = site.source().join("tree");
    if args.smoke {
        data::write_documentation_like(&source, 500, 20)?;
        return Ok((source, "generated"));
    }
    if let Some(documentation) = data::toolchain_documentation() {
        data::copy_tree(&documentation, &source)?;
        return Ok((source, "HTML documentation of Rust"));
    }
    data::write_documentation_like(&source, 52_000, 2_000)?;
    Ok((source, "generated"))
}

/// Every format of a listing has at least a line for each entry.
fn names_all(listing: &Path, size: TreeSize) -> Result<()> {
    let lines = BufReader::new(File::open(listing)?).split(b'\n').count() as u64;
    let entries = size.files + size.folders;
    ensure!(lines >= entries, "{lines} lines for {entries} entries");
    Ok(())
}

const ROSTER: [&str; 4] = ["ours", "cp", "rsync", "rsync-ssh"];
