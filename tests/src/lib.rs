//! Shared equipment of the end-to-end tests, the benchmarks and the demo.

pub mod archive;
pub mod demo;
pub mod fuzzing;
pub mod memory_storage;
pub mod packages;
pub mod proxy;
pub mod wan;
pub mod world;
