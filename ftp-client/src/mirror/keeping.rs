//! Finds out how exactly the target keeps times and permissions, folder by folder and only where two entries seem to differ in
//! these alone: a converged tree on a filesystem that keeps all costs no request.

use super::difference::Difference;
use super::planner::Planner;
use crate::error::Error;
use wire::RemotePath;
use wire::fidelity::FidelityReport;
use wire::message::Entry;
use wire::metadata::Kind;
use wire::path::NameRef;

impl Planner<'_> {
    /// Compares two entries of one path and one kind.
    pub(super) fn difference(&mut self, source: &Entry, target: &Entry) -> Result<Difference, Error> {
        let fidelity = self.fidelity_for(source, target)?;
        Ok(self.comparison.of(source, target, &fidelity))
    }

    /// The exactness of the target, if the difference of two entries depends on it.
    pub(super) fn fidelity_for(&mut self, source: &Entry, target: &Entry) -> Result<FidelityReport, Error> {
        if !self.comparison.needs_fidelity(source, target) {
            return Ok(FidelityReport::EXACT);
        }
        match target.metadata.kind {
            Kind::Folder => self.fidelity_of(&target.path),
            Kind::File | Kind::Symlink | Kind::Special => {
                let folder = target.path.split_last().map(|(folder, _)| folder).unwrap_or_default();
                self.fidelity_of(&folder)
            }
        }
    }

    /// From the top down: mostly the first answer is true of all folders. A folder that cannot be tried is as the one above it.
    fn fidelity_of(&mut self, folder: &RemotePath) -> Result<FidelityReport, Error> {
        let scope = self.frames.first().map(|frame| frame.path.clone()).unwrap_or_default();
        let mut report = FidelityReport::EXACT;
        let mut above = scope;
        loop {
            report = match self.fidelities.of(&above) {
                Some(known) => known,
                None => {
                    let found = self.digester.fidelity(&above)?;
                    let unknown = FidelityReport { is_whole: false, ..report };
                    self.fidelities.remember(above.clone(), found.unwrap_or(unknown))
                }
            };
            if report.is_whole && !self.options.keep_dir_links {
                return Ok(report);
            }
            let Some(next) =
                folder.strip_prefix(&above).and_then(|below| below.names().next().map(NameRef::to_name))
            else {
                return Ok(report);
            };
            above = above.join(&next).map_err(|error| Error::remote(folder, error))?;
        }
    }
}
