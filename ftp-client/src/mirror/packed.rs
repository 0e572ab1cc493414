//! Many paths with their metadata in little memory.

use wire::RemotePath;
use wire::message::Entry;
use wire::metadata::{Kind, Metadata, Timestamp};

/// Paths and metadata, one behind the other: a path as what it adds to the one before.
#[derive(Default)]
pub(super) struct PackedEntries {
    bytes: Vec<u8>,
    count: u64,
    last: Vec<u8>,
}

impl PackedEntries {
    pub(super) fn push(&mut self, entry: &Entry) {
        let path = entry.path.as_bytes();
        let shared = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        let Metadata { kind, size, modified, mode } = entry.metadata;
        let lengths = [shared, path.len() - shared].map(|len| u16::try_from(len).unwrap_or(u16::MAX));
        self.bytes.extend(lengths.iter().flat_map(|len| len.to_le_bytes()));
        self.bytes.extend_from_slice(&path[shared..]);
        self.bytes.push(kind_number(kind));
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&modified.seconds.to_le_bytes());
        self.bytes.extend_from_slice(&modified.nanos.to_le_bytes());
        self.bytes.extend_from_slice(&mode.to_le_bytes());
        self.last = path.to_vec();
        self.count += 1;
    }

    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Bytes that they take.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The entries, without what only their listing knew.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let (mut rest, mut path) = (&self.bytes[..], Vec::new());
        std::iter::from_fn(move || {
            let shared = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let added = usize::from(u16::from_le_bytes(take(&mut rest)?));
            path.truncate(shared);
            let (text, behind) = rest.split_at_checked(added)?;
            path.extend_from_slice(text);
            rest = behind;
            let [kind] = take(&mut rest)?;
            let metadata = Metadata {
                kind: KINDS[usize::from(kind)],
                size: u64::from_le_bytes(take(&mut rest)?),
                modified: Timestamp {
                    seconds: i64::from_le_bytes(take(&mut rest)?),
                    nanos: u32::from_le_bytes(take(&mut rest)?),
                },
                mode: u32::from_le_bytes(take(&mut rest)?),
            };
            let path = RemotePath::from_wire(&path).ok()?;
            Some(Entry { path, metadata, link_target: Vec::new(), digest: None, details: None })
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::File => 0,
        Kind::Folder => 1,
        Kind::Symlink => 2,
        Kind::Special => 3,
    }
}

const KINDS: [Kind; 4] = [Kind::File, Kind::Folder, Kind::Symlink, Kind::Special];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::entry;

    #[test]
    fn packed_entries_come_back() {
        let mut packed = PackedEntries::default();
        let mut entries = ["a/b/c", "a/b/d", "a/bc", "a/b/", "", "z@"].map(entry);
        entries[0].metadata.kind = Kind::Special;
        for entry in &entries {
            let before = packed.size();
            packed.push(entry);
            assert!(packed.size() > before);
        }
        assert_eq!(packed.len(), 6);
        for (one, other) in packed.iter().zip(&entries) {
            assert_eq!((&one.path, one.metadata), (&other.path, other.metadata));
        }
        assert_eq!(packed.iter().count(), 6);
    }
}
