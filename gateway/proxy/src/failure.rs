//! What went wrong between the phases, made a refusal.
//!
//! A phase that refuses leaves its [`Refusal`] in the context and ends with an error of this module's kind; Pingora's own
//! errors are sorted by whose side failed. A client that has gone gets no answer, and one that has part of a response sees
//! the connection break: both are the truth.

use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType};
use rampart_decision::{Code, Refusal};

use crate::context::Context;
use crate::{outcome, refusal};

/// The error that stands for a refusal in the context.
const REFUSED: ErrorType = ErrorType::Custom("refused by the gateway");

/// Leaves `refusal` in the context and gives the error that ends the phase.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors travel boxed")]
pub(crate) fn refuse(ctx: &mut Context, refusal: Refusal) -> Box<Error> {
    ctx.decided.refusal = Some(Box::new(refusal));
    let mut error = Error::new_in(REFUSED);
    error.set_retry(false);
    error
}

/// Answers for a request that could not be forwarded, or not to its end.
pub(crate) async fn answer(session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
    let nobody = FailToProxy { error_code: 0, can_reuse_downstream: false };
    if ctx.decided.refusal.is_none() {
        let Some(refusal) = refusal_for(error) else {
            return nobody;
        };
        if refusal.code == Code::Internal {
            log::error!("request {}: {error}", ctx.request_id());
        }
        ctx.decided.refusal = Some(Box::new(refusal));
    }
    // A request that reached an attempt at an upstream ends its connection: Pingora closes it whatever is said here, so the
    // answer says so, too. That of a subrequest is no connection.
    let attempted = ctx.upstream.asked.is_some() && session.subrequest_ctx.is_none();
    if *error.esource() == ErrorSource::Downstream || attempted {
        session.set_keepalive(None);
    }
    let Some(refusal) = ctx.decided.refusal.take() else {
        return nobody;
    };
    let error_code = refusal.status;
    let can_reuse_downstream = give(session, ctx, refusal).await && !attempted;
    FailToProxy { error_code, can_reuse_downstream }
}

/// Gives the refusal to the client, as far as that has nothing of a response yet, and keeps it in the context. Says whether
/// the connection can go on.
pub(crate) async fn give(session: &mut Session, ctx: &mut Context, refusal: Box<Refusal>) -> bool {
    let begun = session.response_written().is_some_and(|written| !written.status.is_informational());
    let reusable = !begun && session.is_body_done();
    match &ctx.hold {
        // The head was written as far as the pass that holds it: the client has seen nothing yet.
        Some(hold) if begun && hold.holds() => hold.refuse(refusal.clone()),
        // What goes through now is the answer.
        Some(hold) if !begun => hold.let_go(),
        _ => {}
    }
    let written = if begun { Ok(()) } else { refusal::answer(session, &refusal, ctx.request_id(), &ctx.way).await };
    ctx.decided.refusal = Some(refusal);
    reusable && written.is_ok()
}

/// `None` where the client is the one who has gone.
fn refusal_for(error: &Error) -> Option<Refusal> {
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, _) => Some(outcome::refusal_of(error)),
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::new(
            Code::BodyTimeout,
            "The request body did not arrive in time",
            "Send the body faster, or in smaller requests.",
        )),
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => Some(Refusal::new(
            Code::FramingInvalid,
            "The request head cannot be forwarded",
            "Its target or its Connection field means different things to different servers.",
        )),
        (ErrorSource::Downstream, _) => None,
        _ => Some(Refusal::new(Code::Internal, "The gateway failed", "The gateway's log has the reason.")),
    }
}
