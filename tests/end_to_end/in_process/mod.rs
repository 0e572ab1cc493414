//! Rules of the protocol about jobs and lanes, tested at the engines in this process, over lanes in memory. Exit codes, logs, and the ends of
//! sessions are tested with the programs, in the other folders.

mod frames_refused;
mod integrity;
mod lane_on_the_way;
mod lanes_faulty;
mod lanes_lost;
mod memory_refused;
mod messages_refused;
mod receiving_end;
