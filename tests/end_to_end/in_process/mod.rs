//! Rules of the protocol on lanes, tested at the engines in this process, over lanes in memory. Exit codes, logs, and the ends of
//! sessions are tested with the programs, in the other folders.

mod frames_refused;
mod integrity;
mod lanes_lost;
mod receiving_end;
