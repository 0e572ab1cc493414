//! Variables of the environment.

use ftp_client::Error;
use std::env;

/// Reads a variable; an empty one is `None`.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::Usage(format!("{name} is not UTF-8 text"))),
    }
}
