//! `fingerprint`: prints the fingerprint that clients pin. It makes no key: the server does when it first starts, as the user it runs as.

use super::args::PlaceArgs;
use super::output;
use super::setup::Setup;

pub(crate) fn run(place: &PlaceArgs) -> anyhow::Result<()> {
    let identity = Setup::load(place)?.known_identity()?;
    Ok(output::line(identity.fingerprint())?)
}
