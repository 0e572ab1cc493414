//! The actions of a mirror on one path. Dry runs show actions, plans keep them, runs do them: all three speak of the same.

use wire::RemotePath;
use wire::message::Entry;
use wire::metadata::Kind;

/// One thing that a run does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorAction {
    /// A file or link that the target does not have is sent.
    New {
        /// The source's entry.
        source: Entry,
    },
    /// A file or link takes the place of what the target has.
    Changed {
        /// The source's entry.
        source: Entry,
        /// The target's entry.
        target: Entry,
    },
    /// A folder is made, in the place of what is no folder if there is something.
    Folder {
        /// The source's entry.
        source: Entry,
        /// The target's entry.
        target: Option<Entry>,
    },
    /// Time, permissions, owner or attributes are set; the content is right already.
    Metadata {
        /// The source's entry.
        source: Entry,
        /// The target's entry.
        target: Entry,
    },
    /// The path becomes another name of a file that the target has.
    Linked {
        /// The source's entry.
        source: Entry,
        /// The file's first name.
        of: RemotePath,
        /// The target's entry.
        target: Option<Entry>,
    },
    /// A file of the target gets another path.
    Moved {
        /// The source's entry.
        source: Entry,
        /// The target's entry, under the old path.
        from: Entry,
    },
    /// An entry that only the target has is deleted.
    Deleted {
        /// The target's entry.
        target: Entry,
    },
}

impl MirrorAction {
    /// The path that it is about.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        match self {
            Self::New { source }
            | Self::Changed { source, .. }
            | Self::Folder { source, .. }
            | Self::Metadata { source, .. }
            | Self::Linked { source, .. }
            | Self::Moved { source, .. } => &source.path,
            Self::Deleted { target } => &target.path,
        }
    }

    /// The source's entry at the path.
    #[must_use]
    pub fn source(&self) -> Option<&Entry> {
        match self {
            Self::New { source }
            | Self::Changed { source, .. }
            | Self::Folder { source, .. }
            | Self::Metadata { source, .. }
            | Self::Linked { source, .. }
            | Self::Moved { source, .. } => Some(source),
            Self::Deleted { .. } => None,
        }
    }

    /// The target's entry at the path, or the one that it had under another path.
    #[must_use]
    pub fn target(&self) -> Option<&Entry> {
        match self {
            Self::New { .. } => None,
            Self::Changed { target, .. } | Self::Metadata { target, .. } | Self::Deleted { target } => {
                Some(target)
            }
            Self::Folder { target, .. } | Self::Linked { target, .. } => target.as_ref(),
            Self::Moved { from, .. } => Some(from),
        }
    }

    /// The sign that dry runs show it with.
    #[must_use]
    pub fn sign(&self) -> char {
        match self {
            Self::New { .. } | Self::Folder { target: None, .. } | Self::Linked { target: None, .. } => '+',
            Self::Changed { .. } | Self::Folder { .. } | Self::Linked { .. } => '~',
            Self::Metadata { .. } => '>',
            Self::Moved { .. } => '=',
            Self::Deleted { .. } => '-',
        }
    }

    /// The word that programs see.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::Changed { .. } => "changed",
            Self::Folder { .. } => "folder",
            Self::Metadata { .. } => "metadata",
            Self::Linked { .. } => "linked",
            Self::Moved { .. } => "moved",
            Self::Deleted { .. } => "deleted",
        }
    }

    /// True if it is about a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.source().or(self.target()).is_some_and(|entry| entry.metadata.kind == Kind::Folder)
    }

    /// Bytes of content that it sends.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::New { source } | Self::Changed { source, .. } => source.metadata.size,
            Self::Folder { .. }
            | Self::Metadata { .. }
            | Self::Linked { .. }
            | Self::Moved { .. }
            | Self::Deleted { .. } => 0,
        }
    }
}
