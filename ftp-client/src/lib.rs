//! The client as a library: connect, look, move files. It neither draws nor prints, and reads no environment;
//! it reports what happens to an [`observer::TransferObserver`].
//!
//! Sends a folder to a server that is known by its key:
//!
//! ```no_run
//! use ftp_client::observer::NoopTransferObserver;
//! use ftp_client::trust::{OnUnknown, Policy};
//! use ftp_client::{ConnectOptions, Credentials, PutRequest, PutSource, Session, TransferOptions};
//! use ftp_client::{fingerprint, known_hosts::KnownHosts};
//! use std::sync::Arc;
//! # async fn send() -> Result<(), Box<dyn std::error::Error>> {
//! let pin = fingerprint::parse("sha256:92a0…"); // printed by the server; without it `known_hosts` decides
//! let trust = Policy::new(pin, KnownHosts::at("known_hosts"), OnUnknown::Refuse);
//! let login = Credentials::Password { user: "ann".into(), password: "secret".into() };
//! let session = Session::connect(ConnectOptions::new("files.example", Arc::new(trust), login)).await?;
//! let (source, path) = (PutSource::Tree("photos".into()), wire::RemotePath::from_user(b"/photos")?);
//! let request = PutRequest { source, path, into: None, totals: false, options: TransferOptions::default() };
//! let summary = session.put(request, Arc::new(NoopTransferObserver)).await?;
//! println!("{} files, {} failed", summary.files, summary.failed);
//! session.close().await;
//! # Ok(())
//! # }
//! ```

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
mod requested_job;
mod resume_store;
pub mod session;
pub mod skip_if;
pub mod source_removal;
pub mod ssh;
mod stream_sink;
mod tls_tcp;
pub mod trust;
mod tuning;
mod verifier;

pub use credentials::{AskedPassword, Credentials};
pub use dial::{Agreed, DialTarget, Dialed, Dialing, Transport};
pub use error::Error;
pub use get::GetRequest;
pub use get_many::{Fetched, GetManyRequest};
pub use local::sweep;
pub use options::TransferOptions;
pub use put::{PutRequest, PutSource};
pub use put_many::PutManyRequest;
pub use session::{ConnectOptions, Session};
