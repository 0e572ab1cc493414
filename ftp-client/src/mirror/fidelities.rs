//! The exactness of times and permissions in folders of the target, as far as it is known.

use std::collections::HashMap;
use wire::RemotePath;
use wire::fidelity::FidelityReport;

/// Reports about folders of the target.
#[derive(Default)]
pub(super) struct Fidelities(HashMap<RemotePath, FidelityReport>);

impl Fidelities {
    /// The report about a folder, if there is one.
    pub(super) fn of(&self, folder: &RemotePath) -> Option<FidelityReport> {
        self.0.get(folder).copied()
    }

    /// Keeps a report, and returns it.
    pub(super) fn remember(&mut self, folder: RemotePath, report: FidelityReport) -> FidelityReport {
        if self.0.len() >= FOLDERS_MAX {
            self.0.clear();
        }
        self.0.insert(folder, report);
        report
    }
}

/// Folders that are remembered: none below one that is on a filesystem without mounts in it.
const FOLDERS_MAX: usize = 4096;
