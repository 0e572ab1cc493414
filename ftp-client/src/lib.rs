//! The client as a library: connect, look, move files. It draws nothing, prints nothing and reads no environment;
//! what happens is told to an [`observer::Observer`].

#![forbid(unsafe_code)]

mod asked;
mod control;
pub mod credentials;
mod dial;
pub mod doctor;
pub mod error;
pub mod fingerprint;
mod get;
mod get_many;
pub mod guarded_file;
mod here;
mod interrupted;
pub mod keys;
pub mod known_hosts;
mod lanes;
mod local;
pub mod many;
pub mod mirror;
pub mod observer;
mod put;
pub mod remote;
mod report;
pub mod same;
pub mod session;
mod stream_sink;
pub mod trust;
mod tuning;
mod verifier;

pub use credentials::Credentials;
/// Removes what interrupted transfers have left in a local folder and below, but for what is in use or has changed within
/// `idle`.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep(path: &std::path::Path, idle: std::time::Duration) -> Result<wire::message::Swept, Error> {
    let swept = wire::store::sweep::below(
        local::folder(path)?,
        idle,
        &wire::store::sweep::SweepScope::All,
        &mut || false,
    );
    swept.map_err(|error| local::error_at(path, error))
}

pub use error::Error;
pub use session::{ConnectOptions, Session};
