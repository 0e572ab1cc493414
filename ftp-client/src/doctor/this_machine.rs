//! Measures this machine by itself.

use super::{LocalMeasurements, Measured, MeasurementBounds, transfer::rate};
use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use rustix::fs::{Advice, fadvise};
use rustls::CipherSuite;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use wire::checksum::{Checksum, ChunkPlace};
use wire::limits::CHUNK_LEN;
use wire::transport::tls_tcp::record::RECORD_CONTENT_MAX;

/// Measures; blocks.
pub(super) fn measure(
    bounds: &MeasurementBounds,
    checksum: Checksum,
    cipher: Option<CipherSuite>,
) -> LocalMeasurements {
    let (disk_write, disk_read) = match disk(&bounds.folder, bounds) {
        Ok((write, read)) => (Ok(write), Ok(read)),
        Err(error) => {
            let reason = format!("{}: {error}", crate::Error::shown_path(&bounds.folder));
            (Err(reason.clone()), Err(reason))
        }
    };
    let time = bounds.time.min(COMPUTING_TIME_MAX);
    LocalMeasurements { disk_write, disk_read, hash: Ok(hash(checksum, time)), cipher: seal(cipher, time) }
}

/// Writes a file that has no name any more and syncs it; reads it after the system has forgotten it.
fn disk(folder: &Path, bounds: &MeasurementBounds) -> io::Result<(u64, u64)> {
    let mut file = nameless(folder)?;
    let mut block = vec![0; CHUNK_LEN];
    getrandom::fill(&mut block)?;
    let (begin, mut written) = (Instant::now(), 0);
    while written < bounds.bytes_max.min(DISK_LEN_MAX) && begin.elapsed() < bounds.time {
        file.write_all(&block)?;
        written += block.len() as u64;
    }
    file.sync_all()?;
    let write = rate(written, begin.elapsed());
    fadvise(&file, 0, None, Advice::DontNeed)?;
    file.rewind()?;
    let (begin, mut read) = (Instant::now(), 0);
    while begin.elapsed() < bounds.time {
        match file.read(&mut block)? {
            0 => break,
            len => read += len as u64,
        }
    }
    Ok((write, rate(read, begin.elapsed())))
}

/// Opens a file without a name, so that no file stays however the program ends.
fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!(".ftp-client-doctor-{:016x}", getrandom::u64()?));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn hash(checksum: Checksum, time: Duration) -> u64 {
    let chunk = vec![5; CHUNK_LEN];
    repeat(CHUNK_LEN, time, || {
        std::hint::black_box(
            checksum.of_chunk(ChunkPlace::Among { index: 3 }, chunk.chunks(RECORD_CONTENT_MAX)),
        );
    })
}

fn seal(cipher: Option<CipherSuite>, time: Duration) -> Measured {
    let algorithm = match cipher {
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => &AES_128_GCM,
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => &AES_256_GCM,
        _ => &CHACHA20_POLY1305,
    };
    let broken = |_| "the cipher does not work".to_owned();
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).map_err(broken)?);
    let mut record = vec![5; RECORD_CONTENT_MAX];
    let mut result = Ok(());
    // A key for nobody, so the nonce may be the same each time.
    let rate = repeat(record.len(), time, || {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let sealed = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut record);
        result = result.and(sealed.map(|_| ()));
    });
    result.map_err(broken).map(|()| rate)
}

fn repeat(len: usize, time: Duration, mut work: impl FnMut()) -> u64 {
    let (begin, mut bytes) = (Instant::now(), 0);
    while bytes == 0 || begin.elapsed() < time {
        work();
        bytes += len as u64;
    }
    rate(bytes, begin.elapsed())
}

/// How much all processors of this machine have worked so far.
pub(super) struct Busy(Option<(u64, u64)>);

impl Busy {
    pub(super) fn now() -> Self {
        Self(fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text)))
    }

    /// The share of the time since then in which they worked, in percent.
    pub(super) fn until_now(&self) -> Option<u8> {
        let ((idle, all), (idle_now, all_now)) = (self.0?, Self::now().0?);
        let all = all_now.checked_sub(all).filter(|all| *all > 0)?;
        let worked = all.saturating_sub(idle_now.saturating_sub(idle));
        u8::try_from(worked * 100 / all).ok()
    }
}

/// Ticks without work, and all: the first line of `/proc/stat`, `cpu user nice system idle iowait irq …`.
fn ticks(text: &str) -> Option<(u64, u64)> {
    let numbers = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let numbers: Vec<u64> = numbers.take(TICKS).map(|number| number.parse().ok()).collect::<Option<_>>()?;
    Some((numbers.get(3)? + numbers.get(4)?, numbers.iter().sum()))
}

/// The longest file of the disk's measurement.
const DISK_LEN_MAX: u64 = 256 << 20;
/// The memory's content does not get more different with time.
const COMPUTING_TIME_MAX: Duration = Duration::from_millis(250);
/// user to steal; the guests' are part of these.
const TICKS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_counts() {
        assert_eq!(ticks("cpu  10 1 5 80 4 0 0 0 7 7\ncpu0 1 1\n"), Some((84, 100)));
        assert_eq!(ticks("cpu0 1 2\n"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn a_folder_that_is_none_is_told_of() {
        let (time, bytes_max) = (Duration::from_millis(20), 1 << 20);
        let measure = |folder: &Path| {
            let bounds = MeasurementBounds { time, bytes_max, folder: folder.to_owned() };
            measure(&bounds, Checksum::Blake3, Some(CipherSuite::TLS13_AES_128_GCM_SHA256))
        };
        let folder = tempfile::tempdir().unwrap();
        let here = measure(folder.path());
        assert!([here.disk_write, here.disk_read, here.hash, here.cipher].iter().all(Result::is_ok));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(measure(Path::new("/nowhere")).disk_write.unwrap_err().starts_with("/nowhere: "));
    }
}
