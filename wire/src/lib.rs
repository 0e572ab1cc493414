//! The protocol of `ftp-server` and `ftp-client`: its types, bytes and limits, and the machines that send and receive.
//!
//! Without the feature `net` this crate does no I/O: no socket, no file, no clock. `PROTOCOL.md` beside it specifies every
//! byte.

#![deny(unsafe_code)] // except for one call, in store/write_out.rs

pub mod access;
pub mod binding;
mod bounded;
pub mod budget;
pub mod checksum;
mod codec;
pub mod command;
pub mod control;
pub mod delta;
pub mod digest;
pub mod escape;
pub mod failure;
pub mod features;
pub mod fidelity;
pub mod frame;
pub mod glob;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod login;
pub mod message;
pub mod metadata;
pub mod modes;
pub mod path;
pub mod ranges;
pub mod receiver;
pub mod sender;
pub mod sha256;
pub mod share_code;
pub mod stdio;
pub mod sync;
pub mod verified;
pub mod wildcard;

pub use access::Access;
pub use codec::CodecError;
pub use failure::{Failure, FailureCode};
pub use path::{Name, RemotePath};

#[cfg(feature = "net")]
mod compression;
#[cfg(feature = "net")]
pub mod disk;
#[cfg(feature = "net")]
pub mod engine;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
pub mod secrets;
#[cfg(feature = "net")]
pub mod store;
#[cfg(feature = "net")]
pub mod transport;
