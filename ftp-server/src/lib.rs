//! The server as a library: it listens, admits logins that an authenticator accepts, and serves files below open root folders.
//!
//! ```text
//! server (accept, bounds) -> connection (TLS, first message, login) -> session (gate, requests) -> commands, jobs
//!                                     \-> lane of a session -> wire::engine
//! grants (a thread): ends sessions whose login does not stand any more
//! ```

pub mod accounts;
mod admission;
pub mod auth;
mod commands;
pub mod config;
mod connection;
mod context;
mod disconnect;
pub mod disks;
mod events;
mod grants;
pub mod identity;
mod login_queue;
mod memory;
pub mod password;
mod proof;
mod repeats;
pub mod server;
mod session;
mod sessions;
mod shared;
mod source;
pub mod state;
pub mod sweeper;
mod throttle;
pub mod token;

pub use server::{Server, ServerControl, ServerOptions};
