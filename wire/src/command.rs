//! A command of the protocol: the permission that it requires, and the direction of its data. The table of messages has a row
//! for each command, which is the only policy there is; a request without a row is refused.

use crate::access::Access;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_covers_another_if_it_meets_all_that_it_meets() {
        let needs = [Needs::See, Needs::Add, Needs::Change, Needs::Remove];
        for (one, other) in Access::ALL.into_iter().flat_map(|one| Access::ALL.map(|other| (one, other))) {
            let meets_all = needs.iter().all(|needs| needs.met_by(one) || !needs.met_by(other));
            assert_eq!(one.covers(other), meets_all, "{one} {other}");
        }
    }
}
