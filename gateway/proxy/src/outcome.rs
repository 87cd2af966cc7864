//! How an attempt at an upstream ends, as its pool is told, and as the client is.
//!
//! Every end is noted once. What the endpoint did wrong is a failure of its ([`Lease::failed`](rampart_upstream::Lease::failed));
//! a response is a response, and what its status says about the endpoint is the pool's to judge. No verdict on the endpoint
//! are: a client that left, a refusal of the gateway's own, and what the upstream says it has not processed. (That a kept
//! connection ended is told to the pool, which knows what that says.)
//!
//! Nor is anything that happens while the client owes bytes of a body that streams, once the connection stands: an upstream that
//! waits for them answers late, or with an error, or ends the connection, and a few clients that stall their uploads must not
//! be able to close it to everybody. Where the wait ends the exchange, the client is told that it was its own (408). Bytes that
//! the upstream does not take are another matter: that ends as a write that timed out.

use std::time::Instant;

use http::StatusCode;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result, RetryType};
use rampart_decision::{Code, Refusal};
use rampart_upstream::{Cause, Failure, RequestBody};

use crate::Gateway;
use crate::body::BodyFault;
use crate::context::Context;
use crate::failure::refuse;
use crate::retry::{self, Kind};

/// Interim responses (1xx) that one exchange may have; one more ends it.
const MAX_INTERIM: u32 = 10;

/// The error that ends an attempt whose response is not passed on because another attempt follows.
const REPEATED: ErrorType = ErrorType::Custom("repeated by the gateway");

/// The connection of this attempt stands.
pub(crate) fn connected(ctx: &mut Context, reused: bool) {
    if let Some(lease) = &ctx.upstream.lease {
        match ctx.upstream.asked {
            Some(asked) if !reused => lease.connected(asked.elapsed()),
            _ => lease.reused(),
        }
    }
}

/// A response header is there. It is refused where it switches protocols unasked, where it is one interim response too many
/// and where it comes after the end of the time for the whole exchange. It ends its attempt where another may do better.
pub(crate) fn responded(gateway: &Gateway, session: &mut Session, ctx: &mut Context, status: StatusCode) -> Result<()> {
    excuse_if_owed(session, ctx);
    note_head(ctx, status)?;
    if status.is_server_error() && retry::follows(gateway, session, ctx, Kind::Cause(Cause::Status(status.as_u16()))) {
        let mut error = Error::new_up(REPEATED);
        error.set_retry(true);
        return Err(error);
    }
    Ok(())
}

fn note_head(ctx: &mut Context, status: StatusCode) -> Result<()> {
    ctx.upstream.answered = true;
    if status == StatusCode::SWITCHING_PROTOCOLS && !ctx.upgrade {
        failed(ctx, Failure::Protocol);
        return Err(refuse(ctx, broken("The upstream switched protocols and was not asked to")).into_up());
    }
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        ctx.upstream.interim += 1;
        if ctx.upstream.interim > MAX_INTERIM {
            failed(ctx, Failure::Protocol);
            return Err(refuse(ctx, broken("The upstream sent interim responses and no end of them")).into_up());
        }
        return in_time(ctx);
    }
    if let (Some(lease), Some(sent)) = (&ctx.upstream.lease, ctx.upstream.sent.take()) {
        lease.responded(status.as_u16(), sent.elapsed(), Instant::now());
    }
    in_time(ctx)
}

/// A piece of the response is there.
pub(crate) fn received(ctx: &mut Context, last: bool) -> Result<()> {
    if last {
        ctx.upstream.ended = Some(Instant::now());
        return Ok(());
    }
    in_time(ctx)
}

/// Refuses what comes after the end of the time for the whole exchange.
fn in_time(ctx: &mut Context) -> Result<()> {
    match ctx.upstream.time_left() {
        Some(left) if left.is_zero() => {
            failed(ctx, Failure::TotalTimeout);
            Err(refuse(ctx, timed_out()).into_up())
        }
        _ => Ok(()),
    }
}

/// No connection: nothing was sent, whatever the method.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors travel boxed")]
pub(crate) fn not_connected(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
    mut error: Box<Error>,
) -> Box<Error> {
    failed(ctx, failure_of(&error));
    error.set_retry(retry::follows(gateway, session, ctx, Kind::Cause(Cause::Connect)));
    error
}

/// The exchange broke off.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors travel boxed")]
pub(crate) fn broke_off(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
    mut error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    if *error.etype() == REPEATED {
        return error;
    }
    let upstreams = *error.esource() == ErrorSource::Upstream && ctx.decided.refusal.is_none();
    let owed = excuse_if_owed(session, ctx);
    let unanswered = session.response_written().is_none_or(|written| written.status.is_informational());
    if upstreams && owed && unanswered && *error.etype() == ErrorType::ReadTimedout {
        failed(ctx, Failure::ReadTimeout);
        ctx.decided.refusal = Some(Box::new(BodyFault::Timeout.into()));
        error.set_retry(false);
        return error;
    }
    let follows = upstreams && {
        let kind = if ctx.upstream.answered { None } else { kind_of(&error, reused) };
        if kind != Some(Kind::Unprocessed) {
            failed(ctx, failure_of(&error));
        }
        kind.is_some_and(|kind| retry::follows(gateway, session, ctx, kind))
    };
    error.set_retry(follows);
    error
}

/// What kind of end an error is that came before any response; `None` where another attempt would not help.
fn kind_of(error: &Error, reused: bool) -> Option<Kind> {
    let failure = failure_of(error);
    match error.retry {
        // Not what HTTP/2 is; Pingora speaks HTTP/1 to it from now on, where it may.
        RetryType::Decided(true) if error.etype == ErrorType::InvalidH2 => Some(Kind::Cause(Cause::Closed)),
        // RST_STREAM with REFUSED_STREAM, GOAWAY below the stream, HTTP_1_1_REQUIRED (RFC 9113 section 8.7).
        RetryType::Decided(true) => Some(Kind::Unprocessed),
        _ if reused && failure == Failure::Closed => Some(Kind::Stale),
        _ => Cause::of(failure).map(Kind::Cause),
    }
}

/// What of the request is still to come from the client: of a body that streams the rest, of a WebSocket everything.
pub(crate) fn request_body(session: &mut Session, ctx: &Context) -> RequestBody {
    if ctx.upgrade || owes(session, ctx) { RequestBody::ToCome } else { RequestBody::InHand }
}

/// Whether the client has bytes to send that the upstream may be waiting for. (A WebSocket's has from the switch on.)
fn owes(session: &mut Session, ctx: &Context) -> bool {
    (ctx.upgrade || ctx.body.streams) && !session.is_body_done()
}

/// No verdict on the endpoint as long as its client owes bytes. Says whether it does.
fn excuse_if_owed(session: &mut Session, ctx: &Context) -> bool {
    let owed = owes(session, ctx);
    if let (true, Some(lease)) = (owed, &ctx.upstream.lease) {
        lease.excuse();
    }
    owed
}

fn failed(ctx: &Context, failure: Failure) {
    if let Some(lease) = &ctx.upstream.lease {
        lease.failed(failure, Instant::now());
    }
}

/// The kind of failure that an error of the upstream's side is. An HTTP/2 stream that was reset and a connection that ended
/// are one.
fn failure_of(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Failure::ConnectTimeout,
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::TLSWantX509Lookup => Failure::Tls,
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::SocketError
        | ErrorType::BindError
        | ErrorType::ConnectProxyFailure => Failure::Connect,
        ErrorType::ReadTimedout => Failure::ReadTimeout,
        ErrorType::WriteTimedout => Failure::WriteTimeout,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::H2Error => {
            Failure::Closed
        }
        _ => Failure::Protocol,
    }
}

/// The refusal for an error of the upstream's side.
pub(crate) fn refusal_of(error: &Error) -> Refusal {
    match failure_of(error) {
        Failure::Connect => Refusal::new(
            Code::UpstreamConnect,
            "The upstream could not be reached",
            "Nothing was sent; the request may be repeated.",
        ),
        Failure::Tls => tls_failed(),
        Failure::ConnectTimeout | Failure::ReadTimeout | Failure::WriteTimeout | Failure::TotalTimeout => timed_out(),
        Failure::Closed | Failure::Protocol => {
            broken("The upstream ended the exchange before its response was complete")
        }
    }
}

fn broken(error: &'static str) -> Refusal {
    Refusal::new(Code::UpstreamProtocol, error, "Whether the request took effect is not known.")
}

pub(crate) fn tls_failed() -> Refusal {
    Refusal::new(
        Code::UpstreamTls,
        "No trusted connection to the upstream could be made",
        "Nothing was sent; the request may be repeated.",
    )
}

pub(crate) fn timed_out() -> Refusal {
    Refusal::new(
        Code::UpstreamTimeout,
        "The upstream did not answer in time",
        "Whether the request took effect is not known.",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_kind_of_error_has_its_code() {
        #[track_caller]
        fn check(etype: ErrorType, failure: Failure, code: Code, status: u16) {
            let error = Error::new_up(etype);
            assert_eq!(failure_of(&error), failure);
            let refusal = refusal_of(&error);
            assert_eq!((refusal.code, refusal.status), (code, status));
        }
        check(ErrorType::ConnectRefused, Failure::Connect, Code::UpstreamConnect, 502);
        check(ErrorType::ConnectNoRoute, Failure::Connect, Code::UpstreamConnect, 502);
        check(ErrorType::ConnectTimedout, Failure::ConnectTimeout, Code::UpstreamTimeout, 504);
        check(ErrorType::TLSHandshakeFailure, Failure::Tls, Code::UpstreamTls, 502);
        check(ErrorType::InvalidCert, Failure::Tls, Code::UpstreamTls, 502);
        check(ErrorType::ReadTimedout, Failure::ReadTimeout, Code::UpstreamTimeout, 504);
        check(ErrorType::WriteTimedout, Failure::WriteTimeout, Code::UpstreamTimeout, 504);
        check(ErrorType::ConnectionClosed, Failure::Closed, Code::UpstreamProtocol, 502);
        check(ErrorType::H2Error, Failure::Closed, Code::UpstreamProtocol, 502);
        check(ErrorType::InvalidHTTPHeader, Failure::Protocol, Code::UpstreamProtocol, 502);
    }

    #[test]
    fn ends_that_are_nobodys_fault_are_told_apart() {
        #[track_caller]
        fn check(etype: &ErrorType, retry: RetryType, reused: bool, expect: Option<Kind>) {
            let mut error = Error::new_up(etype.clone());
            error.retry = retry;
            assert_eq!(kind_of(&error, reused), expect, "{etype:?} reused={reused}");
        }
        let (no, kept) = (RetryType::Decided(false), RetryType::ReusedOnly);
        check(&ErrorType::ConnectionClosed, kept, true, Some(Kind::Stale));
        check(&ErrorType::ConnectionClosed, kept, false, Some(Kind::Cause(Cause::Closed)));
        check(&ErrorType::ReadError, no, true, Some(Kind::Stale));
        check(&ErrorType::ReadTimedout, no, true, Some(Kind::Cause(Cause::Timeout)));
        check(&ErrorType::H2Error, RetryType::Decided(true), false, Some(Kind::Unprocessed));
        check(&ErrorType::H2Downgrade, RetryType::Decided(true), true, Some(Kind::Unprocessed));
        check(&ErrorType::H2Error, no, false, Some(Kind::Cause(Cause::Closed)));
        // It answered, with something: the request may have taken effect.
        check(&ErrorType::InvalidH2, RetryType::Decided(true), false, Some(Kind::Cause(Cause::Closed)));
        check(&ErrorType::InvalidHTTPHeader, no, false, None);
    }

    #[test]
    fn responses_that_nobody_asked_for_end_the_exchange() {
        #[track_caller]
        fn check(upgrade: bool, statuses: &[u16], expect: Option<Code>) {
            let mut ctx = Context::spent();
            ctx.upgrade = upgrade;
            let passed =
                statuses.iter().all(|status| note_head(&mut ctx, StatusCode::from_u16(*status).unwrap()).is_ok());
            assert_eq!(ctx.decided.refusal.as_ref().map(|refusal| refusal.code), expect, "{statuses:?}");
            assert_eq!(passed, expect.is_none());
        }
        check(false, &[200], None);
        check(false, &[101], Some(Code::UpstreamProtocol));
        check(true, &[101], None);
        check(false, &[[103; 10].as_slice(), &[200]].concat(), None);
        check(false, &[102; 11], Some(Code::UpstreamProtocol));
    }

    #[test]
    fn a_head_after_the_total_deadline_is_refused() {
        let mut ctx = Context::spent();
        ctx.upstream.total = Some(Duration::from_nanos(1));
        ctx.upstream.began = Instant::now().checked_sub(Duration::from_secs(1));
        assert!(note_head(&mut ctx, StatusCode::OK).is_err());
        assert_eq!(ctx.decided.refusal.unwrap().code, Code::UpstreamTimeout);
    }
}
