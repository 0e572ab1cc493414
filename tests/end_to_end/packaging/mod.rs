//! Packages, documents and the library: what is handed out, as it is printed.

pub(crate) mod documents;
mod everyday_jobs;
mod examples;
mod library;
mod packages;
mod quick_start;
