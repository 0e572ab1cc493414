//! Packages, documents and the library, exactly as delivered.

pub(crate) mod documents;
mod everyday_jobs;
mod examples;
mod library;
mod packages;
mod quick_start;
