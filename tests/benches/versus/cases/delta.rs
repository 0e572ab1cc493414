//! `delta`: new versions of large files, over a network on which bytes count. The target has the old version.

use std::fs::{self, File, FileTimes};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use tests::wan::Random;

use super::MIB;
use super::thin::{RATE_MBIT, place};
use crate::args::{Args, Case};
use crate::contenders::Direction;
use crate::data;
use crate::report::{Report, Yardstick};
use crate::rounds::{self, Plan};
use crate::site::Site;
use crate::stage::Stage;

pub(super) fn delta(args: &Args) -> Result<Report> {
    let site = Site::in_memory()?;
    let setting = format!("new versions of large files; {RTT_MS} ms, {RATE_MBIT} Mbit/s");
    let place = place(args, RTT_MS)?;
    let stage = Stage::new(args, &site, &place, &["ours", "rsync", "rsync-z"]);
    let crew = stage.assemble();
    let mut report = Report::new(&stage, Case::Delta.name(), setting);
    let old = site.home().join("old");
    for version in [Version::Image, Version::Dump, Version::Log] {
        let source = site.source().join(version.title());
        version.write(&old, &source, if args.smoke { 8 * MIB } else { version.len() })?;
        let verify = rounds::same_file(&source)?;
        let prepare = |target: &Path| place_old(&old, target);
        for direction in [Direction::Put, Direction::Get] {
            let plan = Plan {
                direction,
                source: source.clone(),
                runs: args.runs(),
                warm_up: false,
                cap: args.cap(),
                verify: &verify,
                prepare: Some(&prepare),
            };
            let rows = rounds::in_turn(&stage, &crew, &plan);
            report.add_titled(version.title(), direction, rows, Yardstick::NetworkBytes);
        }
        fs::remove_file(&source)?;
    }
    drop(crew);
    Ok(report.close(stage))
}

/// A kind of large file, of which there are two versions.
#[derive(Clone, Copy)]
enum Version {
    /// A disk image: one page of a hundred is other.
    Image,
    /// A dump of a database, as lines of text: one line of a thousand is other, and as many are inserted.
    Dump,
    /// A log that has grown by 1.5 %.
    Log,
}

impl Version {
    fn title(self) -> &'static str {
        match self {
            Version::Image => "vm",
            Version::Dump => "sql",
            Version::Log => "log",
        }
    }

    fn len(self) -> u64 {
        match self {
            Version::Image => 1024 * MIB,
            Version::Dump | Version::Log => 500_000_000,
        }
    }

    /// Writes both versions, the old one of `len` bytes.
    fn write(self, old: &Path, new: &Path, len: u64) -> Result<()> {
        let mut files = [BufWriter::new(File::create(old)?), BufWriter::new(File::create(new)?)];
        let mut random = Random::new(data::SEED);
        let mut written = 0;
        while written < len {
            let [part, other] = [self.part(&mut random), self.part(&mut random)];
            written += part.len() as u64;
            files[0].write_all(&part)?;
            let chance = random.fraction();
            match self {
                Version::Image => files[1].write_all(if chance < 0.01 { &other } else { &part })?,
                Version::Dump if chance < 0.001 => files[1].write_all(&other)?,
                Version::Dump if chance < 0.002 => files[1].write_all(&[part, other].concat())?,
                Version::Dump | Version::Log => files[1].write_all(&part)?,
            }
        }
        let mut added = 0;
        while matches!(self, Version::Log) && added < len * 15 / 1000 {
            let part = self.part(&mut random);
            added += part.len() as u64;
            files[1].write_all(&part)?;
        }
        for file in files {
            file.into_inner()?.sync_all()?;
        }
        Ok(())
    }

    /// A page or a line. Pages are compressible to some 60 %, as those of programs are.
    fn part(self, random: &mut Random) -> Vec<u8> {
        match self {
            Version::Image => {
                let mut page = vec![0; 4096];
                page.chunks_mut(64).for_each(|line| random.fill(&mut line[..38]));
                page
            }
            Version::Dump => {
                let [id, price, hash, more] = [(); 4].map(|()| random.bits());
                let (id, price) = (id % 10_000_000, price % 1_000_000);
                format!(
                    "INSERT INTO orders VALUES ({id},'customer{}@example.org',{}.{:02},'{hash:016x}{more:016x}');\n",
                    id % 5000,
                    price / 100,
                    price % 100
                )
                .into_bytes()
            }
            Version::Log => {
                let [user, path, time] = [(); 3].map(|()| random.bits());
                format!(
                    "host{} app[{}]: GET /api/v1/items/{} 200 {} ms\n",
                    user % 8,
                    user % 9000,
                    path % 100_000,
                    time % 3000
                )
                .into_bytes()
            }
        }
    }
}

/// Puts the old version in place of the target; its time is older than the new one's.
fn place_old(old: &Path, target: &Path) -> Result<()> {
    fs::copy(old, target)?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    Ok(File::options().write(true).open(target)?.set_times(FileTimes::new().set_modified(time))?)
}

const RTT_MS: f64 = 20.0;
