//! REPLACE: ends a session that the client has lost, so that this one can go on with what it left.

use super::CommandAnswer;
use crate::context::Context;
use wire::message::{Done, Message, Replace};
use wire::{Failure, FailureCode};

pub(super) async fn run(context: &Context, replace: &Replace) -> CommandAnswer {
    let sessions = &context.shared.sessions;
    if replace.session != context.session
        && sessions.replace(&replace.session, &context.session, &replace.proof).await
    {
        Ok(Some(Message::from(Done)))
    } else {
        Err(Failure::new(FailureCode::AccessDenied, "not the successor of that session"))
    }
}
