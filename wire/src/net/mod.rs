//! The control connection: messages between the two ends of a session, over one connection of the transport.

pub mod control;
