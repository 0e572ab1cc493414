//! Large files that several runs write one after another.

use super::*;
use crate::journal::{JournalHead, decode_records, encode_record};
use std::os::unix::fs::FileExt;

/// A sink that keeps journals, and the file that is written.
fn kept() -> (TempDir, TreeSink, Announcement, OfferedItem) {
    let keeping = Keeping { key: JournalKey::new([1; 32]), origin: [2; 16], checksum: Checksum::Blake3 };
    let (root, sink) = sink(TreeSinkOptions { keeping: Some(keeping), ..options() });
    let size = 4 * CHUNK_LEN as u64;
    let large = Announcement { size: Some(size), ..announcement() };
    let metadata = Metadata { kind: Kind::File, size, modified: Timestamp::default(), mode: large.mode };
    let item = OfferedItem { path: large.path.clone(), metadata, source: large.source, changed: false };
    (root, sink, large, item)
}

/// Writes chunk `index`, each of whose bytes is its number from 1 on.
fn write_chunk(staged: &dyn Staged, index: u64) {
    let content = vec![index as u8 + 1; CHUNK_LEN];
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Among { index }, [&content[..]]);
    let (pieces, offset) = ([&content[..]], index * CHUNK_LEN as u64);
    staged.write(&VerifiedChunk::verify(Checksum::Blake3, offset, false, digest, &pieces).unwrap()).unwrap();
}

/// The next run's staged file, and the chunks that it has.
fn next_run(sink: &TreeSink, item: &OfferedItem) -> (Box<dyn Staged>, Vec<u64>) {
    let ResumeState::Partial(staged, chunks) = sink.look(item) else { panic!("there is nothing of it") };
    (staged, chunks.iter().map(|(chunk, _)| *chunk).collect())
}

/// Each run appends to the journal of the runs before it.
#[test]
fn each_run_goes_on_from_all_runs_before_it() {
    let (_root, sink, large, item) = kept();
    let mut staged = sink.stage(&large).unwrap();
    for index in 0..3 {
        write_chunk(&*staged, index);
        drop(staged);
        let (again, chunks) = next_run(&sink, &item);
        assert_eq!(chunks, (0..=index).collect::<Vec<_>>());
        staged = again;
    }
}

/// Chunks of an earlier run lie before and behind it.
#[test]
fn a_hole_clears_its_own_range_alone() {
    let (root, sink, large, item) = kept();
    let staged = sink.stage(&large).unwrap();
    [0, 2].into_iter().for_each(|index| write_chunk(&*staged, index));
    drop(staged);
    let (staged, chunks) = next_run(&sink, &item);
    assert_eq!(chunks, [0, 2]);
    staged.hole(CHUNK_LEN as u64, CHUNK_LEN as u64).unwrap();
    let part = names(&root).into_iter().find(|name| name.ends_with(".part")).unwrap();
    let content = std::fs::read(root.path().join(part)).unwrap();
    let expected = [1, 0, 3].map(|byte| vec![byte; CHUNK_LEN]).concat();
    assert!(content[..expected.len()] == expected);
}

/// Written data may be lost then, so each chunk is read before it counts.
#[test]
fn chunks_of_before_a_restart_count_if_they_are_intact() {
    let (root, sink, large, item) = kept();
    let staged = sink.stage(&large).unwrap();
    (0..3).for_each(|index| write_chunk(&*staged, index));
    drop(staged);
    let file = |suffix: &str| {
        let name = names(&root).into_iter().find(|name| name.ends_with(suffix)).unwrap();
        root.path().join(name)
    };
    let (key, journal) = (JournalKey::new([1; 32]), std::fs::read(file(".held")).unwrap());
    let head = JournalHead { boot: [9; 16], ..JournalHead::decode(&journal, &key).unwrap() }.encode(&key);
    let records = decode_records(&journal, &key);
    let records = records.iter().flat_map(|(chunk, digest)| encode_record(&key, &head, *chunk, *digest));
    std::fs::write(file(".held"), head.into_iter().chain(records).collect::<Vec<_>>()).unwrap();
    let damaged = std::fs::OpenOptions::new().write(true).open(file(".part")).unwrap();
    damaged.write_all_at(&[7], CHUNK_LEN as u64 + 5).unwrap();
    drop(damaged);
    assert_eq!(next_run(&sink, &item).1, [0, 2]);
    assert_eq!(next_run(&sink, &item).1, [0, 2], "the journal is one of this run now");
}
