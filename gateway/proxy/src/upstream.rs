//! Towards the upstream: which endpoint, how to connect, which deadlines, what to try again.
//!
//! Every wait has a deadline (Pingora's defaults are none). The total deadline is looked at whenever a head or a piece of
//! body arrives, and no single wait may be longer than it. A head that comes byte by byte is looked at when it is whole: it
//! may be late by as long as its last bytes take. An attempt is repeated in two cases only, within [`Gateway::MAX_TRIES`]: nothing was
//! connected (at another endpoint, if there is one), or an idempotent request met a kept connection that the upstream had
//! closed meanwhile, before any response.
//!
//! The server name is never empty, because with an empty one Pingora verifies nothing. Connections are shared only between
//! requests to the same upstream by the same TLS settings (`group_key`).

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use parking_lot::Mutex;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::proxy::Session;
use pingora::upstreams::peer::{H1UpgradePolicy, HttpPeer};
use pingora::utils::tls::{WrappedX509, parse_x509};
use pingora::{Error, ErrorSource, ErrorType, Result};
use rampart_decision::{Code, Refusal};
use rampart_policy::Snapshot;
use rampart_upstream::{Failure, Lease, NoEndpoint, Protocol, Scheme, Upstream};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Gateway;
use crate::context::Context;
use crate::failure::refuse;

/// Interim responses (1xx) that one exchange may have; one more ends it.
const MAX_INTERIM: u32 = 10;

/// Certificate authority files, read once per snapshot.
#[derive(Default)]
pub(crate) struct Authorities(Mutex<HashMap<PathBuf, Authority>>);

struct Authority {
    /// The snapshot that it was read for.
    digest: String,
    certificates: Arc<CaType>,
}

/// The peer of this attempt.
pub(crate) fn peer(gateway: &Gateway, ctx: &mut Context) -> Result<Box<HttpPeer>> {
    let Some(snapshot) = ctx.pin.clone() else {
        return Error::e_explain(ErrorType::InternalError, "an attempt after the response");
    };
    let Some(upstream) = ctx.route().and_then(|route| snapshot.upstream(route.upstream()?)) else {
        return Error::e_explain(ErrorType::InternalError, "a request without an upstream");
    };
    let now = Instant::now();
    ctx.upstream.attempts += 1;
    ctx.upstream.began.get_or_insert(now);
    ctx.upstream.asked = Some(now);
    let lease = match ctx.upstream.next.take() {
        Some(lease) => lease,
        None => pick(gateway, upstream, ctx).map_err(|none| refuse(ctx, unavailable(none)))?,
    };
    let peer = build(gateway, &snapshot, upstream, &lease, ctx)?;
    ctx.upstream.socket = Some(lease.endpoint().socket());
    ctx.upstream.lease = Some(lease);
    Ok(peer)
}

fn pick(gateway: &Gateway, upstream: &Upstream, ctx: &Context) -> Result<Lease, NoEndpoint> {
    let pool = gateway.parts.runtime.pool(&upstream.name).ok_or(NoEndpoint::Unresolved)?;
    pool.pick(|| ctx.hash, &ctx.upstream.tried, Instant::now())
}

fn unavailable(none: NoEndpoint) -> Refusal {
    let error = match none {
        NoEndpoint::Unresolved => "No address of the upstream is known yet",
        NoEndpoint::Exhausted => "No address of the upstream could be reached",
        NoEndpoint::Unhealthy | NoEndpoint::BreakerOpen => "No address of the upstream is fit to take a request",
    };
    Refusal::new(Code::UpstreamUnavailable, error, "Try again later.").retry_after_s(1)
}

fn build(
    gateway: &Gateway,
    snapshot: &Snapshot,
    upstream: &Upstream,
    lease: &Lease,
    ctx: &mut Context,
) -> Result<Box<HttpPeer>> {
    let address = lease.endpoint().address();
    let tls = address.scheme() == Scheme::Https;
    let name = if tls { upstream.tls.server_name(address).to_owned() } else { String::new() };
    let mut peer = HttpPeer::new(lease.endpoint().socket(), tls, name);
    peer.group_key = group_key(upstream);
    let deadlines = ctx.route().map_or(upstream.deadlines, |route| route.deadlines);
    ctx.upstream.total = (!ctx.unhurried).then_some(deadlines.total);
    let left = match ctx.upstream.total {
        Some(total) => time_left(total, ctx).ok_or_else(|| refuse(ctx, timed_out()))?,
        None => Duration::MAX,
    };
    let options = &mut peer.options;
    options.connection_timeout = Some(deadlines.connect.min(left));
    options.total_connection_timeout = Some(deadlines.connect.min(left));
    options.read_timeout = Some(deadlines.read.min(left));
    options.write_timeout = Some(deadlines.write.min(left));
    options.idle_timeout = Some(upstream.idle);
    options.max_h2_streams = upstream.max_streams as usize;
    options.alpn = match (upstream.protocol, tls) {
        (Protocol::Http2, _) => ALPN::H2,
        (Protocol::Auto, true) => ALPN::H2H1,
        (Protocol::Auto, false) | (Protocol::Http1, _) => ALPN::H1,
    };
    options.http_upstream_request_policy.h1_upgrade =
        if ctx.upgrade { H1UpgradePolicy::WebSocketOnly } else { H1UpgradePolicy::Deny };
    if tls {
        options.verify_cert = upstream.tls.verify;
        options.verify_hostname = upstream.tls.verify;
        if let Some(file) = upstream.tls.ca_file.as_deref().filter(|_| upstream.tls.verify) {
            let authorities = gateway.authorities.of(file, &snapshot.digest);
            options.ca = Some(authorities.map_err(|reason| {
                log::error!("upstream {}: ca_file {}: {reason}", upstream.name, file.display());
                refuse(ctx, tls_failed())
            })?);
        }
    }
    Ok(Box::new(peer))
}

/// Of the time for the whole exchange, what is left; `None` where it is over.
fn time_left(total: Duration, ctx: &Context) -> Option<Duration> {
    let spent = ctx.upstream.began.map(|began| began.elapsed()).unwrap_or_default();
    total.checked_sub(spent).filter(|left| !left.is_zero())
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
/// and where it comes after the end of the time for the whole exchange.
pub(crate) fn responded(ctx: &mut Context, status: StatusCode) -> Result<()> {
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
    } else if let (Some(lease), Some(sent)) = (&ctx.upstream.lease, ctx.upstream.sent.take()) {
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
    match ctx.upstream.total {
        Some(total) if time_left(total, ctx).is_none() => {
            failed(ctx, Failure::TotalTimeout);
            Err(refuse(ctx, timed_out()).into_up())
        }
        _ => Ok(()),
    }
}

/// No connection: count it, and choose where to try next, if anywhere.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors travel boxed")]
pub(crate) fn not_connected(gateway: &Gateway, ctx: &mut Context, mut error: Box<Error>) -> Box<Error> {
    failed(ctx, failure_of(&error));
    if let Some(lease) = ctx.upstream.lease.take() {
        ctx.upstream.tried.push(lease.endpoint().id());
    }
    let another = ctx.pin.clone().filter(|_| ctx.upstream.attempts < Gateway::MAX_TRIES).and_then(|snapshot| {
        let upstream = snapshot.upstream(ctx.route()?.upstream()?)?;
        pick(gateway, upstream, ctx).ok()
    });
    error.set_retry(another.is_some());
    ctx.upstream.next = another;
    error
}

/// The exchange broke off. It is repeated only when the upstream cannot have begun with it.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors travel boxed")]
pub(crate) fn broke_off(session: &mut Session, ctx: &mut Context, mut error: Box<Error>, reused: bool) -> Box<Error> {
    if *error.esource() == ErrorSource::Upstream && ctx.decided.refusal.is_none() {
        failed(ctx, failure_of(&error));
    }
    let answered = session.response_written().is_some();
    let repeat = !answered
        && ctx.upstream.attempts < Gateway::MAX_TRIES
        && session.req_header().method.is_idempotent()
        && ctx.repeatable(session);
    if repeat {
        error.retry.decide_reuse(reused);
    } else {
        error.set_retry(false);
    }
    error
}

fn failed(ctx: &Context, failure: Failure) {
    if let Some(lease) = &ctx.upstream.lease {
        lease.failed(failure, Instant::now());
    }
}

/// The kind of failure that an error of the upstream's side is.
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
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => Failure::Closed,
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

fn tls_failed() -> Refusal {
    Refusal::new(
        Code::UpstreamTls,
        "No trusted connection to the upstream could be made",
        "Nothing was sent; the request may be repeated.",
    )
}

fn timed_out() -> Refusal {
    Refusal::new(
        Code::UpstreamTimeout,
        "The upstream did not answer in time",
        "Whether the request took effect is not known.",
    )
}

// === impl Authorities ===

impl Authorities {
    /// The authorities in `file`, as they were when the snapshot of `digest` first needed them.
    fn of(&self, file: &Path, digest: &str) -> Result<Arc<CaType>, String> {
        let mut known = self.0.lock();
        if let Some(authority) = known.get(file).filter(|authority| authority.digest == digest) {
            return Ok(Arc::clone(&authority.certificates));
        }
        let certificates = read_authorities(file)?;
        let authority = Authority { digest: digest.to_owned(), certificates: Arc::clone(&certificates) };
        known.insert(file.to_owned(), authority);
        Ok(certificates)
    }
}

/// Only certificates that rustls takes as trust anchors get as far as Pingora, whose own parser does not expect others.
fn read_authorities(file: &Path) -> Result<Arc<CaType>, String> {
    let mut anchors = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        anchors.add(certificate.clone()).map_err(|error| error.to_string())?;
        certificates.push(WrappedX509::new(certificate.to_vec(), parse_x509));
    }
    if certificates.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(certificates.into()) }
}

#[cfg(test)]
mod tests {
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
        check(ErrorType::InvalidHTTPHeader, Failure::Protocol, Code::UpstreamProtocol, 502);
        check(ErrorType::H2Error, Failure::Protocol, Code::UpstreamProtocol, 502);
    }

    #[test]
    fn responses_that_nobody_asked_for_end_the_exchange() {
        #[track_caller]
        fn check(upgrade: bool, statuses: &[u16], expect: Option<Code>) {
            let mut ctx = Context::spent();
            ctx.upgrade = upgrade;
            let passed =
                statuses.iter().all(|status| responded(&mut ctx, StatusCode::from_u16(*status).unwrap()).is_ok());
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
        assert!(responded(&mut ctx, StatusCode::OK).is_err());
        assert_eq!(ctx.decided.refusal.unwrap().code, Code::UpstreamTimeout);
    }

    #[test]
    fn authorities_are_read_once_per_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let authorities = Authorities::default();
        assert!(authorities.of(&file, "1").is_err());
        std::fs::write(&file, "no certificate").unwrap();
        assert_eq!(authorities.of(&file, "1").unwrap_err(), "holds no certificate");
        std::fs::write(&file, CA).unwrap();
        assert_eq!(authorities.of(&file, "1").unwrap().len(), 1);
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert_eq!(authorities.of(&file, "1").unwrap().len(), 1);
        assert!(authorities.of(&file, "2").is_err());
    }

    /// A self-signed certificate of nobody, made for this test (P-256, valid to 2126).
    const CA: &str = include_str!("upstream/ca.pem");
}
