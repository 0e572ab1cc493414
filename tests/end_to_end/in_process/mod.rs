//! Rules of the protocol about jobs and lanes, tested at the engines in this process, over lanes in memory; and commands,
//! transfers, sessions and mirrors with the real server and client over a network in memory, on storage in memory or with faults.
//! Exit codes, logs, and the ends of sessions are tested with the programs, in the other folders.

mod deltas;
mod frames_compressed;
mod frames_refused;
mod integrity;
mod lane_on_the_way;
mod lanes_faulty;
mod lanes_lost;
mod memory_refused;
mod memory_storage;
mod messages_refused;
mod mirrored;
mod mirrors;
mod mirrors_full;
mod receiving_end;
mod recipes;
mod sessions;
mod synced;
