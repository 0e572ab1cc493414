//! Who is let in, and what ends with it.

mod admission;
mod dumps;
mod keys;
mod keys_forged;
mod revocations;
mod throttle;
mod tls;
mod trust;
mod users_file;
