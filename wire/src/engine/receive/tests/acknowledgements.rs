//! Tests of when a driven job acknowledges: without waiting for another event, and the last time after a check of its place.

use super::*;
use crate::message::End;
use crate::net::control::outbox;

/// The sender may wait for this acknowledgement before it sends more, or says how much there is.
#[tokio::test]
async fn a_folder_that_is_set_long_after_its_files_is_acknowledged_without_another_event() {
    let time = 10 * ACK_DELAY;
    let world = World::new(Faults { waits: true, folders_take: Some(time), ..Faults::default() });
    world.take(0, &[Entry::file("folder/a"), Entry::folder("folder")]).unwrap();
    let (outbox, mut messages) = outbox();
    let driving = tokio::spawn(async move { world.job.drive(&outbox, &Disk::alone()).await });
    let message = tokio::time::timeout(Duration::from_secs(20), messages.recv()).await;
    let message = message.expect("it is acknowledged").unwrap().envelope.message;
    let Message::Ack(ack) = message else { panic!("{message:?}") };
    assert_eq!(frames(Some(ack)), [0]);
    driving.abort();
}

/// The sender may be waiting for nothing but this acknowledgement, also if `End` is still on its way.
#[tokio::test]
async fn an_acknowledgement_that_may_be_the_last_is_sent_after_the_check_of_the_place() {
    for is_end_first in [true, false] {
        let world = World::new(Faults { is_moved: true, ..Faults::default() });
        world.take(0, &[Entry::file("a")]).unwrap();
        if is_end_first {
            world.job.ended(End { frames: 1 }).unwrap();
        }
        let (outbox, mut messages) = outbox();
        let result = tokio::time::timeout(Duration::from_secs(20), world.drive(&outbox)).await;
        assert_eq!(result.unwrap().unwrap_err().code, FailureCode::NotFound, "end first: {is_end_first}");
        drop(outbox);
        assert!(messages.recv().await.is_none(), "nothing was acknowledged");
        assert_eq!(world.log(), ["place /a", "item /a: ok", "check"]);
    }
}

/// No frame is done between the look at the job's end and the last acknowledgement without being checked.
#[test]
fn what_finishes_a_job_is_acknowledged_by_what_may_be_the_last() {
    let world = World::new(Faults::default());
    let is_last = |world: &World| world.job.take_ack().map(|due| due.may_be_last);
    world.take(1, &[Entry::file("b")]).unwrap();
    assert_eq!(is_last(&world), Some(false), "frame 0 is missing");
    world.take(0, &[Entry::file("a")]).unwrap();
    assert_eq!(is_last(&world), Some(true), "there may be no more");
    world.job.ended(End { frames: 4 }).unwrap();
    world.take(2, &[Entry::file("c")]).unwrap();
    assert_eq!(is_last(&world), Some(false));
    world.take(3, &[Entry::file("d")]).unwrap();
    assert_eq!((is_last(&world), is_last(&world)), (Some(true), None));
}
