//! `mirror`, `million` and `unchanged-trips`: the cost of a mirror with everything, little or nothing to do.
//!
//! Before each run, outside of its time, the target is put into the same state: missing, equal to the source, or equal except
//! for every hundredth file.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use tests::wan::{Side, Wan, WanOptions};

use super::LOCAL_CAP;
use super::tree::make_source;
use crate::args::{Args, Case};
use crate::contenders::Direction;
use crate::data::{self, TreeSize};
use crate::place::Place;
use crate::report::{Report, Yardstick};
use crate::rounds::{self, Plan};
use crate::site::Site;
use crate::stage::Stage;

pub(super) fn mirror(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let (source, kind) = make_source(args, &site)?;
    let size = data::tree_size(&source)?;
    let TreeSize { files, folders, bytes } = size;
    let setting = format!("{kind}: {files} files, {folders} folders, {bytes} bytes, in memory; loopback");
    let works = [Work::Nothing, Work::Hundredth, Work::All];
    Measurement { case: Case::Mirror, site: &site, source, setting, place: Place::Loopback, works: &works }
        .run(args, |_| Yardstick::Items(files))
}

pub(super) fn million(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let source = site.source().join("tree");
    let (folders, files) = if args.smoke { (10, 50) } else { (1000, 1000) };
    data::write_even(&source, folders, files, 0)?;
    let count = u64::from(folders * files);
    let setting = format!("{count} empty files in {folders} folders, in memory; loopback");
    let works = [Work::Nothing];
    Measurement { case: Case::Million, site: &site, source, setting, place: Place::Loopback, works: &works }
        .run(args, |_| Yardstick::Items(count))
}

pub(super) fn trips(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let source = site.source().join("tree");
    data::write_even(&source, 20, 50, 4096)?;
    let network = Wan::up(WanOptions {
        rtt_ms: RTT_MS,
        rate_mbit: RATE_MBIT,
        loss_percent: 0.0,
        congestion: Some(args.congestion.clone()),
        ..WanOptions::default()
    })?;
    let congestion = network.congestion(Side::A)?;
    let setting =
        format!("1,000 files of 4 KiB in 20 folders; {RTT_MS} ms, {RATE_MBIT} Mbit/s, {congestion}");
    let (place, works) = (Place::Wan(Box::new(network)), [Work::Nothing]);
    Measurement { case: Case::MirrorTrips, site: &site, source, setting, place, works: &works }
        .run(args, |_| Yardstick::RoundTrips { rtt_ms: RTT_MS })
}

/// The work to do.
#[derive(Clone, Copy)]
enum Work {
    Nothing,
    Hundredth,
    All,
}

impl Work {
    fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing changed",
            Self::Hundredth => "1 % changed",
            Self::All => "first run",
        }
    }

    /// Brings the target into its state.
    fn prepare(self, source: &Path, target: &Path) -> Result<()> {
        match self {
            Self::All if target.exists() => {
                fs::remove_dir_all(target).with_context(|| format!("clearing {}", target.display()))
            }
            Self::All => Ok(()),
            Self::Nothing => fill(source, target),
            Self::Hundredth => {
                fill(source, target)?;
                change_hundredth(target)
            }
        }
    }
}

/// Makes the target equal to the source, if it does not exist.
fn fill(source: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        return Ok(());
    }
    let status = Command::new("cp").arg("-a").arg(source).arg(target).status().context("running cp")?;
    ensure!(status.success(), "copying {} failed", source.display());
    Ok(())
}

/// Makes every hundredth file older and longer by a byte.
fn change_hundredth(root: &Path) -> Result<()> {
    let (mut waiting, mut number) = (vec![root.to_owned()], 0_u64);
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
                continue;
            }
            number += 1;
            if number.is_multiple_of(100) {
                let mut file = File::options().append(true).open(entry.path())?;
                file.write_all(b"x")?;
                file.set_times(FileTimes::new().set_modified(old))?;
            }
        }
    }
    Ok(())
}

struct Measurement<'a> {
    case: Case,
    site: &'a Site,
    source: PathBuf,
    setting: String,
    place: Place,
    works: &'a [Work],
}

impl Measurement<'_> {
    fn run(self, args: &Args, yardstick: impl Fn(Work) -> Yardstick) -> Result<Report> {
        let verify = rounds::same_tree(&self.source)?;
        let stage = Stage::new(args, self.site, &self.place, &["ours", "rsync"]);
        let crew = stage.assemble();
        let mut report = Report::new(&stage, self.case.name(), self.setting);
        for work in self.works {
            for direction in [Direction::MirrorDown, Direction::MirrorUp] {
                let prepare = |target: &Path| work.prepare(&self.source, target);
                let plan = Plan {
                    direction,
                    source: self.source.clone(),
                    runs: args.runs(),
                    warm_up: !args.smoke,
                    cap: LOCAL_CAP,
                    verify: &verify,
                    prepare: Some(&prepare),
                };
                let rows = rounds::in_turn(&stage, &crew, &plan);
                report.add_titled(work.title(), direction, rows, yardstick(*work));
            }
        }
        drop(crew);
        Ok(report.close(stage))
    }
}

const RTT_MS: f64 = 100.0;
const RATE_MBIT: f64 = 200.0;
