//! Transports: the one kind of TLS connection, and the two things it can become, a control connection or a lane.

pub mod aligned;
pub mod control;
pub mod lane;
pub mod record;
pub mod tls;
