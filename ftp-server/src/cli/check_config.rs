//! `check-config`: finds all errors of configuration that would stop `serve`, without serving; then prints the values it would use.

use super::args::PlaceArgs;
use super::failure::OrUsage;
use super::output;
use super::setup::Setup;
use ftp_server::accounts::Accounts;
use ftp_server::config::Config;
use ftp_server::identity::HostIdentity;

pub(crate) fn run(place: &PlaceArgs) -> anyhow::Result<()> {
    let setup = Setup::load(place)?;
    let root = setup.default_root(None)?;
    check_identity(&setup)?;
    let accounts = Accounts::new(setup.state.clone(), root.clone());
    let users = accounts.list().or_usage()?.len();
    accounts.check_key_lines().or_usage()?;
    let effective = Config {
        listen: setup.listen(&[]),
        root,
        state: Some(setup.state.path().to_owned()),
        ..setup.config.clone()
    };
    let source = setup.config_file.map_or("none".to_owned(), |path| path.display().to_string());
    output::line("ok")?;
    output::line(format_args!("# configuration file: {source}"))?;
    output::line(format_args!("# users: {users} in {}", accounts.path().display()))?;
    Ok(output::line(effective.to_toml()?.trim_end())?)
}

/// Checks the identity. Unlike `serve`, does not make a missing one.
fn check_identity(setup: &Setup) -> anyhow::Result<()> {
    if setup.config.tls.is_some() {
        setup.identity()?;
    } else {
        HostIdentity::load(&setup.state).or_usage()?;
    }
    Ok(())
}
