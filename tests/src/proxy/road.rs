//! Carries one direction of a connection, as its road says.

use super::Shared;
use super::connections::{Connection, End};
use super::fate::{Fault, PIECE_LEN_MAX, Road};
use std::future::pending;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, sleep_until};

/// Carries all bytes of one direction, and its end.
pub(super) async fn carry(
    shared: &Shared,
    connection: &Connection,
    road: Road,
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
) {
    let (sender, receiver) = channel(PIECES_ON_THE_WAY);
    tokio::join!(take(shared, road, from, sender), give(shared, connection, road, to, receiver));
}

/// Reads pieces and sets when each is to arrive.
async fn take(shared: &Shared, road: Road, mut from: ReadHalf<'_>, pieces: Sender<(Instant, Vec<u8>)>) {
    let mut bytes = vec![0; PIECE_LEN_MAX];
    let mut arrival = Instant::now();
    let mut passed = 0_u64;
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        let mut rest = &bytes[..len];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(road.piece_len(passed).min(rest.len()));
            arrival = arrival.max(Instant::now() + road.delay + shared.fraction_of(road.jitter)); // no overtaking
            if pieces.send((arrival, piece.to_vec())).await.is_err() {
                return;
            }
            passed += piece.len() as u64;
            rest = behind;
        }
    }
}

/// Writes each piece when it is due, and injects the fault at its byte.
async fn give(
    shared: &Shared,
    connection: &Connection,
    road: Road,
    mut to: WriteHalf<'_>,
    mut pieces: Receiver<(Instant, Vec<u8>)>,
) {
    let mut fault = road.fault;
    let mut passed = 0_u64;
    while let Some((arrival, mut piece)) = pieces.recv().await {
        sleep_until(arrival).await;
        if let Some((at, what)) = fault.filter(|(at, _)| *at < passed + piece.len() as u64) {
            fault = None;
            let before = usize::try_from(at - passed).unwrap_or_default();
            let rest = piece.split_off(before);
            if !shared.write(&mut to, &piece).await {
                return;
            }
            passed += piece.len() as u64;
            piece = rest;
            happen(shared, connection, what, &mut piece).await;
        }
        if !shared.write(&mut to, &piece).await {
            return;
        }
        passed += piece.len() as u64;
        if !road.pause.is_zero() {
            sleep(road.pause).await;
        }
    }
    let _ = to.shutdown().await; // the other end may be gone already
}

/// Injects a fault; `rest` is the data right behind that point.
async fn happen(shared: &Shared, connection: &Connection, fault: Fault, rest: &mut [u8]) {
    shared.note(fault);
    match fault {
        Fault::Stall(time) => sleep(time).await,
        Fault::StallAll(time) => shared.stall(time),
        Fault::Flip => rest[0] ^= 1,
        Fault::ResetAll => shared.end_all(End::Reset),
        Fault::SwallowAll(time) => {
            shared.hold_new(time);
            shared.end_all(End::Swallow);
        }
        Fault::Cut => connection.end(End::Close),
        Fault::Reset => connection.end(End::Reset),
        Fault::Swallow => connection.end(End::Swallow),
    }
    if connection.has_ended() {
        pending::<()>().await; // dropped by the task that carries the connection
    }
}

/// Pieces in transit at a time: enough for a delay at a good rate.
const PIECES_ON_THE_WAY: usize = 32;
