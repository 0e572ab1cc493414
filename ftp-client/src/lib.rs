//! The client as a library: connect, look, move files. It neither draws nor prints, and reads no environment;
//! it reports what happens to an [`observer::TransferObserver`].

#![forbid(unsafe_code)]

mod connect_options;
mod control;
pub mod credentials;
mod dial;
pub mod doctor;
pub mod error;
mod expected_items;
pub mod fingerprint;
mod get;
mod get_many;
pub mod keys;
pub mod known_hosts;
mod lane_keeper;
mod local;
mod local_error_context;
pub mod many;
pub mod mirror;
pub mod observer;
mod options;
mod outages;
pub mod private_file;
mod put;
mod put_many;
pub mod remote;
mod report;
mod resume_store;
pub mod session;
pub mod skip_if;
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
