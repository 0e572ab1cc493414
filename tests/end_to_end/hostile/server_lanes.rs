//! Servers that send unrequested or inconsistent data over lanes; and servers that only stall.

use crate::hostile::server::{answer_usual, entry, path, until_list};
use crate::support::fake_client::HandLane;
use crate::support::fake_frames::Frames;
use crate::support::fake_server::{Against, Outcome, Peer, welcome};
use crate::support::{content, names_below};
use std::fs;
use std::time::Duration;
use wire::checksum::Digest;
use wire::control::Envelope;
use wire::frame::EntryKind;
use wire::limits::CHUNK_LEN;
use wire::message::{Bye, End, Listing, Message, Opened};
use wire::metadata::Kind;
use wire::{Failure, FailureCode};

const CHUNK: u64 = CHUNK_LEN as u64;
const GET_TREE: [&str; 4] = ["get", "-r", "URL", "target"];
const GET_FILE: [&str; 3] = ["get", "URL", "target/x"];

/// The rules themselves are tested in process.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_contradict_themselves_or_each_other_are_violations() {
    let against = Against::new().await;
    let chunk = content(1, CHUNK_LEN);
    type Make<'a> = &'a dyn Fn(Frames) -> Vec<Vec<u8>>;
    let cases: &[(&str, Make<'_>)] = &[
        ("the same block twice", &|f| {
            [0, 1].map(|frame| f.block(frame, "a", Some(3 * CHUNK), 0, false, &chunk)).to_vec()
        }),
        ("length", &|f| vec![f.pack_claiming(0, 2, &f.payload(&[(EntryKind::File, b"a", b"content")]))]),
        ("", &|f| vec![f.pack(0, &[(EntryKind::File, b"../outside", b"content")])]),
        ("", &|_| vec![vec![255; 4096]]),
    ];
    for (words, make) in cases {
        let outcome = against.run(&GET_TREE, async |peer| {
            let (frames, mut lane) = begin(peer).await;
            for frame in make(frames) {
                lane.send(&frame).await;
            }
        });
        outcome.await.expect(7, "protocol violation by").expect(7, words);
        // Entries of a pack that were complete before the invalid one may be in their place; no others are.
        for found in files(&against) {
            assert!(found.ends_with("/a") && fs::read(&found).unwrap() == b"content", "{words}: {found}");
        }
        fs::remove_dir_all(against.target()).unwrap();
        fs::create_dir(against.target()).unwrap();
    }
    let early_end = against.run(&GET_TREE, async |peer| {
        let (frames, mut lane) = begin(peer).await;
        lane.send(&frames.pack(3, &[(EntryKind::File, b"a", b"content")])).await;
        while !matches!(peer.next().await, Some(envelope) if matches!(envelope.message, Message::Ack(_))) {}
        peer.send(frames.job, End { frames: 2 }).await;
    });
    early_end.await.expect(7, "a job's end that contradicts its frames");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_asked_for_comes_as_itself_or_not_at_all() {
    let against = Against::new().await;
    let send = async |arguments: &[&str], entries: &[(EntryKind, &[u8], &[u8])]| -> Outcome {
        against
            .run(arguments, async |peer| {
                let (frames, mut lane) = begin(peer).await;
                lane.send(&frames.pack(0, entries)).await;
                peer.send(frames.job, End { frames: 1 }).await;
            })
            .await
    };
    let (other, own) = (
        (EntryKind::File, &b"other"[..], &b"not asked for"[..]),
        (EntryKind::File, &b""[..], &b"asked for"[..]),
    );
    for entries in
        [&[other][..], &[other, (EntryKind::Folder, b"", b"")], &[(EntryKind::Symlink, b"x/y", b"/etc")]]
    {
        send(&GET_FILE, entries).await.expect(1, "was not asked for");
        assert_eq!(files(&against), Vec::<String>::new());
        let cat = send(&["cat", "URL"], entries).await;
        cat.expect(1, "not allowed in this state");
        assert_eq!(cat.stdout, b"");
    }
    let twice = send(&["cat", "URL"], &[own, own]).await;
    twice.expect(0, "");
    assert_eq!(twice.stdout, b"asked for", "it is taken once");
    for arguments in [&GET_FILE[..], &["cat", "URL"]] {
        let nothing = against.run(arguments, async |peer| {
            let (frames, _lane) = begin(peer).await;
            peer.send(frames.job, End { frames: 0 }).await;
        });
        nothing.await.expect(7, "before all that was asked for came");
    }
    send(&GET_FILE, &[own]).await.expect(0, "");
    assert_eq!(fs::read_to_string(against.target().join("x")).unwrap(), "asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_files_cannot_be_fetched_leaves_those_of_others() {
    let against = Against::new().await;
    let names: Vec<_> = (0..16).map(|number| format!("f{number:02}")).collect();
    let others = names.iter().map(|name| name.replace('f', "g"));
    let urls = names.iter().map(|name| against.url_of(&format!("a/{name}")));
    let urls: Vec<_> = urls.chain(others.map(|name| against.url_of(&format!("b/{name}")))).collect();
    let arguments: Vec<_> =
        ["get"].into_iter().chain(urls.iter().map(String::as_str)).chain(["target"]).collect();
    let outcome = against.run(&arguments, async |peer| {
        peer.welcome().await;
        while let Some(Envelope { request, message, .. }) = peer.next().await {
            match message {
                Message::List(list) => {
                    let is_first = list.path == path("a");
                    let names =
                        names.iter().map(|name| if is_first { name.clone() } else { name.replace('f', "g") });
                    let entries = names.map(|name| entry(&name, Kind::File)).collect();
                    peer.send(request, Listing { entries, failures: Vec::new() }).await;
                }
                Message::Select(select) => {
                    let reason = format!("nothing of {} today", select.path);
                    peer.send(request, Failure::new(FailureCode::PermissionDenied, reason)).await;
                }
                Message::Bye(_) => peer.send(0, Bye).await,
                _ => {}
            }
        }
    });
    let outcome = outcome.await;
    outcome.expect(1, "nothing of /a today").expect(1, "nothing of /b today");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_whose_job_ends_too_early_is_not_done() {
    let against = Against::new().await;
    let outcome = against.run(&["mirror", "URL", "target"], async |peer| {
        let request = until_list(peer).await;
        peer.send(request, Listing { entries: vec![entry("a", Kind::File)], failures: Vec::new() }).await;
        while let Some(envelope) = peer.next().await {
            match envelope.message {
                Message::Select(_) => {
                    peer.send(
                        envelope.request,
                        Opened { path: path("x"), folder: true, at: wire::metadata::Timestamp::default() },
                    )
                    .await
                }
                Message::Wanted(_) => peer.send(envelope.request, End { frames: 0 }).await,
                _ => drop(answer_usual(peer, &envelope).await),
            }
        }
    });
    outcome.await.expect(7, "before all that was asked for came");
    assert_eq!(files(&against), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_that_never_match_end_with_the_exit_code_of_integrity() {
    let against = Against::new().await;
    fs::write(against.target().join("x"), "the old content").unwrap();
    let spoilt = |mut frame: Vec<u8>| {
        *frame.last_mut().unwrap() ^= 1;
        frame
    };
    let chunk = content(1, CHUNK_LEN);
    type Make<'a> = &'a dyn Fn(Frames) -> Vec<u8>;
    let makes: [Make<'_>; 2] = [&|f| spoilt(f.pack(0, &[(EntryKind::File, b"", b"content")])), &|f| {
        spoilt(f.block(0, "", Some(CHUNK), 0, true, &chunk))
    }];
    for make in makes {
        let outcome = against.run(&GET_FILE, async |peer| {
            let (frames, mut lane) = begin(peer).await;
            for _ in 0..3 {
                lane.send(&make(frames)).await;
                peer.next().await; // the report that it is damaged
            }
            peer.send(frames.job, End { frames: 1 }).await;
        });
        outcome.await.expect(7, "did not match its checksum");
    }
    let wrong_root = against.run(&GET_FILE, async |peer| {
        let (frames, mut lane) = begin(peer).await;
        lane.send(&frames.block(0, "", Some(CHUNK), 0, true, &chunk)).await;
        lane.send(&frames.seal(1, "", CHUNK, Digest([7; 32]))).await;
        peer.send(frames.job, End { frames: 2 }).await;
    });
    wrong_root.await.expect(7, "did not match its checksum");
    assert_eq!(fs::read_to_string(against.target().join("x")).unwrap(), "the old content");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_end_and_lanes_that_are_cut_leave_nothing_half_written() {
    let against = Against::new().await;
    fs::write(against.target().join("x"), "the old content").unwrap();
    let chunk = content(1, CHUNK_LEN);
    let endless = against.run(&GET_FILE, async |peer| {
        let (frames, mut lane) = begin(peer).await;
        for number in 0..200 {
            lane.send(&frames.block(number, "", None, number * CHUNK, false, &chunk)).await;
        }
        peer.close().await;
    });
    endless.await.expect(3, "lost the connection");
    let cut = against.run(&GET_FILE, async |peer| {
        let (frames, mut lane) = begin(peer).await;
        let frame = frames.block(0, "", Some(CHUNK), 0, true, &chunk);
        lane.send(&frame[..1000]).await;
        drop(lane);
        peer.close().await;
    });
    cut.await.expect(3, "lost the connection");
    assert_eq!(fs::read_to_string(against.target().join("x")).unwrap(), "the old content");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_goes_through_a_link_that_came_before_it_or_was_there() {
    let against = Against::new().await;
    let outside = against.world.root().parent().unwrap().join("outside");
    let outside = outside.to_str().unwrap().as_bytes().to_vec();
    let (link, file, folder) = (EntryKind::Symlink, EntryKind::File, EntryKind::Folder);
    for (to, entries) in [
        (
            "one",
            vec![
                (link, &b"a"[..], &outside[..]),
                (file, b"a/canary", b"x"),
                (folder, b"a/deep", b""),
                (folder, b"a", b""),
            ],
        ),
        (
            "two",
            vec![(link, b"a", b"../../../outside"), (file, b"a/canary", b"x"), (file, b"a/deep/new", b"x")],
        ),
        ("three", vec![(link, b"", &outside), (file, b"canary", b"x"), (folder, b"deep", b"")]),
        (
            "four",
            vec![
                (link, b"a", b"."),
                (link, b"a/b", &outside),
                (file, b"a/b/canary", b"x"),
                (file, b"b/canary", b"x"),
            ],
        ),
    ] {
        let arguments = ["get", "-r", &against.url_of(to), "target"];
        let outcome = against.run(&arguments, async |peer| {
            let (frames, mut lane) = begin(peer).await;
            // In separate frames, and in one: either way, the link arrives first.
            for (number, entry) in entries.iter().enumerate() {
                lane.send(&frames.pack(number as u64, std::slice::from_ref(entry))).await;
                peer.next().await;
            }
            lane.send(&frames.pack(entries.len() as u64, &entries)).await;
            peer.send(frames.job, End { frames: entries.len() as u64 + 1 }).await;
        });
        outcome.await.expect(1, "");
    }
    // `run` has checked the files outside; and staged names are always refused.
    let arguments = ["get", "-r", &against.url_of("five"), "target"];
    let outcome = against.run(&arguments, async |peer| {
        let (frames, mut lane) = begin(peer).await;
        lane.send(&frames.pack(0, &[(file, b".ftpx-0123456789abcdef.part", b"x")])).await;
        peer.send(frames.job, End { frames: 1 }).await;
    });
    assert_ne!(outcome.await.code, Some(0));
}

/// The protocol's 20 seconds of silence; all cases wait at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_or_reads_nothing_is_left_in_time() {
    let silent_at_login = async {
        let against = Against::new().await;
        against.run(&["stat", "URL"], async |_| std::future::pending().await).await
    };
    let silent_later = async {
        let against = Against::new().await;
        against
            .run(&GET_TREE, async |peer| {
                peer.welcome().await;
                std::future::pending().await
            })
            .await
    };
    let slow = async {
        let against = Against::new().await;
        against
            .run(&["stat", "URL"], async |peer| {
                let request = peer.request().await.request;
                let frame = crate::support::fake_client::raw_frame(1000, 19, 0, request, &[0; 1000]);
                for byte in frame {
                    peer.send_bytes(&[byte]).await;
                    tokio::time::sleep(Duration::from_secs(1)).await; // the slowness is the subject of the test
                }
            })
            .await
    };
    let reads_nothing = async {
        let against = Against::new().await;
        fs::write(against.target().join("large"), content(1, 40 << 20)).unwrap();
        against
            .run(&["put", "target/large", "URL"], async |peer| {
                peer.send(1, welcome()).await;
                let _lane = peer.lane().await;
                std::future::pending().await
            })
            .await
    };
    let (one, two, three, four) = tokio::join!(silent_at_login, silent_later, slow, reads_nothing);
    for outcome in [one, two, three, four] {
        outcome.expect(3, "silent for too long");
        assert!(outcome.elapsed > Duration::from_secs(15), "{:?}", outcome.elapsed);
    }
}

/// Answers a GET; returns a maker of its frames, and the lane for them.
async fn begin(peer: &mut Peer) -> (Frames, HandLane) {
    let request = peer.request().await;
    let Message::Get(get) = request.message else { panic!("{request:?}") };
    peer.send(
        request.request,
        Opened { path: get.path, folder: get.recursive, at: wire::metadata::Timestamp::default() },
    )
    .await;
    (Frames { job: request.request, checksum: get.options.checksum }, peer.lane().await)
}

/// Regular files and links below the target.
fn files(against: &Against) -> Vec<String> {
    let is_item = |path: &std::path::PathBuf| !fs::symlink_metadata(path).unwrap().is_dir();
    names_below(&against.target())
        .into_iter()
        .filter(is_item)
        .map(|path| path.display().to_string())
        .collect()
}
