//! The bodies of the fuzz targets, as ordinary functions: `tests/fuzz` feeds them generated input, and the test below the
//! inputs kept in `fixtures/fuzz/TARGET/`. Each takes any bytes; it must not panic, and accepted input must be written again
//! exactly as it was read.

mod delta;
mod files;
mod journal;
mod machine;
mod wire_bytes;

pub use delta::delta;
pub use files::{client_files, config, filter_rules, plan};
pub use journal::journal;
pub use machine::receiver;
pub use wire_bytes::{control_frame, lane_frame, remote_path, tls_record, url};

/// A fuzz target: its name, which is also that of its folder, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("client_files", client_files),
    ("config", config),
    ("control_frame", control_frame),
    ("delta", delta),
    ("filter_rules", filter_rules),
    ("journal", journal),
    ("lane_frame", lane_frame),
    ("plan", plan),
    ("receiver", receiver),
    ("remote_path", remote_path),
    ("tls_record", tls_record),
    ("url", url),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::TARGETS;
    use crate::wan::Random;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn corpus(target: &str) -> PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/fuzz")).join(target)
    }

    #[test]
    fn every_target_takes_what_was_kept_for_it_and_changed_copies_of_that() {
        for (name, body) in TARGETS {
            let kept: Vec<_> =
                fs::read_dir(corpus(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!kept.is_empty(), "nothing is kept for {name}");
            for path in kept {
                let shown = OnPanic(path.display().to_string());
                let bytes = fs::read(&path).unwrap();
                body(&bytes);
                let mut random = Random::new(bytes.len() as u64);
                for _ in 0..CHANGES {
                    body(&changed(&bytes, &mut random));
                }
                drop(shown);
            }
        }
    }

    #[test]
    fn every_folder_belongs_to_a_target() {
        for entry in fs::read_dir(corpus("")).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name:?}");
            let file =
                format!("{}/fuzz/fuzz_targets/{}.rs", env!("CARGO_MANIFEST_DIR"), name.to_str().unwrap());
            assert!(Path::new(&file).is_file(), "{file} is missing");
        }
    }

    /// Changes bytes in a reproducible way: flips one, leaves a part out, or doubles it.
    fn changed(bytes: &[u8], random: &mut Random) -> Vec<u8> {
        let mut copy = bytes.to_vec();
        let mut place = |len: usize| usize::try_from(random.bits() % (len as u64 + 1)).unwrap();
        let (from, to) = (place(copy.len()), place(copy.len()));
        let (from, to) = (from.min(to), from.max(to));
        match place(2) {
            0 => drop(copy.drain(from..to)),
            1 => copy.splice(to..to, bytes[from..to].iter().copied()).for_each(drop),
            _ => copy.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << place(7)),
        }
        copy
    }

    struct OnPanic(String);

    impl Drop for OnPanic {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("with {} or a changed copy of it", self.0);
            }
        }
    }

    const CHANGES: usize = 50;
}
