//! The response under inspection: its head, and its body where the profile asks for it.
//!
//! A body of an inspected type is collected up to the profile's limit and withheld until it was judged; what comes after
//! the limit passes as it comes. Event streams, switched protocols and other types are never collected. In mode `detect`
//! nothing is withheld: a copy is judged. The budget of buffered bytes counts what is collected, until it has been sent.
//!
//! These are the filters of the phases. That the head waits too is `held.rs`'s doing. Where it cannot (the request's body
//! still streams), a refusal cuts the response off where it is.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use rampart_decision::{Code, Exchange, Refusal, Want};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::Gateway;
use crate::budget::Permit;
use crate::context::Context;
use crate::decide::OFFLOAD_BYTES;
use crate::failure::refuse;
use crate::head::with_response;
use crate::workspace::with_workspace;

/// A response under inspection.
pub(crate) struct Watch {
    exchange: Box<Exchange>,
    /// The body, as long as it is collected.
    collected: Option<Collected>,
}

struct Collected {
    bytes: BytesMut,
    limit_bytes: usize,
    permit: Permit,
}

/// Bytes on their way to the client, and their share of the budget.
struct Sent {
    bytes: BytesMut,
    _permit: Permit,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Watch {
    pub(crate) fn new(exchange: Box<Exchange>) -> Self {
        Self { exchange, collected: None }
    }

    /// Whether a refusal may come after the head of the response, which so has to wait.
    pub(crate) fn holds(&self) -> bool {
        self.exchange.holds()
    }
}

/// Judges a final response head; says what becomes of the body that follows.
pub(crate) fn head(gateway: &Gateway, session: &Session, header: &ResponseHeader, ctx: &mut Context) -> Result<()> {
    if header.status.is_informational() && header.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    let Some(mut watch) = ctx.watch.take() else { return Ok(()) };
    let wanted =
        with_response(header, |head| with_workspace(|space| watch.exchange.head(head, SystemTime::now(), space)));
    let judged = match wanted {
        Ok(Want::Body { limit_bytes }) if !bodiless(session, header) => {
            let permit = gateway.parts.budget.permit();
            watch.collected = Some(Collected { bytes: BytesMut::new(), limit_bytes, permit });
            if let Some(hold) = &ctx.hold {
                hold.hold();
            }
            Ok(())
        }
        Ok(_) => with_workspace(|space| watch.exchange.body(&[], true, SystemTime::now(), space)),
        Err(refusal) => Err(refusal),
    };
    let over = watch.collected.is_none();
    ctx.watch = Some(watch);
    if over {
        // Nothing more will be known, and a stream of hours holds no configuration.
        end(ctx);
    }
    judged.map_err(|refusal| refuse(ctx, *refusal))
}

/// Whether no body follows this head (RFC 9112 section 6.3).
fn bodiless(session: &Session, header: &ResponseHeader) -> bool {
    session.req_header().method == Method::HEAD
        || matches!(header.status.as_u16(), 101 | 204 | 304)
        || header.headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

/// Collects a piece of the body; judges it when it is whole, or as long as it may be.
pub(crate) fn body(piece: &mut Option<Bytes>, last: bool, ctx: &mut Context) -> Result<()> {
    let Some(collected) = ctx.watch.as_mut().and_then(|watch| watch.collected.as_mut()) else { return Ok(()) };
    if let Some(bytes) = piece.as_mut().filter(|bytes| !bytes.is_empty()) {
        if !collected.permit.grow(bytes.len()) {
            return spent(ctx);
        }
        collected.bytes.extend_from_slice(bytes);
        if let Some(hold) = &ctx.hold {
            hold.withhold();
            *bytes = Bytes::new();
        }
    }
    if !last && collected.bytes.len() <= collected.limit_bytes {
        return Ok(());
    }
    if let Some(judged) = judge(ctx)? {
        *piece = Some(judged);
    }
    Ok(())
}

/// A body whose end is said by trailers. Held, it goes on without them: Pingora takes either bytes or trailers from here. An
/// error it takes for nothing, so a refusal is left where the other pass finds it.
pub(crate) fn trailers(ctx: &mut Context) -> Option<Bytes> {
    let judged = judge(ctx);
    if judged.is_err()
        && let (Some(hold), Some(refusal)) = (&ctx.hold, &ctx.decided.refusal)
    {
        hold.refuse(refusal.clone());
    }
    judged.ok().flatten()
}

/// Judges what was collected. Gives it, where it was withheld and may go on.
fn judge(ctx: &mut Context) -> Result<Option<Bytes>> {
    let Some(watch) = &mut ctx.watch else { return Ok(None) };
    let Some(Collected { bytes, limit_bytes, permit }) = watch.collected.take() else { return Ok(None) };
    let whole = bytes.len() <= limit_bytes;
    let seen = bytes.get(..limit_bytes).unwrap_or(&bytes);
    let judged =
        aside(seen.len(), || with_workspace(|space| watch.exchange.body(seen, whole, SystemTime::now(), space)));
    judged.map_err(|refusal| refuse(ctx, *refusal))?;
    Ok(ctx.hold.as_ref().map(|hold| {
        hold.let_go();
        Bytes::from_owner(Sent { bytes, _permit: permit })
    }))
}

/// Runs a judgement of so many bytes. A long one (20 ns a byte with the Core Rule Set) has the worker's other requests go on
/// elsewhere meanwhile, where the runtime has another place for them.
fn aside<T>(bytes: usize, judgement: impl FnOnce() -> T) -> T {
    let elsewhere = |runtime: Handle| runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
    if bytes >= OFFLOAD_BYTES && Handle::try_current().is_ok_and(elsewhere) {
        tokio::task::block_in_place(judgement)
    } else {
        judgement()
    }
}

/// The budget has no room for this body: held, it is refused; else it passes unjudged.
fn spent(ctx: &mut Context) -> Result<()> {
    if let Some(watch) = &mut ctx.watch {
        watch.collected = None;
    }
    if ctx.hold.is_some() { Err(refuse(ctx, exhausted())) } else { Ok(()) }
}

/// The exchange is over: what was found of the response joins what was found of the request.
pub(crate) fn end(ctx: &mut Context) {
    let Some(watch) = ctx.watch.take() else { return };
    let (findings, would) = with_workspace(|space| watch.exchange.end(SystemTime::now(), space));
    if let Some((verdict, code)) = would.filter(|_| ctx.decided.refusal.is_none()) {
        ctx.decided.verdict = Some(verdict);
        ctx.decided.code = Some(code);
    }
    crate::decide::found(ctx, findings);
}

fn exhausted() -> Refusal {
    Refusal::new(
        Code::BufferExhausted,
        "The gateway has as many bodies in memory as it can",
        "Whether the request took effect is not known.",
    )
    .retry_after_s(1)
}
