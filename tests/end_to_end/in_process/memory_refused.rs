//! Frames for which a session has no memory: they are asked for again, and the job ends well.

use crate::in_process::receiving_end::ReceivingEnd;
use wire::budget::Budget;
use wire::frame::EntryKind;
use wire::limits::PACK_ENTRIES_MAX;
use wire::message::{End, Message};

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_had_no_room_are_asked_for_again_and_the_job_ends_well() {
    let mut end = ReceivingEnd::within(Budget::new(8 << 20));
    let job = end.run().await;
    let (mut lane, _ended) = end.lane(1);
    let frames = end.frames;
    let names: Vec<String> = (0..PACK_ENTRIES_MAX).map(|n| format!("{:0255}/{n:0196}", 1)).collect();
    let entries: Vec<_> = names.iter().map(|name| (EntryKind::Folder, name.as_bytes(), &b""[..])).collect();
    let folders = frames.payload(&entries); // the same ones in each frame, which wait as well as others
    let last = 30; // 15 MiB of folders: more than there is memory for
    let pack = |frame: u64| match frame {
        0 => frames.pack(0, &[(EntryKind::File, b"first", b"content")]),
        _ => frames.pack_claiming(frame, PACK_ENTRIES_MAX as u32, &folders),
    };
    for frame in (1..=last).chain([0]) {
        lane.send(&pack(frame)).await;
    }
    end.tell(End { frames: last + 1 });
    let (mut done, mut again) = (0, 0);
    while done <= last {
        let message = end.next_message().await;
        let Message::Ack(ack) = message else { panic!("{message:?}") };
        assert!(ack.failed.is_empty(), "{:?}", ack.failed[0]);
        done += ack.done.iter().map(|range| u64::from(range.count)).sum::<u64>();
        again += ack.damaged.len();
        for frame in ack.damaged {
            lane.send(&pack(frame.0)).await;
        }
    }
    assert!(again > 0, "the test sends more than there is room for");
    job.await.unwrap().unwrap();
    assert!(end.path("first").exists());
}
