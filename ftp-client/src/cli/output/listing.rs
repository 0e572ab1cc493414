//! Entries of folders, for people and for programs. Quick: a tree may have a million of them.

use super::columns::{Cell, arranged};
use super::json::Object;
use super::ls_colors::LsColors;
use indicatif::HumanBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cmp::Reverse;
use std::io::{self, Write};
use wire::escape::Escaped;
use wire::message::{Entry, Owner};
use wire::metadata::{self, Kind};

/// How entries are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// With type, mode, size and time.
    pub(crate) long: bool,
    /// Sizes with units.
    pub(crate) human_readable: bool,
    /// For programs.
    pub(crate) json: bool,
    /// The order of the entries.
    pub(crate) order: Order,
    /// Names alone are in columns, on a terminal of this width.
    pub(crate) columns: Option<usize>,
}

/// An order of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Order {
    pub(crate) by: SortKey,
    pub(crate) reverse: bool,
}

/// The property that entries are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SortKey {
    /// Their paths, in the order in which they come.
    #[default]
    Name,
    /// The newest first.
    Time,
    /// The largest first.
    Size,
}

/// Turns entries into lines, collected in memory until they are taken.
pub(crate) struct Lister {
    style: Style,
    zone: TimeZone,
    colors: Option<LsColors>,
    lines: Vec<u8>,
    /// Entries that wait for all others, as they are to be sorted or arranged.
    kept: Vec<(Vec<u8>, Entry)>,
}

impl Lister {
    pub(crate) fn new(style: Style, zone: TimeZone) -> Self {
        Self { style, zone, colors: None, lines: Vec::new(), kept: Vec::new() }
    }

    /// The same, with names in colours.
    pub(crate) fn colored(self, colors: Option<LsColors>) -> Self {
        Self { colors, ..self }
    }

    /// Adds an entry under this name.
    pub(crate) fn add(&mut self, name: &[u8], entry: &Entry) {
        if self.style.order == Order::default() && self.style.columns.is_none() {
            self.write(name, entry)
        } else {
            self.kept.push((name.to_vec(), entry.clone()))
        }
    }

    fn write(&mut self, name: &[u8], entry: &Entry) {
        // Writing to memory does not fail.
        let _ = match self.style {
            Style { json: true, .. } => self.lines.write_all(&entry_object(name, entry).into_line()),
            Style { long: true, .. } => self.write_long(name, entry),
            Style { .. } => writeln!(self.lines, "{}", self.painted(&Escaped(name).to_string(), entry)),
        };
    }

    /// The shown name, in its colour if there are any.
    fn painted(&self, shown: &str, entry: &Entry) -> String {
        match &self.colors {
            Some(colors) => colors.painted(shown, &entry.metadata),
            None => shown.to_owned(),
        }
    }

    /// The lines so far.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines)
    }

    /// The lines of what had to be sorted or arranged.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut kept = std::mem::take(&mut self.kept);
        match self.style.order.by {
            SortKey::Name => {}
            SortKey::Time => kept.sort_by_key(|(_, entry)| Reverse(entry.metadata.modified)),
            SortKey::Size => kept.sort_by_key(|(_, entry)| Reverse(entry.metadata.size)),
        }
        if self.style.order.reverse {
            kept.reverse();
        }
        if let Some(width) = self.style.columns {
            let cell = |(name, entry): &(Vec<u8>, Entry)| {
                let shown = Escaped(name).to_string();
                Cell::new(&shown, self.painted(&shown, entry))
            };
            let cells: Vec<Cell> = kept.iter().map(cell).collect();
            return arranged(&cells, width).into_bytes();
        }
        for (name, entry) in &kept {
            self.write(name, entry);
        }
        self.take()
    }

    fn write_long(&mut self, name: &[u8], entry: &Entry) -> io::Result<()> {
        let metadata = &entry.metadata;
        let (mode, time) =
            (mode_text(metadata.kind, metadata.mode), local_time(metadata.modified, &self.zone));
        write!(self.lines, "{mode} ")?;
        if let Some((user, group)) = owner_of(entry) {
            write!(self.lines, "{user:<8} {group:<8} ")?;
        }
        if self.style.human_readable {
            write!(self.lines, "{:>11} ", HumanBytes(metadata.size).to_string())?;
        } else {
            write!(self.lines, "{:>12} ", metadata.size)?;
        }
        let shown = self.painted(&Escaped(name).to_string(), entry);
        write!(self.lines, "{time} {shown}")?;
        match metadata.kind {
            Kind::Symlink => writeln!(self.lines, " -> {}", Escaped(&entry.link_target)),
            Kind::File | Kind::Folder | Kind::Special => writeln!(self.lines),
        }
    }
}

/// The names of an entry's owner and group, or their numbers where they have no names.
fn owner_of(entry: &Entry) -> Option<(String, String)> {
    let Owner { user, group, user_name, group_name } = entry.details.as_ref()?.owner.as_ref()?;
    let shown = |name: &str, number: u32| {
        if name.is_empty() { number.to_string() } else { Escaped(name.as_bytes()).to_string() }
    };
    Some((shown(user_name, *user), shown(group_name, *group)))
}

/// An entry as an event.
pub(crate) fn entry_object(name: &[u8], entry: &Entry) -> Object {
    let metadata = &entry.metadata;
    let object = Object::event("entry")
        .path(name)
        .text("kind", kind_word(metadata.kind))
        .number("size", metadata.size);
    let object = match timestamp(metadata.modified) {
        Some(time) => object.text("mtime", &format!("{time:.9}")),
        None => object,
    };
    let object = object.text("mode", &format!("{:04o}", metadata.mode));
    let object = match owner_of(entry) {
        Some((user, group)) => object.text("owner", &user).text("group", &group),
        None => object,
    };
    match metadata.kind {
        Kind::Symlink => object.bytes("link_target", "link_target_hex", &entry.link_target),
        Kind::File | Kind::Folder | Kind::Special => object,
    }
}

/// The kind, in a word that programs see too.
pub(crate) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Symlink => "symlink",
        Kind::Special => "special",
    }
}

/// `-rwxr-xr-x`, as ls has it.
pub(crate) fn mode_text(kind: Kind, mode: u32) -> String {
    let kind = match kind {
        Kind::File => '-',
        Kind::Folder => 'd',
        Kind::Symlink => 'l',
        Kind::Special => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    text
}

/// Date and time here, to the minute.
fn local_time(time: metadata::Timestamp, zone: &TimeZone) -> String {
    match timestamp(time) {
        Some(time) => {
            let local = zone.to_datetime(time);
            let (date, clock) = (local.date(), local.time());
            format!(
                "{:04}-{:02}-{:02} {:02}:{:02}",
                date.year(),
                date.month(),
                date.day(),
                clock.hour(),
                clock.minute()
            )
        }
        None => format!("{:>16}", "?"),
    }
}

/// Returns the local date and time with full precision.
pub(crate) fn full_time(time: metadata::Timestamp, zone: TimeZone) -> String {
    match timestamp(time) {
        Some(time) => format!("{:.9}", time.display_with_offset(zone.to_offset(time))),
        None => format!("{} seconds after 1970", time.seconds),
    }
}

/// Returns `None` for times outside the calendar (a peer may send any number).
fn timestamp(time: metadata::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, i32::try_from(time.nanos).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::RemotePath;
    use wire::message::EntryDetails;
    use wire::metadata::Metadata;

    fn entry(kind: Kind, mode: u32, seconds: i64) -> Entry {
        let modified = metadata::Timestamp { seconds, nanos: 5 };
        Entry {
            path: RemotePath::root(),
            metadata: Metadata { kind, size: 1234, modified, mode },
            link_target: b"there\n".to_vec(),
            digest: None,
            details: None,
        }
    }

    fn line(style: Style, name: &[u8], entry: &Entry) -> String {
        let mut lister = Lister::new(style, TimeZone::fixed(jiff::tz::offset(2)));
        lister.add(name, entry);
        String::from_utf8(lister.take()).unwrap()
    }

    #[test]
    fn short_and_long() {
        let file = entry(Kind::File, 0o644, 1_764_000_000);
        assert_eq!(line(Style::default(), b"a\x1b", &file), "a\\x1b\n");
        let long = Style { long: true, ..Style::default() };
        assert_eq!(line(long, b"a", &file), "-rw-r--r--         1234 2025-11-24 18:00 a\n");
        let link = entry(Kind::Symlink, 0o777, i64::MAX);
        assert_eq!(line(long, b"a", &link), "lrwxrwxrwx         1234                ? a -> there\\n\n");
        let owner = Owner { user: 7, group: 8, user_name: "a\x1b".into(), group_name: String::new() };
        let details = EntryDetails { owner: Some(owner), ..EntryDetails::default() };
        let owned = Entry { details: Some(Box::new(details)), ..file.clone() };
        assert_eq!(
            line(long, b"a", &owned),
            "-rw-r--r-- a\\x1b    8                1234 2025-11-24 18:00 a\n"
        );
        let human = Style { human_readable: true, ..long };
        assert_eq!(line(human, b"a", &file), "-rw-r--r--    1.21 KiB 2025-11-24 18:00 a\n");
    }

    #[test]
    fn for_programs() {
        let json = Style { json: true, ..Style::default() };
        assert_eq!(
            line(json, b"a", &entry(Kind::Symlink, 0o777, -1)),
            "{\"event\":\"entry\",\"v\":1,\"path\":\"a\",\"kind\":\"symlink\",\"size\":1234,\
             \"mtime\":\"1969-12-31T23:59:59.000000005Z\",\"mode\":\"0777\",\"link_target\":\"there\\u000a\"}\n"
        );
    }

    #[test]
    fn modes() {
        assert_eq!(mode_text(Kind::Folder, 0o1777), "drwxrwxrwt");
        assert_eq!(mode_text(Kind::File, 0o6640), "-rwSr-S---");
        assert_eq!(mode_text(Kind::File, 0o4755), "-rwsr-xr-x");
    }
}
