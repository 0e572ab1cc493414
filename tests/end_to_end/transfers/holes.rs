//! `-S`: holes of a file are neither read nor sent, and become holes at the target.

use crate::mirrors::{Mirror, WAYS};
use crate::support::{content, event};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

const MIB: u64 = 1 << 20;

/// Offsets and lengths of a file's data.
type Data<'a> = &'a [(u64, usize)];

/// Makes a file of this length with data in these places.
fn sparse(path: &Path, len: u64, data: Data<'_>) {
    let file = File::create(path).unwrap();
    file.set_len(len).unwrap();
    for (offset, len) in data {
        file.write_all_at(&content(*offset, *len), *offset).unwrap();
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let (one, other) = (File::open(one).unwrap(), File::open(other).unwrap());
    let len = one.metadata().unwrap().len();
    let (mut left, mut right) = (vec![0; MIB as usize], vec![0; MIB as usize]);
    len == other.metadata().unwrap().len()
        && (0..len).step_by(MIB as usize).all(|offset| {
            let part = (len - offset).min(MIB) as usize;
            one.read_exact_at(&mut left[..part], offset).unwrap();
            other.read_exact_at(&mut right[..part], offset).unwrap();
            left[..part] == right[..part]
        })
}

#[test]
fn holes_cost_nothing() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let files: [(&str, u64, Data<'_>); 5] = [
            ("begins", 60 * MIB, &[(0, 100)]),
            ("between", 60 * MIB + 7, &[(20 * MIB + 1000, 1_000_000)]),
            ("ends", 60 * MIB, &[(60 * MIB - 5, 5)]),
            ("nothing", 200 * MIB + 12_345, &[]),
            ("short", 400_000, &[]),
        ];
        for (name, len, data) in files {
            sparse(&mirror.source().join(name), len, data);
        }
        if fs::metadata(mirror.source().join("nothing")).unwrap().blocks() > 1000 {
            eprintln!("skipped: this filesystem has no holes");
            return;
        }
        let finished = event(&mirror.check(["-S", "--json"]), "finished");
        assert!(finished["bytes_transferred"].as_u64().unwrap() < 5 * MIB, "{finished}");
        for (name, ..) in files {
            let target = mirror.target().join(name);
            assert!(same(&mirror.source().join(name), &target), "{way:?} {name}");
            let blocks = fs::metadata(&target).unwrap().blocks();
            assert!(blocks * 512 < 3 * MIB, "{way:?} {name}: {blocks} blocks");
        }
        assert_eq!(mirror.check(["-S", "-n"]).text(), "", "what a second run would do");
    }
}

#[test]
fn a_file_of_a_tebibyte_of_nothing_is_a_matter_of_a_moment() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        sparse(&mirror.source().join("disk"), 1 << 40, &[(1 << 39, 10)]);
        let began = std::time::Instant::now();
        mirror.check(["-S"]);
        let metadata = fs::metadata(mirror.target().join("disk")).unwrap();
        assert_eq!(metadata.size(), 1 << 40);
        assert!(began.elapsed().as_secs() < 60, "{:?}: on a busy machine too", began.elapsed());
        let mut data = [0; 10];
        File::open(mirror.target().join("disk")).unwrap().read_exact_at(&mut data, 1 << 39).unwrap();
        assert_eq!(data[..], content(1 << 39, 10)[..]);
    }
}
