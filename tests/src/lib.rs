//! Shared equipment of the end-to-end tests, the benchmarks and the demo.

pub mod demo;
pub mod wan;
pub mod world;
