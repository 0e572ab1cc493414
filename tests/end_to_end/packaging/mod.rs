//! Packages, documents and the library: what is handed out, as it is printed.

mod examples;
mod library;
mod packages;
mod readme_examples;
