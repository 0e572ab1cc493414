//! `fingerprint`: what clients pin. Makes the identity if there is none, so that it can be handed out before the
//! first start.

use super::args::PlaceArgs;
use super::output;
use super::setup::Setup;

pub(crate) fn run(place: &PlaceArgs) -> anyhow::Result<()> {
    let identity = Setup::load(place)?.identity()?;
    Ok(output::line(identity.fingerprint())?)
}
