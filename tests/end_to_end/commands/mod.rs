//! Each command: its results, and the input it refuses.

mod basics;
mod copies;
mod copies_of_trees;
mod deep;
mod doctor;
mod edits;
mod files;
mod folded_names;
mod links;
mod links_races;
mod long_names;
mod manifests;
mod many_names;
mod modes;
mod modes_of_trees;
mod modes_private;
mod never_opened;
mod roots;
mod slashes;
mod tails;
pub(crate) mod times;
mod trees;
mod uploads;
