//! Recipes and requests for signatures by hand: what may be copied is, and whatever else is refused or costs sending a chunk whole.

use crate::in_process::receiving_end::{ReceivingEnd, end_of};
use crate::support::content;
use crate::support::fake_frames::Frames;
use std::fs;
use wire::RemotePath;
use wire::control::Envelope;
use wire::delta::recipe::{Step, encode};
use wire::engine::LaneEnd;
use wire::features::Features;
use wire::ids::{FileNo, FrameNo};
use wire::limits::{CHUNK_LEN, OLD_FILES_MAX, RECIPE_MISMATCHES_MAX, SIGNATURE_REQUESTS_MAX};
use wire::message::{
    FineCut, FineRun, Message, SignatureAnswer, SignatureRequest, Signatures, WantedSignatures,
};

const CHUNK: u64 = CHUNK_LEN as u64;
const OLD_LEN: usize = 600_000;

/// A receiving end of a session with deltas, with the old file `a`.
async fn agreed() -> ReceivingEnd {
    let end = ReceivingEnd::requested();
    end.exchange.agree(Features::KNOWN);
    drop(end.run().await);
    fs::write(end.path("a"), content(1, OLD_LEN)).unwrap();
    end
}

fn request(file: u32, wanted: WantedSignatures) -> SignatureRequest {
    SignatureRequest { file: FileNo(file), wanted }
}

fn first(file: u32, path: &str) -> SignatureRequest {
    request(file, WantedSignatures::First { path: RemotePath::from_wire(path.as_bytes()).unwrap() })
}

async fn answer(end: &mut ReceivingEnd, request: SignatureRequest) -> SignatureAnswer {
    let file = request.file;
    end.tell(request);
    match end.next_message().await {
        Message::Signatures(Signatures { file: of, answer }) if of == file => answer,
        other => panic!("{other:?}"),
    }
}

/// A chunk whose middle is new, and its recipe.
fn changed() -> (Vec<u8>, Vec<u8>) {
    let mut chunk = content(1, CHUNK_LEN);
    chunk[1000..1003].copy_from_slice(b"new");
    let steps = [
        Step::Copy { offset: 0, len: 1000 },
        Step::Literal { len: 3 },
        Step::Copy { offset: 1003, len: CHUNK_LEN - 1003 },
    ];
    (chunk, [&encode(&steps, 0).unwrap()[..], b"new"].concat())
}

fn block(frames: Frames, chunk: &[u8]) -> Vec<u8> {
    frames.block(0, "a", Some(CHUNK), 0, true, chunk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_is_made_of_the_old_file() {
    let mut end = agreed().await;
    let old = answer(&mut end, first(0, "a")).await;
    assert!(
        matches!(old, SignatureAnswer::First { len, more: false, .. } if len == OLD_LEN as u64),
        "{old:?}"
    );
    let (frames, (mut lane, _ended), (chunk, recipe)) = (end.frames, end.lane(1), changed());
    lane.send(&Frames::recipe(&block(frames, &chunk), &Frames::zstd_of(&recipe))).await;
    lane.send(&frames.seal(1, "a", CHUNK, frames.root(&chunk))).await;
    let mut done = 0;
    while done < 2 {
        let ack = end.next_ack().await;
        assert!(ack.failed.is_empty() && ack.damaged.is_empty(), "{ack:?}");
        done += ack.done.iter().map(|range| range.count).sum::<u32>();
    }
    assert!(fs::read(end.path("a")).unwrap() == chunk);
    assert_eq!(end.exchange.count_compressed_bytes().copied, CHUNK - 3);
    let gone = answer(&mut end, request(0, WantedSignatures::Next)).await;
    assert_eq!(gone, SignatureAnswer::None, "the old file is closed once the new one has its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn recipes_that_are_not_allowed_are_refused_by_name() {
    let (chunk, recipe) = changed();
    let copy = |offset, len| encode(&[Step::Copy { offset, len }], 0).unwrap();
    let beyond = copy(OLD_LEN as u64 - CHUNK + 1, CHUNK_LEN);
    let far = copy(u64::MAX - CHUNK + 1, CHUNK_LEN);
    let mut trailing = Frames::zstd_of(&recipe);
    trailing[4] = 0xa4;
    for (payload, words) in [
        (Frames::zstd_of(&beyond), "copies from beyond the old file"),
        (Frames::zstd_of(&far), "copies from beyond the old file"),
        (Frames::zstd_of(&copy(0, CHUNK_LEN - 1)), "of another length than its chunk"),
        (Frames::zstd_of(&[&recipe[..], b"x"].concat()), "of another length than its chunk"),
        (Frames::zstd_of(b"\xff\xff\xff\xff"), "malformed step"),
        (trailing, "its header has a window, a checksum or a reserved bit"),
        (Frames::zstd_of_repeated(&vec![0; CHUNK_LEN + 1]), "another content length"),
        (vec![0; CHUNK_LEN], "it is cut off, or something follows it"),
    ] {
        let mut end = agreed().await;
        assert!(answer(&mut end, first(0, "a")).await != SignatureAnswer::None);
        let frame = Frames::recipe(&block(end.frames, &chunk), &payload);
        check_refused(end, &frame, words).await;
    }
    let frame = |end: &ReceivingEnd| Frames::recipe(&block(end.frames, &chunk), &Frames::zstd_of(&recipe));
    let end = agreed().await;
    let unsigned = frame(&end);
    check_refused(end, &unsigned, "a file without an old one").await;
    let mut end = agreed().await;
    assert!(answer(&mut end, first(0, "a")).await != SignatureAnswer::None);
    let elsewhere = end.frames.block(0, "b", Some(CHUNK), 0, true, &chunk);
    let elsewhere = Frames::recipe(&elsewhere, &Frames::zstd_of(&recipe));
    check_refused(end, &elsewhere, "a file without an old one").await;
    let end = ReceivingEnd::running().await;
    let unknown = frame(&end);
    check_refused(end, &unknown, "deltas were not agreed on").await;
    let end = agreed().await;
    let mut both = frame(&end);
    both[1] |= 16;
    check_refused(end, &both, "block with one encoding: compressed, recipe").await;
}

async fn check_refused(end: ReceivingEnd, frame: &[u8], words: &str) {
    let (mut lane, ended) = end.lane(1);
    lane.send(frame).await;
    let ended = end_of(ended).await;
    assert!(matches!(&ended, LaneEnd::Violation(rule) if rule.contains(words)), "{words}: {ended:?}");
    if let Ok(there) = fs::read(end.path("a")) {
        assert!(there == content(1, OLD_LEN), "{words}");
    }
}

/// Whatever happens to the old file, no wrong byte gets into the new one.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_that_changes_costs_sending_the_chunk_whole() {
    for change in ["cut", "overwritten", "replaced", "removed"] {
        let mut end = agreed().await;
        assert!(answer(&mut end, first(0, "a")).await != SignatureAnswer::None);
        match change {
            "cut" => fs::OpenOptions::new().write(true).open(end.path("a")).unwrap().set_len(2000).unwrap(),
            "overwritten" => fs::write(end.path("a"), content(2, OLD_LEN)).unwrap(),
            "replaced" => {
                fs::write(end.path("b"), content(3, OLD_LEN)).unwrap();
                fs::rename(end.path("b"), end.path("a")).unwrap();
            }
            _ => fs::remove_file(end.path("a")).unwrap(),
        }
        let (frames, (mut lane, _ended), (chunk, recipe)) = (end.frames, end.lane(1), changed());
        lane.send(&Frames::recipe(&block(frames, &chunk), &Frames::zstd_of(&recipe))).await;
        let ack = end.next_ack().await;
        if matches!(change, "replaced" | "removed") {
            assert_eq!(ack.damaged, [], "{change}: it is read by its handle");
        } else {
            assert_eq!(ack.damaged, [FrameNo(0)], "{change}");
            lane.send(&block(frames, &chunk)).await;
        }
        lane.send(&frames.seal(1, "a", CHUNK, frames.root(&chunk))).await;
        while end.next_ack().await.done.iter().all(|range| range.first.0 + u64::from(range.count) < 2) {}
        assert!(fs::read(end.path("a")).unwrap() == chunk, "{change}");
    }
}

/// Whether a digest is right shows what was copied: that is told a few times, and then no more.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_an_old_file_cannot_be_guessed_by_recipes() {
    let mut end = agreed().await;
    assert!(answer(&mut end, first(0, "a")).await != SignatureAnswer::None);
    let (frames, (mut lane, _ended), (chunk, _)) = (end.frames, end.lane(1), changed());
    let guess = |frame: u64, from| {
        let offset = frame * CHUNK;
        let recipe = encode(&[Step::Copy { offset: from, len: CHUNK_LEN }], offset).unwrap();
        let content = if from == 0 { &content(1, CHUNK_LEN) } else { &chunk };
        let block = frames.block(frame, "a", Some(16 * CHUNK), offset, false, content);
        Frames::recipe(&block, &Frames::zstd_of(&recipe))
    };
    for frame in 0..RECIPE_MISMATCHES_MAX as u64 {
        lane.send(&guess(frame, 1)).await;
        assert_eq!(end.next_ack().await.damaged, [FrameNo(frame)]);
    }
    assert_eq!(answer(&mut end, request(0, WantedSignatures::Next)).await, SignatureAnswer::None);
    assert_eq!(answer(&mut end, first(1, "a")).await, SignatureAnswer::None);
    let next = RECIPE_MISMATCHES_MAX as u64;
    lane.send(&guess(next, 0)).await;
    assert_eq!(
        end.next_ack().await.damaged,
        [FrameNo(next)],
        "nothing is copied any more, though it is right"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whole_pieces_of_files_that_may_be_replaced_are_signed() {
    let mut end = agreed().await;
    fs::write(end.path("small"), content(1, 1000)).unwrap();
    fs::write(end.path(".ftpx-0123456789abcdef.part"), content(1, OLD_LEN)).unwrap();
    fs::create_dir(end.path("folder")).unwrap();
    std::os::unix::fs::symlink("a", end.path("link")).unwrap();
    std::os::unix::fs::symlink("/etc", end.path("outside")).unwrap();
    for (file, path) in [
        "small",
        ".ftpx-0123456789abcdef.part",
        "folder",
        "link",
        "missing",
        "outside/passwd",
        "missing/a",
        "",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(answer(&mut end, first(file as u32, path)).await, SignatureAnswer::None, "{path:?}");
    }
    assert_eq!(answer(&mut end, request(0, WantedSignatures::Next)).await, SignatureAnswer::None);
    let SignatureAnswer::First { pieces, .. } = answer(&mut end, first(0, "a")).await else {
        panic!("it is there")
    };
    assert_eq!(answer(&mut end, first(0, "a")).await, SignatureAnswer::None, "it is signed once");
    let count = u32::try_from(pieces.len() / 12).unwrap();
    let run = |first, count| vec![FineRun { first, count, cut: FineCut::Pages }];
    for (runs, is_there) in
        [(run(0, count), true), (run(0, count + 1), false), (run(0, 0), false), (run(count, 1), false)]
    {
        let fine = answer(&mut end, request(0, WantedSignatures::Fine { runs })).await;
        assert_eq!(fine != SignatureAnswer::None, is_there);
    }
    for file in 1..=OLD_FILES_MAX {
        let answer = answer(&mut end, first(file as u32, "a")).await;
        assert_eq!(answer != SignatureAnswer::None, file < OLD_FILES_MAX, "{file} more are open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_few() {
    let end = agreed().await;
    let mut told = Ok(());
    for _ in 0..100 * SIGNATURE_REQUESTS_MAX {
        let envelope = Envelope::new(crate::in_process::receiving_end::JOB, first(0, "a"));
        told = told.and_then(|()| end.exchange.handle(envelope).map(drop));
    }
    assert!(told.is_err_and(|rule| rule.contains("more requests for signatures")));
}
