//! The client as a library: connect, look, move files. It draws nothing, prints nothing and reads no environment;
//! what happens is told to an [`observer::Observer`].

#![forbid(unsafe_code)]

mod asked;
mod connect_options;
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
mod options;
mod outages;
mod put;
mod put_many;
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
pub use get::GetRequest;
pub use get_many::{Fetched, GetManyRequest};
pub use local::sweep;
pub use options::TransferOptions;
pub use put::{PutRequest, PutSource};
pub use put_many::PutManyRequest;
pub use session::{ConnectOptions, Session};
