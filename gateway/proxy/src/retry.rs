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

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderName;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use rampart_upstream::{Cause, EndpointId, Lease, RequestBody, Resilience};

use crate::Gateway;
use crate::context::Context;
use crate::head::random;
use crate::outcome::request_body;

/// By which a client makes any request idempotent, where the upstream keeps to it (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

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

/// Decides whether another attempt follows one that ended so. If it does, its endpoint and pause are in the context.
pub(crate) fn follows(gateway: &Gateway, session: &mut Session, ctx: &mut Context, kind: Kind) -> bool {
    let cause = kind.cause();
    let untouched = kind == Kind::Cause(Cause::Connect);
    if session.response_written().is_some() || !(untouched || ctx.repeatable(session)) {
        return false;
    }
    let Some(resilience) = ctx.route().map(|route| Arc::clone(&route.resilience)) else {
        return false;
    };
    let request = session.req_header();
    let idempotent =
        request.method.is_idempotent() || (resilience.idempotency_key && request.headers.contains_key(IDEMPOTENCY_KEY));
    if !resilience.may_retry(ctx.upstream.attempts, idempotent, cause) {
        return false;
    }
    let next = next(gateway, &resilience, ctx, kind, request_body(session, ctx));
    let follows = next.is_some();
    if let Some(Next { lease, pause, tried, free }) = next {
        let towards = &mut ctx.upstream;
        (towards.lease, towards.next) = (None, Some(lease));
        (towards.pause, towards.tried) = (pause, tried);
        towards.free_used |= free;
    }
    follows
}

/// An attempt that may follow.
struct Next {
    lease: Lease,
    pause: Duration,
    tried: Vec<EndpointId>,
    /// It costs nothing of the budget.
    free: bool,
}

/// The next attempt, if there is an endpoint for it, and time, and budget. Until it is decided upon, the present one stays as
/// it is: its response may be the one that passes.
fn next(gateway: &Gateway, resilience: &Resilience, ctx: &Context, kind: Kind, body: RequestBody) -> Option<Next> {
    let snapshot = ctx.pin.clone()?;
    let upstream = snapshot.upstream(ctx.route()?.upstream()?)?;
    let pool = gateway.parts.runtime.pool(&upstream.name)?;
    let free = kind != Kind::Cause(kind.cause()) && !ctx.upstream.free_used;
    #[expect(clippy::cast_possible_truncation, reason = "any 64 of the 128 random bits")]
    let pause = if free { Duration::ZERO } else { resilience.backoff(ctx.upstream.attempts, random() as u64) };
    if ctx.upstream.time_left().is_some_and(|left| left <= pause) {
        return None;
    }
    let mut tried = ctx.upstream.tried.clone();
    tried.extend(ctx.upstream.lease.iter().filter(|_| kind != Kind::Stale).map(|lease| lease.endpoint().id()));
    if tried.len() >= pool.endpoints().len() {
        // All were tried: each may be tried again.
        tried.clear();
    }
    let now = Instant::now();
    let another = pool.pick(|| ctx.hash, &tried, body, now);
    let lease = another.or_else(|_| pool.pick(|| ctx.hash, &[], body, now)).ok()?;
    (free || pool.withdraw_retry(resilience, kind.cause(), now)).then_some(Next { lease, pause, tried, free })
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
