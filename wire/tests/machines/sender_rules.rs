//! Each rule of `ReceiverViolation`, broken by a sender that follows all the others.
