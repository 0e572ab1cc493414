//! The receiving machine, driven by an arbitrary sender.

use wire::checksum::{Checksum, ChunkPlace, Digest};
use wire::frame::{Announcement, BlockExtra, FrameHead, FrameKind, SealEnd};
use wire::ids::{FileNo, FrameNo, JobId};
use wire::limits::{CHUNK_LEN, LARGE_FILES_MAX};
use wire::message::End;
use wire::receiver::{Begin, Receiver, ReceiverViolation, Verdict};
use wire::verified::VerifiedChunk;
use wire::{FailureCode, RemotePath};

/// Each six bytes are a step. The machine may end the session at any of them, but must not panic, and publishes only files
/// whose chunks have all been written.
pub fn receiver(bytes: &[u8]) {
    let mut world = World { machine: Receiver::new(Checksum::Sha256, WINDOW), written: Vec::new() };
    for step in bytes.chunks_exact(6).take(400) {
        let [what, frame, file, chunk, size, last] = step else { continue };
        let numbers = (u64::from(*frame), u32::from(*file) % 40, u64::from(*chunk) % 8, *size);
        if world.step(*what, numbers, last & 1 == 1).is_err() {
            return;
        }
        while let Some(ack) = world.machine.take_ack() {
            assert!(ack.done.iter().all(|range| range.count > 0));
        }
        let open: std::collections::BTreeSet<u32> = world.written.iter().map(|(file, _)| *file).collect();
        assert!(open.len() <= LARGE_FILES_MAX, "{} files are open", open.len());
    }
}

struct World {
    machine: Receiver,
    written: Vec<(u32, u64)>,
}

impl World {
    fn step(
        &mut self,
        what: u8,
        (frame, file, chunk, size): (u64, u32, u64, u8),
        last: bool,
    ) -> Result<(), ReceiverViolation> {
        let digest = Checksum::Sha256.of_chunk(ChunkPlace::at(chunk * CHUNK, last), [CONTENT]);
        let head = |kind, payload_len| FrameHead {
            job: JobId(1),
            frame: FrameNo(frame),
            extra_len: 30,
            payload_len,
            kind,
        };
        let size = (size < 250).then(|| u64::from(size % 8) * CHUNK + u64::from(size / 128));
        match what % 8 {
            0 | 1 => {
                let offset = chunk * CHUNK;
                let payload = if last { size.map_or(1, |size| size % CHUNK).max(1) } else { CHUNK };
                let head = head(
                    FrameKind::Block {
                        file: FileNo(file),
                        offset,
                        last,
                        digest,
                        encoding: Default::default(),
                    },
                    u32::try_from(payload).unwrap_or(1),
                );
                self.block(&head, file, size, what.is_multiple_of(2))
            }
            2 => {
                let kind = FrameKind::Seal {
                    file: FileNo(file),
                    size: size.unwrap_or(5),
                    root: digest,
                    end: if last { SealEnd::GivenUp } else { SealEnd::Whole },
                };
                let head = head(kind, 0);
                if self.machine.begin(&head)? == Begin::Drop {
                    return Ok(());
                }
                let loss = last.then(|| FailureCode::Io.into());
                let verdict = self.machine.seal(&head, announcement(size), loss)?;
                self.judge(file, verdict);
                Ok(())
            }
            3 => {
                if self
                    .machine
                    .begin(&head(FrameKind::Pack { entries: 1, encoding: Default::default() }, 60))?
                    == Begin::Process
                {
                    self.machine.packed(FrameNo(frame), vec![], vec![]);
                }
                Ok(())
            }
            4 => self.machine.end(End { frames: frame }),
            5 => {
                self.machine.damaged(FrameNo(frame));
                Ok(())
            }
            6 => {
                let verdict =
                    self.machine.file_failed(FileNo(file), FrameNo(frame), FailureCode::NoSpace.into());
                self.judge(file, verdict);
                Ok(())
            }
            _ => {
                while let Some((frame, _)) = self.machine.next_folders() {
                    self.machine.folders_set(frame, vec![]);
                }
                Ok(())
            }
        }
    }

    fn block(
        &mut self,
        head: &FrameHead,
        file: u32,
        size: Option<u64>,
        whole: bool,
    ) -> Result<(), ReceiverViolation> {
        let FrameKind::Block { offset, last, digest, .. } = head.kind else { return Ok(()) };
        let extra = BlockExtra { content_len: head.payload_len, announcement: announcement(size) };
        if self.machine.begin(head)? == Begin::Drop || self.machine.block(head, extra)? == Begin::Drop {
            return Ok(());
        }
        let pieces = [if whole { CONTENT } else { &b"damaged"[..] }];
        let Ok(chunk) = VerifiedChunk::verify(Checksum::Sha256, offset, last, digest, &pieces) else {
            assert!(!whole);
            self.machine.damaged(head.frame);
            return Ok(());
        };
        let verdict = self.machine.written(FileNo(file), head.frame, &chunk)?;
        self.written.push((file, offset));
        self.judge(file, verdict);
        Ok(())
    }

    fn judge(&mut self, file: u32, verdict: Verdict) {
        match verdict {
            Verdict::Incomplete => {}
            Verdict::Discard(..) | Verdict::Again(_) => self.written.retain(|(other, _)| *other != file),
            Verdict::Publish(publish) => {
                assert_eq!(publish.file(), FileNo(file));
                let chunks = publish.size().div_ceil(CHUNK).max(1);
                for index in 0..chunks {
                    assert!(
                        self.written.contains(&(file, index * CHUNK)),
                        "chunk {index} of {file} is missing"
                    );
                }
                assert_ne!(publish.root(), Digest::default());
                self.machine.published(&publish, Ok(()));
                self.written.retain(|(other, _)| *other != file);
            }
        }
    }
}

fn announcement(size: Option<u64>) -> Announcement {
    let path = RemotePath::from_wire(b"file").unwrap_or_default();
    Announcement { path, size, modified: None, mode: 0o600, source: wire::metadata::SourceId::default() }
}

const WINDOW: u32 = 64;
const CHUNK: u64 = CHUNK_LEN as u64;
const CONTENT: &[u8] = b"what stands for a chunk";
