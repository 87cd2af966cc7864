//! Whether a failed attempt at an upstream is followed by another, where, and when.
//!
//! All of this has to hold: the route's `resilience` has attempts left and names the cause; nothing of a response has gone to the
//! client; the request is idempotent, or the upstream cannot have begun with it; all of its body can be sent again; there is
//! time left beyond the pause; an endpoint is fit to take it, another one first; and the upstream's budget has a retry. The
//! endpoint is picked before the failed response is given up, so that a client gets that one where there is nobody else.
//!
//! Two ends are nobody's fault and cost no budget and no pause, once for each request: a kept connection that the upstream had
//! closed in the meantime, and an HTTP/2 stream that it says it did not process.
//!
//! A pause ends when the client leaves.

use std::time::Instant;

use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use rampart_upstream::{Cause, Lease, Resilience};

use crate::context::Context;
use crate::head::random;
use crate::{Gateway, upstream};

/// How an attempt ended that another may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A failure, or a status that says so.
    Cause(Cause),
    /// A kept connection ended before any byte of a response.
    Stale,
    /// The upstream says that it has not processed the request.
    Unprocessed,
}

impl Kind {
    /// What it counts as in the route's `resilience`.
    fn cause(self) -> Cause {
        match self {
            Self::Cause(cause) => cause,
            Self::Stale => Cause::Closed,
            Self::Unprocessed => Cause::Connect,
        }
    }
}

/// The rules by which this request's attempts are repeated.
pub(crate) fn resilience<'a>(gateway: &'a Gateway, _ctx: &'a Context) -> &'a Resilience {
    &gateway.resilience
}

/// Decides whether another attempt follows one that ended so. If it does, its endpoint and pause are in the context.
pub(crate) fn follows(gateway: &Gateway, session: &mut Session, ctx: &mut Context, kind: Kind) -> bool {
    let cause = kind.cause();
    let untouched = kind == Kind::Cause(Cause::Connect);
    if session.response_written().is_some() || !(untouched || ctx.repeatable(session)) {
        return false;
    }
    let idempotent = session.req_header().method.is_idempotent();
    if !resilience(gateway, ctx).may_retry(ctx.upstream.attempts, idempotent, cause) {
        return false;
    }
    match next(gateway, ctx, kind) {
        Some(lease) => {
            ctx.upstream.next = Some(lease);
            true
        }
        None => false,
    }
}

/// The endpoint of the next attempt, if there is one, and time, and budget.
fn next(gateway: &Gateway, ctx: &mut Context, kind: Kind) -> Option<Lease> {
    let snapshot = ctx.pin.clone()?;
    let upstream = snapshot.upstream(ctx.route()?.upstream()?)?;
    let pool = gateway.parts.runtime.pool(&upstream.name)?;
    let free = kind != Kind::Cause(kind.cause()) && !ctx.upstream.free_used;
    ctx.upstream.pause = if free {
        std::time::Duration::ZERO
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "any 64 of the 128 random bits")]
        resilience(gateway, ctx).backoff(ctx.upstream.attempts, random() as u64)
    };
    if ctx.upstream.time_left().is_some_and(|left| left <= ctx.upstream.pause) {
        return None;
    }
    if let Some(lease) = ctx.upstream.lease.take().filter(|_| kind != Kind::Stale) {
        ctx.upstream.tried.push(lease.endpoint().id());
    }
    if ctx.upstream.tried.len() >= pool.endpoints().len() {
        // All were tried: each may be tried again.
        ctx.upstream.tried.clear();
    }
    let lease = upstream::pick(gateway, upstream, ctx).or_else(|_| {
        ctx.upstream.tried.clear();
        upstream::pick(gateway, upstream, ctx)
    });
    let lease = lease.ok()?;
    if free {
        ctx.upstream.free_used = true;
    } else if !pool.withdraw_retry(resilience(gateway, ctx), kind.cause(), Instant::now()) {
        return None;
    }
    Some(lease)
}

/// Waits until the next attempt is due, where there was one before.
pub(crate) async fn pause(session: &mut Session, ctx: &mut Context) -> Result<()> {
    let pause = std::mem::take(&mut ctx.upstream.pause);
    if pause.is_zero() {
        return Ok(());
    }
    tokio::select! {
        () = tokio::time::sleep(pause) => Ok(()),
        gone = left(session, ctx.upgrade) => Err(gone),
    }
}

/// Comes to its end when the client has gone. Where more of its request is to come, that is not noticed here: what is read
/// would be missing later.
pub(crate) async fn left(session: &mut Session, upgrade: bool) -> Box<Error> {
    if upgrade || !session.is_body_done() {
        return std::future::pending().await;
    }
    let mut error = match session.downstream_session.read_body_or_idle(true).await {
        Ok(_) => Error::explain(ErrorType::ConnectionClosed, "bytes after the request's end"),
        Err(error) => error,
    };
    error.set_retry(false);
    error.into_down()
}
