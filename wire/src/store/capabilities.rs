//! Capabilities of a storage: the optional features that it reports, so that commands and jobs refuse the others by name.

use crate::failure::{Failure, FailureCode};
use crate::message::Details;
use crate::metadata::Timestamp;

/// An optional feature of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// A file takes the place of another in one step.
    AtomicReplace,
    /// Permissions can be set.
    Modes,
    /// Modification times of existing entries can be set.
    Times,
    /// Symbolic links.
    Symlinks,
    /// Several names for one file.
    HardLinks,
    /// Extended attributes.
    Xattrs,
    /// Owners and groups.
    Owners,
    /// Files can have holes.
    Holes,
    /// The verified chunks of an interrupted upload are kept for the next run.
    Resume,
    /// What is reported as done survives a loss of power, if this is requested.
    PowerDurability,
}

/// The set of optional features that a folder's storage has. One that has a feature may still refuse it for an entry: the set
/// tells which operations are worth asking for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(u16);

impl Capability {
    const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The reason why a request for it is refused.
    const fn refusal(self) -> &'static str {
        match self {
            Self::AtomicReplace => "this storage cannot replace a file in one step",
            Self::Modes => "this storage keeps no permissions",
            Self::Times => "this storage cannot set modification times",
            Self::Symlinks => "this storage has no symbolic links",
            Self::HardLinks => "this storage has no hard links",
            Self::Xattrs => "this storage has no extended attributes",
            Self::Owners => "this storage has no owners",
            Self::Holes => "this storage has no files with holes",
            Self::Resume => "this storage keeps no partial files",
            Self::PowerDurability => "this storage does not promise to survive a loss of power",
        }
    }
}

impl Capabilities {
    /// All features, as on a local filesystem, which itself refuses what one of its kinds lacks.
    pub const ALL: Self = Self(u16::MAX);

    /// The same set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !capability.bit())
    }

    /// True if `capability` is in the set.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Refuses a request that needs `capability`.
    ///
    /// # Errors
    /// `Unsupported`, with the feature's name, if the set lacks it.
    pub fn require(self, capability: Capability) -> Result<(), Failure> {
        if self.has(capability) {
            Ok(())
        } else {
            Err(Failure::new(FailureCode::Unsupported, capability.refusal()))
        }
    }

    /// Refuses to set metadata that the storage does not keep.
    ///
    /// # Errors
    /// `Unsupported`, with the feature's name.
    pub fn require_metadata(self, modified: Option<Timestamp>, mode: Option<u32>) -> Result<(), Failure> {
        if modified.is_some() {
            self.require(Capability::Times)?;
        }
        if mode.is_some() { self.require(Capability::Modes) } else { Ok(()) }
    }

    /// Refuses to report details that the storage does not have.
    ///
    /// # Errors
    /// `Unsupported`, with the feature's name.
    pub fn require_details(self, wanted: Details) -> Result<(), Failure> {
        if wanted.owner {
            self.require(Capability::Owners)?;
        }
        if wanted.xattrs { self.require(Capability::Xattrs) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_feature_is_refused_by_its_name_and_no_other() {
        let set = Capabilities::ALL.without(Capability::Symlinks).without(Capability::PowerDurability);
        let failure = set.require(Capability::Symlinks).unwrap_err();
        assert_eq!(failure.code, FailureCode::Unsupported);
        assert!(failure.message.contains("symbolic links"), "{failure}");
        assert!(set.require(Capability::PowerDurability).is_err());
        assert_eq!(set.require_metadata(Some(Timestamp::default()), Some(0o644)), Ok(()));
        let set = set.without(Capability::Modes);
        assert_eq!(set.require_metadata(Some(Timestamp::default()), None), Ok(()));
        assert!(set.require_metadata(None, Some(0o644)).is_err());
        let owners = Details { owner: true, ..Details::default() };
        assert_eq!(set.require_details(owners), Ok(()));
        assert!(set.without(Capability::Owners).require_details(owners).is_err());
    }
}
