//! Towards the upstream: a place among its requests, which endpoint, how to connect, which deadlines.
//!
//! Every wait has a deadline (Pingora's defaults are none). One total deadline covers everything from the first line here to
//! the end of the response: the wait for a place, every attempt, the pauses between them. It is looked at whenever a head or
//! a piece of body arrives, and no single wait may be longer than it. A head that comes byte by byte is looked at when it is
//! whole: it may be late by as long as its last bytes take.
//!
//! How an attempt ends is noted in `outcome.rs`; whether another follows says `retry.rs`, which also picks its endpoint.
//!
//! The server name is never empty, because with an empty one Pingora verifies nothing. Connections are shared only between
//! requests to the same upstream by the same TLS settings (`group_key`).

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::{Duration, Instant};

use pingora::protocols::ALPN;
use pingora::proxy::Session;
use pingora::upstreams::peer::{H1UpgradePolicy, HttpPeer};
use pingora::{Error, ErrorType, Result};
use rampart_decision::{Code, Refusal};
use rampart_policy::Snapshot;
use rampart_upstream::{Admit, Endpoint, Lease, NoEndpoint, Pool, Protocol, Scheme, Slot, Upstream};

use crate::Gateway;
use crate::authorities::Authorities;
use crate::context::Context;
use crate::failure::{self, refuse};
use crate::outcome::{request_body, timed_out, tls_failed};
use crate::retry;

/// Why a request does not get as far as an attempt.
enum Denied {
    /// The client left while it waited.
    Gone(Box<Error>),
    Refused(Box<Refusal>),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Before the first attempt: the clock of the whole exchange starts, the request gets its place and its first endpoint. `false`:
/// it was refused, and answered. (Refused here, its connection can go on; after an attempt Pingora closes it.)
pub(crate) async fn enter(gateway: &Gateway, session: &mut Session, ctx: &mut Context) -> Result<bool> {
    let refusal = match begin(gateway, session, ctx).await {
        Ok(lease) => {
            ctx.upstream.next = Some(lease);
            return Ok(true);
        }
        Err(Denied::Refused(refusal)) => refusal,
        Err(Denied::Gone(error)) => return Err(error),
    };
    // A connection that cannot go on is closed by the answer.
    failure::give(session, ctx, refusal).await;
    Ok(false)
}

async fn begin(gateway: &Gateway, session: &mut Session, ctx: &mut Context) -> Result<Lease, Denied> {
    let missing = || unavailable(NoEndpoint::Unresolved, 1);
    let snapshot = ctx.pin.clone().ok_or_else(missing)?;
    let route = ctx.route().ok_or_else(missing)?;
    let upstream = route.upstream().and_then(|index| snapshot.upstream(index)).ok_or_else(missing)?;
    let pool = gateway.parts.runtime.pool(&upstream.name).ok_or_else(missing)?;
    let now = Instant::now();
    let total = route.deadlines.total;
    ctx.upstream.began = Some(now);
    ctx.upstream.total = (!ctx.unhurried).then_some(total);
    let slot = place(&pool, session, ctx, now).await?;
    ctx.upstream.slot = Some(slot);
    let now = Instant::now();
    let body = request_body(session, ctx);
    pool.pick(|| ctx.hash, &[], body, now).map_err(|none| unavailable(none, pool.retry_after_s(now)).into())
}

/// A place among the upstream's requests, at once or after a wait that the client does not have to sit out.
async fn place(pool: &Pool, session: &mut Session, ctx: &Context, now: Instant) -> Result<Slot, Denied> {
    let retry_after_s = match pool.admit(now) {
        Admit::Go(slot) => return Ok(slot),
        Admit::Shed { retry_after_s } => retry_after_s,
        Admit::Wait(mut waiter) => {
            let most = ctx.upstream.time_left().unwrap_or(Duration::MAX);
            let wait = waiter.deadline().saturating_duration_since(now).min(most);
            tokio::select! {
                slot = &mut waiter => return Ok(slot),
                () = tokio::time::sleep(wait) => waiter.gave_up(),
                gone = retry::left(session, ctx.upgrade) => return Err(Denied::Gone(gone)),
            }
        }
    };
    let refusal = Refusal::new(
        Code::Overloaded,
        "The upstream has as many requests as it may have at a time",
        "Nothing was sent; try again later.",
    );
    Err(refusal.retry_after_s(retry_after_s).into())
}

fn unavailable(none: NoEndpoint, retry_after_s: u32) -> Refusal {
    let error = match none {
        NoEndpoint::Unresolved => "No address of the upstream is known yet",
        NoEndpoint::Exhausted => "No address of the upstream could be reached",
        NoEndpoint::Unhealthy | NoEndpoint::BreakerOpen => "No address of the upstream is fit to take a request",
    };
    Refusal::new(Code::UpstreamUnavailable, error, "Nothing was sent; try again later.").retry_after_s(retry_after_s)
}

/// The peer of this attempt, once its time has come.
pub(crate) async fn peer(gateway: &Gateway, session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
    retry::pause(session, ctx).await?;
    let (Some(snapshot), Some(lease)) = (ctx.pin.clone(), ctx.upstream.next.take()) else {
        return Error::e_explain(ErrorType::InternalError, "an attempt without an endpoint");
    };
    let Some(upstream) = ctx.route().and_then(|route| snapshot.upstream(route.upstream()?)) else {
        return Error::e_explain(ErrorType::InternalError, "an attempt without an upstream");
    };
    ctx.upstream.begin_attempt();
    let peer = build(gateway, &snapshot, upstream, &lease, ctx)?;
    ctx.upstream.socket = Some(lease.endpoint().socket());
    ctx.upstream.lease = Some(lease);
    Ok(peer)
}

fn build(
    gateway: &Gateway,
    snapshot: &Snapshot,
    upstream: &Upstream,
    lease: &Lease,
    ctx: &mut Context,
) -> Result<Box<HttpPeer>> {
    let mut peer = peer_to(&gateway.authorities, &snapshot.digest, upstream, lease.endpoint()).map_err(|reason| {
        log::error!("upstream {}: {reason}", upstream.name);
        refuse(ctx, tls_failed())
    })?;
    let deadlines = ctx.route().map_or(upstream.deadlines, |route| route.deadlines);
    let left = ctx.upstream.time_left().unwrap_or(Duration::MAX);
    if left.is_zero() {
        return Err(refuse(ctx, timed_out()));
    }
    // Pingora has one deadline for reads, of the head and of the body: where a body may take its time, it is no attempt's.
    let per_try = ctx.route().and_then(|route| route.resilience.per_try).filter(|_| !ctx.unhurried);
    let options = &mut peer.options;
    options.connection_timeout = Some(deadlines.connect.min(left));
    options.total_connection_timeout = Some(deadlines.connect.min(left));
    options.read_timeout = Some(deadlines.read.min(left).min(per_try.unwrap_or(Duration::MAX)));
    options.write_timeout = Some(deadlines.write.min(left));
    options.http_upstream_request_policy.h1_upgrade =
        if ctx.upgrade { H1UpgradePolicy::WebSocketOnly } else { H1UpgradePolicy::Deny };
    Ok(Box::new(peer))
}

/// How an endpoint of `upstream` is spoken to, deadlines aside. `digest` is that of the upstream's snapshot. An error says
/// what is wrong with its `ca_file`.
pub(crate) fn peer_to(
    authorities: &Authorities,
    digest: &str,
    upstream: &Upstream,
    endpoint: &Endpoint,
) -> Result<HttpPeer, String> {
    let address = endpoint.address();
    let tls = address.scheme() == Scheme::Https;
    let name = if tls { upstream.tls.server_name(address).to_owned() } else { String::new() };
    let mut peer = HttpPeer::new(endpoint.socket(), tls, name);
    peer.group_key = group_key(upstream);
    let options = &mut peer.options;
    options.idle_timeout = Some(upstream.idle);
    options.max_h2_streams = upstream.max_streams as usize;
    options.alpn = match (upstream.protocol, tls) {
        (Protocol::Http2, _) => ALPN::H2,
        (Protocol::Auto, true) => ALPN::H2H1,
        (Protocol::Auto, false) | (Protocol::Http1, _) => ALPN::H1,
    };
    if tls {
        options.verify_cert = upstream.tls.verify;
        options.verify_hostname = upstream.tls.verify;
        if let Some(file) = upstream.tls.ca_file.as_deref().filter(|_| upstream.tls.verify) {
            let read = authorities.of(file, digest);
            options.ca = Some(read.map_err(|reason| format!("ca_file {}: {reason}", file.display()))?);
        }
    }
    Ok(peer)
}

fn group_key(upstream: &Upstream) -> u64 {
    let tls = &upstream.tls;
    BuildHasherDefault::<DefaultHasher>::default().hash_one((
        &upstream.name,
        upstream.protocol as u8,
        tls.verify,
        tls.sni.as_deref(),
        tls.ca_file.as_deref(),
    ))
}
