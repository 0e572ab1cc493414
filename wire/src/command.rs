//! The commands of the protocol: one row each, and the only policy there is. A request without a row is refused.

use crate::access::Access;
use crate::message::Change;

/// The permission that a command requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Only a login.
    Login,
    /// List and read.
    See,
    /// Add new entries.
    Add,
    /// Replace and change existing entries.
    Change,
    /// Remove and rename.
    Remove,
}

impl Needs {
    /// True if `access` includes this permission.
    #[must_use]
    pub fn met_by(self, access: Access) -> bool {
        match (self, access) {
            (Self::Login, _)
            | (_, Access::Full)
            | (Self::See, Access::Read | Access::Write)
            | (Self::Add, Access::Write | Access::Drop)
            | (Self::Change, Access::Write) => true,
            (Self::See, Access::Drop)
            | (Self::Add, Access::Read)
            | (Self::Change, Access::Read | Access::Drop)
            | (Self::Remove, Access::Read | Access::Write | Access::Drop) => false,
        }
    }
}

/// Returns the permission for a change of a batch, the same as for the equivalent single command. Moving a file to the backups
/// is a rename, even where its old name stays until a new file replaces it; and a file in the way of a backup's folder is
/// renamed for good.
#[must_use]
pub fn needs_of(change: &Change) -> Needs {
    match change {
        Change::RemoveFile { .. }
        | Change::RemoveFolder { .. }
        | Change::Move { .. }
        | Change::SetAside { .. }
        | Change::SetOwner { .. } => Needs::Remove,
        Change::MakeFolder { .. }
        | Change::SetMetadata { .. }
        | Change::HardLink { .. }
        | Change::SetXattrs { .. }
        | Change::Sync { .. } => Needs::Change,
    }
}

/// Direction of a command's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// No data; the control connection carries everything.
    Control,
    /// Over lanes, to the client.
    ToClient,
    /// Over lanes, to the server.
    ToServer,
}

/// A command of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name, as used in documents and logs.
    pub name: &'static str,
    /// The kind of its request message.
    pub kind: u16,
    /// The permission it requires.
    pub needs: Needs,
    /// Direction of its data.
    pub flow: Flow,
}

/// All commands. The gate, the documents and the tests read this table.
pub const SPECS: &[Spec] = &[
    spec("LIST", 16, Needs::See, Flow::Control),
    spec("STAT", 18, Needs::See, Flow::Control),
    spec("GET", 20, Needs::See, Flow::ToClient),
    spec("PUT", 21, Needs::Add, Flow::ToServer),
    spec("MKDIR", 23, Needs::Change, Flow::Control),
    spec("REMOVE", 24, Needs::Remove, Flow::Control),
    spec("RENAME", 25, Needs::Remove, Flow::Control),
    spec("SETMETA", 26, Needs::Change, Flow::Control),
    spec("LINK", 27, Needs::Change, Flow::Control),
    spec("HASH", 28, Needs::See, Flow::Control),
    spec("SPACE", 30, Needs::See, Flow::Control),
    spec("SELECT", 32, Needs::See, Flow::ToClient),
    spec("DIGESTS", 33, Needs::See, Flow::Control),
    spec("BATCH", 35, Needs::Change, Flow::Control),
    spec("REPLACE", 37, Needs::Login, Flow::Control),
    spec("SWEEP", 38, Needs::Change, Flow::Control),
    spec("FIDELITY", 40, Needs::Change, Flow::Control),
    spec("CANCEL", 48, Needs::Login, Flow::Control),
    spec("PING", 49, Needs::Login, Flow::Control),
    spec("BYE", 51, Needs::Login, Flow::Control),
];

/// Returns the row of the command that is requested by messages of this kind.
#[must_use]
pub fn spec_of(kind: u16) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.kind == kind)
}

const fn spec(name: &'static str, kind: u16, needs: Needs, flow: Flow) -> Spec {
    Spec { name, kind, needs, flow }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn every_row_is_a_known_message_and_stands_once() {
        for spec in SPECS {
            assert!(Message::kind_name(spec.kind).is_some(), "{}", spec.name);
            assert_eq!(SPECS.iter().filter(|other| other.kind == spec.kind).count(), 1, "{}", spec.name);
        }
    }

    #[test]
    fn an_access_covers_another_if_it_meets_all_that_it_meets() {
        let needs = [Needs::See, Needs::Add, Needs::Change, Needs::Remove];
        for (one, other) in Access::ALL.into_iter().flat_map(|one| Access::ALL.map(|other| (one, other))) {
            let meets_all = needs.iter().all(|needs| needs.met_by(one) || !needs.met_by(other));
            assert_eq!(one.covers(other), meets_all, "{one} {other}");
        }
    }

    #[test]
    fn access_is_what_the_words_say() {
        let allowed = |access: Access| -> Vec<&str> {
            SPECS
                .iter()
                .filter(|spec| spec.needs != Needs::Login && spec.needs.met_by(access))
                .map(|spec| spec.name)
                .collect()
        };
        assert_eq!(allowed(Access::Read), ["LIST", "STAT", "GET", "HASH", "SPACE", "SELECT", "DIGESTS"]);
        assert_eq!(allowed(Access::Drop), ["PUT"]);
        assert!(!allowed(Access::Write).contains(&"REMOVE") && allowed(Access::Write).contains(&"PUT"));
        assert_eq!(allowed(Access::Full).len(), 16);
    }
}
