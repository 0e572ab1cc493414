//! Names of the source that the target takes for one: the second is reported as failed before anything of it is sent.

use super::dir_frame::Presence;
use super::planner::Planner;
use crate::error::Error;
use wire::message::Entry;
use wire::metadata::Kind;

impl Planner<'_> {
    /// True if the target takes the item's name for that of one that came before, and does not have it as it is.
    pub(super) fn is_name_taken(&mut self, source: &Entry, target: Option<&Entry>) -> Result<bool, Error> {
        let Some((_, name)) = source.path.parent_and_name() else { return Ok(false) };
        if source.metadata.kind == Kind::Special || !self.selection.sends(source) {
            return Ok(false);
        }
        let is_first = self.frame().names.insert(name.as_bytes());
        Ok(!is_first && target.is_none() && self.folds_case()?)
    }

    /// Asked only where two names differ in case alone. A new folder is as the one that it is made in; without any, it shows later.
    fn folds_case(&mut self) -> Result<bool, Error> {
        let is_there = |presence: &Presence| match presence {
            Presence::Both(..) => true,
            Presence::SourceOnly(_) | Presence::TargetOnly(_) | Presence::Conflict(..) => false,
        };
        let Some(frame) = self.frames.iter_mut().rev().find(|frame| is_there(&frame.presence)) else {
            return Ok(false);
        };
        if frame.folds_case.is_none() {
            let report = self.digester.fidelity(&frame.path)?;
            frame.folds_case = Some(report.is_some_and(|report| report.folds_case));
        }
        Ok(frame.folds_case == Some(true))
    }
}
