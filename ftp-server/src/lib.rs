//! The server as a library: it listens, admits logins that an authenticator accepts, and serves files below open root folders.
//!
//! ```text
//! server (accept, bounds) -> connection (TLS, first message, login) -> session (gate, requests) -> commands, jobs
//!                                     \-> lane of a session -> wire::engine
//! grants (a thread): ends sessions whose login does not stand any more
//! ```
//!
//! Serves a folder for a day, to whoever has the token:
//!
//! ```no_run
//! use ftp_server::identity::HostIdentity;
//! use ftp_server::token::{TokenGrant, Tokens};
//! use ftp_server::{Server, ServerOptions};
//! use std::{sync::Arc, time::{Duration, SystemTime}};
//! use tokio_util::sync::CancellationToken;
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let (identity, tokens) = (HostIdentity::generate()?, Arc::new(Tokens::new()));
//! let expires_at = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
//! let (name, root, access) = ("guest".into(), "/srv/files".into(), wire::Access::Read);
//! let token = tokens.issue(TokenGrant { name, root, access, expires_at, once: false, only: None, home: None })?;
//! println!("token {}, pin {}", token.text(), identity.fingerprint());
//! let server = Server::bind(ServerOptions::new("[::]:2121".parse()?, identity, tokens)).await?;
//! server.run(CancellationToken::new(), CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

pub mod accounts;
pub mod activity;
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
mod workspace;

pub use server::{Server, ServerControl, ServerOptions};
