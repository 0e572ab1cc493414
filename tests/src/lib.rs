//! Shared equipment of the end-to-end tests and benchmarks.

pub mod wan;
