//! Finds the limit of transfers with a server: measures each stage by itself and all of them together.
//!
//! | measured | how |
//! |---|---|
//! | round trip | pings, answered by the server's program |
//! | upload, download | content that is made up here goes there, and comes back to be thrown away: no disk of this machine takes part |
//! | disks, writing | the time that `fsync` takes after all is written: here by itself, there as what to survive a loss of power costs |
//! | disk here, reading | the same file, after the system dropped it from its cache |
//! | hash | one thread, from memory; there it reads the file too, which it has just written |
//! | cipher | one thread, what protects the lanes |
//!
//! Where the user may remove, one file is made on the server, and removed in the end. Where they may only add, the upload is
//! broken off before its end, so that no name is ever given. Where they may only read, a file that is there is fetched.

mod bottleneck;
mod this_machine;
mod transfer;

pub use bottleneck::{Culprit, Savings, TransferBottleneck, TransferDirection, bottleneck};

use crate::error::Error;
use crate::local;
use crate::session::Session;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::checksum::Checksum;
use wire::command::Needs;
use wire::message::{Entry, FollowLinks, Space};
use wire::metadata::Kind;
use wire::{FailureCode, RemotePath};

/// Bytes per second, or why it was not measured.
pub type Measured = Result<u64, String>;

/// How much is measured.
#[derive(Debug, Clone)]
pub struct MeasurementBounds {
    /// About how long a measurement takes.
    pub time: Duration,
    /// Most bytes that an upload moves.
    pub bytes_max: u64,
    /// The folder whose disk is measured here.
    pub folder: PathBuf,
}

/// The measurements.
#[derive(Debug, Clone)]
pub struct Measurements {
    /// The shortest round trip.
    pub round_trip_min: Duration,
    /// The one in the middle.
    pub round_trip_median: Duration,
    /// The checksum of the session.
    pub checksum: Checksum,
    /// To the server.
    pub upload: DirectionRates,
    /// From the server.
    pub download: DirectionRates,
    /// This machine by itself.
    pub here: LocalMeasurements,
    /// The server by itself.
    pub server: ServerMeasurements,
    /// `--limit-rate`; 0 for none.
    pub rate_limit: u64,
}

/// Rates in one direction.
#[derive(Debug, Clone)]
pub struct DirectionRates {
    /// Over as many lanes as a transfer would have.
    pub lanes: Measured,
    /// Over one.
    pub one_lane: Measured,
    /// How busy this machine's processors were meanwhile, in percent.
    pub busy: Option<u8>,
}

/// Measurements of this machine by itself.
#[derive(Debug, Clone)]
pub struct LocalMeasurements {
    /// The disk, writing.
    pub disk_write: Measured,
    /// The disk, reading.
    pub disk_read: Measured,
    /// The checksum, on one processor.
    pub hash: Measured,
    /// Encryption, on one processor.
    pub cipher: Measured,
}

/// Measurements of the server by itself.
#[derive(Debug, Clone)]
pub struct ServerMeasurements {
    /// The disk, writing.
    pub disk_write: Measured,
    /// Reading a file that it has in memory, and the checksum, on one processor.
    pub hash: Measured,
}

/// Measures. `tell` hears what comes next.
///
/// # Errors
/// If `path` does not exist, no content can be moved where that is allowed, or the connection is lost.
pub async fn examine(
    session: &Session,
    path: &RemotePath,
    bounds: &MeasurementBounds,
    tell: impl Fn(&str),
) -> Result<Measurements, Error> {
    let access = session.welcome().await?.access;
    let target = look(session, path, Needs::See.met_by(access)).await?;
    tell("the round trip");
    let (round_trip_min, round_trip_median) = round_trips(session, bounds.time).await?;
    tell("this machine");
    let (own, checksum, cipher) = (bounds.clone(), session.checksum(), session.inner.cipher);
    let here = local::blocking(move || Ok(this_machine::measure(&own, checksum, cipher))).await?;
    let alone = match session.beside(1).await {
        Err(error @ Error::LoginRefused { .. }) => Err(error.to_string()), // as with a token that is good for one login
        session => Ok(session?),
    };
    let moving = TransferProbe { session, alone, bounds, tell: &tell };
    let upload = match target {
        PathKind::Folder if Needs::Add.met_by(access) => moving.upload(path).await?,
        PathKind::Folder => DirectionRates::skipped("this user may not add files"),
        PathKind::File(_) => DirectionRates::skipped("the path is a file"),
    };
    let made = match &upload.lanes {
        Ok(rate) if Needs::Remove.met_by(access) => Ok(moving.make(path, *rate).await?),
        Ok(_) => Err("this user may not remove what was sent".to_owned()),
        Err(reason) => Err(reason.clone()),
    };
    let sample = match (target, &made) {
        (PathKind::File(size), _) => Ok(Sample { path: path.clone(), size }),
        (PathKind::Folder, Ok((sample, _))) => Ok(sample.clone()),
        (PathKind::Folder, Err(_)) if Needs::See.met_by(access) => largest(session, path).await?,
        (PathKind::Folder, Err(_)) => Err("this user may not read".to_owned()),
    };
    let (download, hash) = match &sample {
        Ok(sample) => {
            (moving.download(&sample.path).await?, moving.hash(sample, bounds, round_trip_min).await?)
        }
        Err(reason) => (DirectionRates::skipped(reason), Err(reason.clone())),
    };
    if let Ok((sample, _)) = &made {
        session.remove_temp_file(&sample.path).await?;
    }
    if let Ok(alone) = &moving.alone {
        alone.close().await;
    }
    let server = ServerMeasurements { disk_write: made.map(|(_, rate)| rate), hash };
    let rate_limit = session.inner.rate_limit;
    Ok(Measurements {
        round_trip_min,
        round_trip_median,
        checksum,
        upload,
        download,
        here,
        server,
        rate_limit,
    })
}

impl DirectionRates {
    fn skipped(reason: &str) -> Self {
        Self { lanes: Err(reason.to_owned()), one_lane: Err(reason.to_owned()), busy: None }
    }
}

/// The kind of a path.
#[derive(Clone, Copy)]
enum PathKind {
    Folder,
    /// A file of this size.
    File(u64),
}

/// A file on the server that is fetched.
#[derive(Clone)]
struct Sample {
    path: RemotePath,
    size: u64,
}

/// Moves content both ways.
struct TransferProbe<'a> {
    session: &'a Session,
    /// Another session, with one lane.
    alone: Result<Session, String>,
    bounds: &'a MeasurementBounds,
    tell: &'a dyn Fn(&str),
}

impl TransferProbe<'_> {
    /// Uploads that break off before their end.
    async fn upload(&self, folder: &RemotePath) -> Result<DirectionRates, Error> {
        (self.tell)("uploads");
        let bytes_max = match self.session.call(Space { path: folder.clone() }).await {
            Ok(space) if space.available / SPACE_SHARE < SAMPLE_LEN_MIN => {
                return Ok(DirectionRates::skipped("there is hardly any space left at the server"));
            }
            Ok(space) => self.bounds.bytes_max.min(space.available / SPACE_SHARE),
            Err(error) if error.concerns_one_item() => self.bounds.bytes_max,
            Err(error) => return Err(error),
        };
        let send = async |session| {
            transfer::send_some(session, &temp_file_path(folder)?, bytes_max, self.bounds.time).await
        };
        let before = this_machine::Busy::now();
        let lanes = send(self.session).await?;
        let busy = before.until_now();
        let one_lane = match &self.alone {
            Ok(alone) => send(alone).await?,
            Err(reason) => Err(reason.clone()),
        };
        Ok(DirectionRates { lanes, one_lane, busy })
    }

    /// Makes a file that is there until the session ends. Tells how fast the server's disk takes one, which is what it costs
    /// beyond the time of the same without a sync.
    async fn make(&self, folder: &RemotePath, rate: u64) -> Result<(Sample, u64), Error> {
        (self.tell)("the server's disk");
        let in_time = u128::from(rate) * self.bounds.time.as_millis() / 1000;
        let size_max = SAMPLE_LEN_MAX.min(self.bounds.bytes_max).max(SAMPLE_LEN_MIN);
        let size = u64::try_from(in_time).unwrap_or(size_max).clamp(SAMPLE_LEN_MIN, size_max);
        let [plain, durable] = [temp_file_path(folder)?, temp_file_path(folder)?];
        self.session.add_temp_file(&plain);
        let without = transfer::send_all(self.session, &plain, size, false).await?;
        self.session.add_temp_file(&durable);
        let with = transfer::send_all(self.session, &durable, size, true).await?;
        self.session.remove_temp_file(&durable).await?;
        let sync = with.saturating_sub(without).max(SYNC_TIME_MIN);
        Ok((Sample { path: plain, size }, transfer::rate(size, sync)))
    }

    async fn download(&self, path: &RemotePath) -> Result<DirectionRates, Error> {
        (self.tell)("downloads");
        let before = this_machine::Busy::now();
        let lanes = transfer::fetch(self.session, path, self.bounds.time).await?;
        let busy = before.until_now();
        let one_lane = match &self.alone {
            Ok(alone) => transfer::fetch(alone, path, self.bounds.time).await?,
            Err(reason) => Err(reason.clone()),
        };
        Ok(DirectionRates { lanes, one_lane, busy })
    }

    /// Has the server hash a file.
    async fn hash(
        &self,
        sample: &Sample,
        bounds: &MeasurementBounds,
        round_trip: Duration,
    ) -> Result<Measured, Error> {
        (self.tell)("the server's hash");
        if sample.size > bounds.bytes_max {
            return Ok(Err("the file is larger than --size".to_owned()));
        }
        let Some((folder, name)) = sample.path.split_last() else { return Ok(Err("no file".to_owned())) };
        let name = RemotePath::root().join(&name).map_err(|error| Error::remote(&sample.path, error))?;
        let begin = Instant::now();
        let digests =
            self.session.digests(&folder, self.session.checksum(), vec![name], FollowLinks::Never).await?;
        let took = begin.elapsed().saturating_sub(round_trip);
        match digests[..] {
            [Some(_)] => Ok(Ok(transfer::rate(sample.size, took))),
            _ => Ok(Err("the file cannot be read".to_owned())),
        }
    }
}

/// The shortest and the one in the middle.
async fn round_trips(session: &Session, time: Duration) -> Result<(Duration, Duration), Error> {
    let (begin, mut times) = (Instant::now(), vec![session.ping().await?]);
    while times.len() < PINGS_MAX && begin.elapsed() < time {
        times.push(session.ping().await?);
    }
    times.sort();
    Ok((times[0], times[times.len() / 2]))
}

/// The root is a folder; who may not look is believed to mean one.
async fn look(session: &Session, path: &RemotePath, may_see: bool) -> Result<PathKind, Error> {
    if path.is_root() || !may_see {
        return Ok(PathKind::Folder);
    }
    let metadata = session.stat(path, true).await?.metadata;
    match metadata.kind {
        Kind::Folder => Ok(PathKind::Folder),
        Kind::File => Ok(PathKind::File(metadata.size)),
        Kind::Symlink | Kind::Special => Err(Error::remote(path, FailureCode::SpecialFile)),
    }
}

/// The largest file of a folder.
async fn largest(session: &Session, folder: &RemotePath) -> Result<Result<Sample, String>, Error> {
    let mut pages = session.list(folder, false).await?;
    let mut found: Option<Entry> = None;
    while let Some(page) = pages.next().await? {
        let files = page.entries.into_iter().filter(|entry| entry.metadata.kind == Kind::File);
        found = files.chain(found).max_by_key(|entry| entry.metadata.size);
    }
    Ok(match found.filter(|entry| entry.metadata.size >= SAMPLE_LEN_MIN) {
        Some(Entry { path, metadata, .. }) => {
            let path = folder.join_path(&path).map_err(|error| Error::remote(folder, error))?;
            Ok(Sample { path, size: metadata.size })
        }
        None => Err("there is no file of 2 MiB or more to fetch".to_owned()),
    })
}

/// A hidden name that no other file has.
fn temp_file_path(folder: &RemotePath) -> Result<RemotePath, Error> {
    let number = getrandom::u64()
        .map_err(|error| Error::local(Path::new("random numbers"), io::Error::from(error)))?;
    let name = format!(".ftp-client-doctor-{number:016x}");
    let path = RemotePath::from_user(name.as_bytes()).and_then(|name| folder.join_path(&name));
    path.map_err(|error| Error::remote(folder, error))
}

const PINGS_MAX: usize = 20;
/// The part of the free space that an upload may fill.
const SPACE_SHARE: u64 = 8;
/// Less is over before it can be measured.
const SAMPLE_LEN_MIN: u64 = 2 << 20;
/// A disk that takes this in no time is not what limits.
const SAMPLE_LEN_MAX: u64 = 64 << 20;
/// Below this the clock is too coarse.
const SYNC_TIME_MIN: Duration = Duration::from_millis(1);
