//! The client as a library: connect, look, move files. It draws nothing, prints nothing and reads no environment;
//! what happens is told to an [`observer::Observer`].

mod control;
pub mod credentials;
mod dial;
pub mod error;
pub mod fingerprint;
mod get;
pub mod guarded_file;
pub mod keys;
pub mod known_hosts;
mod lanes;
mod local;
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
pub use error::Error;
pub use session::{ConnectOptions, Session};
