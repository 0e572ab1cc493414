//! Logins: who is let in, and what ends a login.

mod admission;
mod dumps;
mod keys;
mod keys_forged;
mod revocations;
mod throttle;
mod tls;
mod trust;
mod users_file;
