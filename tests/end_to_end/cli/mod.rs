//! The command line: scripts, the shell, profiles, questions, completions.

mod commands_typed;
mod completions;
mod did_you_mean;
mod first_tries;
mod first_typed;
mod listings;
mod patterns;
mod profiles;
mod progress;
mod prompts;
mod reflexes;
mod scripts;
pub(crate) mod shell;
