//! REPLACE: ends a session that the client has lost, so that this one can go on with what it left.

use crate::context::Context;
use wire::message::{Done, Replace};
use wire::{Failure, FailureCode};

pub(super) async fn run(context: &Context, replace: &Replace) -> Result<Done, Failure> {
    let sessions = &context.shared.sessions;
    if replace.session != context.session
        && sessions.replace(&replace.session, &context.session, &replace.proof).await
    {
        Ok(Done)
    } else {
        Err(Failure::new(FailureCode::AccessDenied, "not the successor of that session"))
    }
}
