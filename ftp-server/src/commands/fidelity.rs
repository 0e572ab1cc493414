//! FIDELITY: how faithfully times and permissions are kept in a folder.

use wire::Failure;
use wire::fidelity::FidelityReport;
use wire::message::Fidelity;
use wire::store::Storage;

pub(super) fn run(storage: &dyn Storage, asked: Fidelity) -> Result<FidelityReport, Failure> {
    Ok(storage.folder(&asked.path)?.fidelity()?)
}
