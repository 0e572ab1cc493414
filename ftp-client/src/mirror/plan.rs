//! Plans: what a mirror would do, written down to be looked at, and done later as far as it still fits.
//!
//! A plan is JSON, one object a line: a head that says which trees it is for and how they were compared; the items, each
//! with what both sides had; and an end with the counts, so that a plan that was cut short is no plan.
//!
//! To apply one, both trees are compared again in the same way. What is decided then is done if the plan has just that item
//! with just those preconditions; whatever of the plan was not met has drifted, and is refused. So a plan needs no code
//! of its own to be carried out, and only a number for each item in memory.

mod loaded;

pub use loaded::LoadedPlan;

use super::action::MirrorAction;
use super::recipe::{Recipe, Text};
use super::target::MirrorDirection;
use crate::error::Error;
use crate::private_file;
use crate::remote::Way;
use serde::{Deserialize, Serialize};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use tempfile::NamedTempFile;
use wire::message::Entry;
use wire::metadata::Kind;

/// Which trees a plan is for, and how they were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanHead {
    format: String,
    version: u32,
    /// `upload` or `download`.
    pub direction: DirectionWord,
    /// How the server is reached.
    #[serde(default, skip_serializing_if = "Way::is_usual")]
    pub way: Way,
    /// The server's address, as it was typed.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The server's key.
    pub key: String,
    /// The user at the server.
    pub user: String,
    /// The folder at the server.
    pub remote: Text,
    /// The folder here, from the root.
    pub local: Text,
    /// Which folders these are: device and number of the one at the server and of the one here.
    pub roots: Roots,
    /// How they were compared.
    pub recipe: Recipe,
}

/// Device and inode of the folder at the server and of the one here; none for a target that did not exist.
pub type Roots = (Option<(u64, u64)>, Option<(u64, u64)>);

/// Which way a mirror goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectionWord {
    /// From here to the server.
    Upload,
    /// From the server to here.
    Download,
}

impl From<MirrorDirection> for DirectionWord {
    fn from(direction: MirrorDirection) -> Self {
        match direction {
            MirrorDirection::Upload => Self::Upload,
            MirrorDirection::Download => Self::Download,
        }
    }
}

impl From<DirectionWord> for MirrorDirection {
    fn from(word: DirectionWord) -> Self {
        match word {
            DirectionWord::Upload => Self::Upload,
            DirectionWord::Download => Self::Download,
        }
    }
}

/// Where a plan's trees are, as far as the command line knows.
#[derive(Debug, Clone)]
pub struct PlanPlace {
    /// How the server is reached.
    pub way: Way,
    /// The server's address, as it was typed.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The folder here, from the root.
    pub local: PathBuf,
}

/// An item of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanItem {
    action: String,
    path: Text,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    from: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source: Option<EntryState>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    target: Option<EntryState>,
}

/// The state of an entry of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryState {
    kind: String,
    size: u64,
    modified: (i64, u32),
    mode: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    link: Option<Text>,
}

/// The last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanEnd {
    /// Items of the plan.
    pub items: u64,
    /// Bytes of content that it sends.
    pub bytes: u64,
    /// Entries that it deletes.
    pub deletions: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: PlanEnd,
}

/// The login that a plan is made and applied with.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanLogin {
    /// The server's key.
    pub(crate) key: String,
    /// The user's name at the server.
    pub(crate) user: String,
}

impl PlanHead {
    /// The head of a plan that this version writes.
    #[must_use]
    pub(crate) fn new(
        direction: MirrorDirection,
        place: &PlanPlace,
        login: PlanLogin,
        remote: Text,
        roots: Roots,
        recipe: Recipe,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            direction: direction.into(),
            way: place.way,
            host: place.host.clone(),
            port: place.port,
            key: login.key,
            user: login.user,
            remote,
            local: place.local.clone().into_os_string().into(),
            roots,
            recipe,
        }
    }
}

impl PlanItem {
    fn of(action: &MirrorAction) -> Self {
        let from = match action {
            MirrorAction::Moved { from, .. } => Some(from.path.as_bytes()),
            MirrorAction::Linked { of, .. } => Some(of.as_bytes()),
            MirrorAction::New { .. }
            | MirrorAction::Changed { .. }
            | MirrorAction::Folder { .. }
            | MirrorAction::Metadata { .. }
            | MirrorAction::Deleted { .. } => None,
        };
        Self {
            action: action.word().to_owned(),
            path: Text(action.path().as_bytes().to_vec()),
            from: from.map(|from| Text(from.to_vec())),
            source: action.source().map(EntryState::of),
            target: action.target().map(EntryState::of),
        }
    }

    /// A number that no other item has, by any chance that matters.
    fn number(&self) -> u128 {
        let bytes = serde_json::to_vec(self).unwrap_or_default(); // it is plain data
        let digest = blake3::hash(&bytes);
        let (first, _) = digest.as_bytes().split_at(16);
        first.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
    }
}

impl EntryState {
    fn of(entry: &Entry) -> Self {
        let metadata = &entry.metadata;
        let kind = match metadata.kind {
            Kind::File => "file",
            Kind::Folder => "folder",
            Kind::Symlink => "link",
            Kind::Special => "special",
        };
        // What is deleted is known without where it leads to; size and time tell links apart then.
        let link = (!entry.link_target.is_empty()).then(|| Text(entry.link_target.clone()));
        let modified = (metadata.modified.seconds, metadata.modified.nanos);
        Self { kind: kind.to_owned(), size: metadata.size, modified, mode: metadata.mode, link }
    }
}

/// Writes a plan. It has its name only once it is whole.
pub struct PlanWriter {
    output: BufWriter<NamedTempFile>,
    path: PathBuf,
    end: PlanEnd,
    /// The part of the head that is given by the caller.
    pub(crate) place: PlanPlace,
    pub(crate) recipe: Recipe,
}

impl PlanWriter {
    /// Begins a plan that is to be at `path`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn new(path: PathBuf, place: PlanPlace, recipe: Recipe) -> Result<Self, Error> {
        let unfinished =
            private_file::unfinished(&path, 0o644).map_err(|error| Error::local(&path, error))?;
        Ok(Self { output: BufWriter::new(unfinished), path, end: PlanEnd::default(), place, recipe })
    }

    pub(crate) fn head(&mut self, head: &PlanHead) -> Result<(), Error> {
        self.line(head)
    }

    pub(crate) fn add(&mut self, action: &MirrorAction) -> Result<(), Error> {
        self.end.items += 1;
        self.end.bytes += action.bytes();
        self.end.deletions += u64::from(matches!(action, MirrorAction::Deleted { .. }));
        self.line(&PlanItem::of(action))
    }

    /// Ends the plan and gives it its name.
    pub(crate) fn finish(mut self) -> Result<PlanEnd, Error> {
        let end = self.end;
        self.line(&EndLine { end })?;
        let Self { output, path, .. } = self;
        let failed = |error| Error::local(&path, error);
        let whole = output.into_inner().map_err(|error| failed(error.into_error()))?;
        whole.as_file().sync_all().map_err(failed)?; // a full file server tells no earlier
        whole.persist(&path).map_err(|error| failed(error.error))?;
        Ok(end)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let mut line =
            serde_json::to_vec(value).map_err(io::Error::from).map_err(|error| self.failed(error))?;
        line.push(b'\n');
        self.output.write_all(&line).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::local(&self.path, error)
    }
}

const FORMAT: &str = "ftpx-plan";
/// Grows whenever a plan means something else than before.
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::entry;
    use std::path::Path;

    fn place() -> PlanPlace {
        PlanPlace { way: Way::Ftpx, host: "h".into(), port: 1, local: "/l".into() }
    }

    fn written(path: &Path) {
        let mut writer = PlanWriter::new(path.to_owned(), place(), Recipe::default()).unwrap();
        let login = PlanLogin { key: "sha256:00".to_owned(), user: "ann".to_owned() };
        let roots = (Some((1, 2)), None);
        writer
            .head(&PlanHead::new(
                MirrorDirection::Upload,
                &place(),
                login,
                Text(vec![0xff]),
                roots,
                Recipe::default(),
            ))
            .unwrap();
        writer.add(&MirrorAction::New { source: entry("a") }).unwrap();
        writer.add(&MirrorAction::Deleted { target: entry("b/") }).unwrap();
        assert_eq!(writer.finish().unwrap(), PlanEnd { items: 2, bytes: 10, deletions: 1 });
    }

    #[test]
    fn a_plan_has_each_item_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        written(&path);
        let mut wanted = LoadedPlan::read(&path).unwrap();
        assert_eq!((wanted.head.remote.0.as_slice(), wanted.head.roots), (&[0xff][..], (Some((1, 2)), None)));
        let mut other = entry("a");
        other.metadata.size += 1;
        assert!(!wanted.take(&MirrorAction::New { source: other }));
        assert!(wanted.take(&MirrorAction::New { source: entry("a") }));
        assert!(!wanted.take(&MirrorAction::New { source: entry("a") }));
        let mut grown = entry("b/");
        grown.metadata.modified.nanos += 1;
        assert!(!wanted.take(&MirrorAction::Deleted { target: grown }));
        let mut left = Vec::new();
        assert_eq!(wanted.drifted(|path| left.push(path.to_vec())).unwrap(), 1);
        assert_eq!(left, [b"b"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_plan_that_cannot_get_its_name_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        let writer = PlanWriter::new(path.clone(), place(), Recipe::default()).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(writer.finish().is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_whole_plan_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        written(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (bad, reason) in [
            (String::new(), "no plan"),
            (text.replace("ftpx-plan", "other"), "no plan"),
            (text.replace("\"version\":1", "\"version\":2"), "version 2"),
            (lines[..3].join("\n") + "\n", "not whole"),
            ([lines[0], lines[1], lines[3]].join("\n"), "counts other items"),
            (text.replace("\"action\"", "\"deed\""), "unknown field"),
            (text[..text.len() - 10].to_owned(), "line 4"),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let error = LoadedPlan::read(&path).err().unwrap_or_else(|| panic!("accepted: {bad}"));
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
