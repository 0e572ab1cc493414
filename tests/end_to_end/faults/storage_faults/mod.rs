//! The engines on storage that fails: at every operation, with every error, as if the process were killed, and as if the
//! power were cut. At every moment each path has its old content or its whole new content.

mod faulty;
mod joined;
mod kept;
mod model;
mod power;
pub(crate) mod process;
mod trees;
