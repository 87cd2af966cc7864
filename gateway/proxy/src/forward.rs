//! The request head as the upstream gets it.
//!
//! - The target is the normalised path (the one that was matched and inspected), rewritten as its route says, and the query
//!   as received; always in origin form.
//! - Forwarding fields are overwritten, never appended to: what a stranger wrote into them is gone, in whatever spelling. So
//!   are the fields by which some servers let a request name another path, host or method than its own.
//! - Framing is the gateway's: a buffered body goes with its exact `Content-Length`, and never with `Transfer-Encoding`.
//!   `Expect` ends here, the gateway has answered it.
//! - Pingora has removed the single-connection fields and those that `Connection` nominates before this runs
//!   (RFC 9110 section 7.6.1); [`check_nominations`] refuses what it would refuse, but before the upstream is contacted.
//! - `Forwarded` (RFC 7239) is taken out and not made anew: it would say nothing that `X-Forwarded-*` does not, and a server
//!   that reads both has two words to choose from.

mod strangers;

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use http::Version;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use rampart_identity::Entrance;
use rampart_policy::HeaderEdits;
use rampart_upstream::{HostHeader, Lease};

use crate::body::BodyFault;
use crate::context::Context;
use crate::failure::refuse;
use crate::head;
use crate::response::X_REQUEST_ID;
use crate::watch::Watch;

pub(crate) use strangers::check_nominations;
use strangers::strip;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What the upstream is told beside what the client sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarding<'a> {
    /// Path (and query) to ask for, where it is not the received one.
    pub(crate) target: Option<&'a [u8]>,
    /// `Host` to send, where it is not the client's.
    pub(crate) host: Option<&'a str>,
    /// The host that the client asked for; empty where it named none (HTTP/1.0).
    pub(crate) client_host: &'a [u8],
    pub(crate) client: IpAddr,
    /// The scheme and the port that the client used.
    pub(crate) entrance: Entrance,
    pub(crate) request_id: &'a str,
    /// Whether the client's trace context is well formed and so passed on.
    pub(crate) trace: bool,
    /// Length of the body, where all of it is in hand. `None`: as the client framed it.
    pub(crate) body_length: Option<u64>,
}

/// The head that goes to the upstream, by what was decided.
pub(crate) fn request(session: &Session, request: &mut RequestHeader, ctx: &Context) -> pingora::Result<()> {
    let snapshot = ctx.pin.as_deref();
    let route = ctx.route();
    let upstream = route.and_then(|route| snapshot?.upstream(route.upstream()?));
    let endpoint = ctx.upstream.lease.as_ref().map(Lease::endpoint);
    let host = upstream.and_then(|upstream| match &upstream.host_header {
        HostHeader::Preserve => None,
        HostHeader::Upstream => endpoint.map(|endpoint| endpoint.address().host_header()),
        HostHeader::Literal(host) => Some(&**host),
    });
    let client_host = head::host(session.req_header());
    let host = host.or_else(|| {
        // HTTP/1.0 may come without the field but goes on as HTTP/1.1, which may not (RFC 9112 section 3.2). That of HTTP/2
        // is Pingora's to write.
        let hostless = session.req_header().version != Version::HTTP_2 && !request.headers.contains_key(HOST);
        let given = || std::str::from_utf8(client_host).ok().filter(|host| !host.is_empty());
        let own = || endpoint.map(|endpoint| endpoint.address().host_header());
        hostless.then(|| given().or_else(own)).flatten()
    });
    strip(request, route.map(|route| &route.request_headers), route.map_or(&[], |route| &route.reserved));
    if ctx.watch.as_ref().is_some_and(Watch::holds) {
        // The client does not choose whether its answer can be looked at: the Core Rule Set passes over what is compressed.
        request.remove_header(&ACCEPT_ENCODING);
    }
    if let Some(route) = route {
        edit(request, &route.request_headers)?;
    }
    tell_identity(request, &ctx.way.forward)?;
    let forwarding = Forwarding {
        target: ctx.target.as_deref(),
        host,
        client_host,
        client: ctx.client,
        entrance: ctx.entrance,
        request_id: ctx.request_id(),
        trace: ctx.trace,
        body_length: ctx.body.length,
    };
    shape(request, &forwarding)
}

/// Tells the upstream who the caller proved to be, and takes out what the request said of that itself.
fn tell_identity(request: &mut RequestHeader, fields: &[(HeaderName, Option<HeaderValue>)]) -> pingora::Result<()> {
    for (name, value) in fields {
        match value {
            Some(value) => request.insert_header(name, value)?,
            None => drop(request.remove_header(name)),
        }
    }
    Ok(())
}

fn edit(request: &mut RequestHeader, edits: &HeaderEdits) -> pingora::Result<()> {
    for name in &edits.remove {
        request.remove_header(name);
    }
    for (name, value) in &edits.set {
        request.insert_header(name, value)?;
    }
    Ok(())
}

/// A piece of body on its way to the upstream: the first takes what was read before, and the sum stays in its limit.
///
/// A last piece of no bytes is made none at all. It is how HTTP/2 bodies of unknown length end, and Pingora 0.9.1 writes it
/// to a chunked HTTP/1 upstream as a last chunk, and then the last chunk: five bytes that the upstream takes for another
/// request on the same connection.
pub(crate) fn body(chunk: &mut Option<Bytes>, last: bool, ctx: &mut Context) -> pingora::Result<()> {
    if !ctx.body.filled {
        ctx.body.filled = true;
        ctx.body.passed_bytes = 0;
        ctx.body.carriage.fill(chunk);
    }
    if last && chunk.as_ref().is_some_and(Bytes::is_empty) {
        *chunk = None;
    }
    ctx.body.passed_bytes += chunk.as_ref().map_or(0, Bytes::len) as u64;
    if ctx.body.limit_bytes > 0 && ctx.body.passed_bytes > ctx.body.limit_bytes {
        let limit_bytes = ctx.body.limit_bytes;
        return Err(refuse(ctx, BodyFault::TooLarge { limit_bytes }.into()));
    }
    Ok(())
}

/// Rewrites `request` for the upstream.
pub(crate) fn shape(request: &mut RequestHeader, forwarding: &Forwarding<'_>) -> pingora::Result<()> {
    if let Some(target) = forwarding.target {
        request.set_raw_path(target)?;
    }
    request.remove_header(&EXPECT);
    request.insert_header("X-Forwarded-For", forwarding.client.to_string())?;
    request.insert_header("X-Real-IP", forwarding.client.to_string())?;
    request.insert_header("X-Forwarded-Proto", forwarding.entrance.scheme())?;
    match forwarding.entrance.port {
        // The connection does not tell: no socket of the internet, or it is gone.
        0 => drop(request.remove_header(&X_FORWARDED_PORT)),
        port => request.insert_header(X_FORWARDED_PORT, HeaderValue::from(port))?,
    }
    if forwarding.client_host.is_empty() {
        request.remove_header(&X_FORWARDED_HOST);
    } else {
        request.insert_header("X-Forwarded-Host", forwarding.client_host)?;
    }
    request.insert_header(X_REQUEST_ID, forwarding.request_id)?;
    if let Some(host) = forwarding.host {
        request.insert_header(HOST, host)?;
    }
    if !forwarding.trace {
        request.remove_header(&TRACEPARENT);
        request.remove_header(&TRACESTATE);
    }
    if let Some(length) = forwarding.body_length {
        frame(request, length)?;
    }
    Ok(())
}

/// Declares a body of `length`. A request that was framed as having none stays so.
fn frame(request: &mut RequestHeader, length: u64) -> pingora::Result<()> {
    let framed = request.headers.contains_key(CONTENT_LENGTH) || request.headers.contains_key(TRANSFER_ENCODING);
    request.remove_header(&TRANSFER_ENCODING);
    if length > 0 || framed {
        request.insert_header(CONTENT_LENGTH, length)?;
    }
    Ok(())
}

/// The target to forward, of the path that the upstream is to see and the query of the received target; `None` where that
/// is what the client sent.
pub(crate) fn target(received: &[u8], path: &[u8], query: Option<&[u8]>) -> Option<Bytes> {
    let same = match query {
        None => received == path,
        Some(query) => received.strip_prefix(path).and_then(|rest| rest.strip_prefix(b"?")) == Some(query),
    };
    if same {
        return None;
    }
    let mut target = BytesMut::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
    target.extend_from_slice(path);
    if let Some(query) = query {
        target.extend_from_slice(b"?");
        target.extend_from_slice(query);
    }
    Some(target.freeze())
}

#[cfg(test)]
mod tests {
    use rampart_decision::Code;

    use super::*;

    fn forwarding() -> Forwarding<'static> {
        Forwarding {
            target: None,
            host: None,
            client_host: b"agents.example",
            client: "203.0.113.9".parse().unwrap(),
            entrance: Entrance { https: true, port: 8443 },
            request_id: "ID",
            trace: true,
            body_length: None,
        }
    }

    #[track_caller]
    fn check(forwarding: &Forwarding<'_>, given: &[(&'static str, &str)], expect: &[(&str, &str)]) {
        let mut request = RequestHeader::build("POST", b"/a?b=c", None).unwrap();
        for (name, value) in given {
            request.append_header(*name, *value).unwrap();
        }
        strip(&mut request, None, &[]);
        shape(&mut request, forwarding).unwrap();
        for (name, value) in expect {
            let values: Vec<_> = request.headers.get_all(*name).iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(values.join(", "), *value, "{name}");
        }
    }

    #[test]
    fn headers_that_tell_who_is_calling_do_not_come_from_strangers() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in ["X-User", "x_user", "X~User", "X.User", "X-Users", "X-Other"] {
            request.append_header(name.to_owned(), "admin").unwrap();
        }
        strip(&mut request, None, &[HeaderName::from_static("x-user")]);
        let mut left: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-other", "x-users"]);
    }

    #[test]
    fn what_strangers_say_about_themselves_is_overwritten() {
        check(
            &forwarding(),
            &[
                ("X-Forwarded-For", "10.0.0.1"),
                ("X-Forwarded-For", "10.0.0.2"),
                ("X-Real-IP", "10.0.0.1"),
                ("X-Forwarded-Proto", "ftp"),
                ("X-Forwarded-Port", "1"),
                ("X-Forwarded-Port", "2"),
                ("X-Forwarded-Host", "evil"),
                ("X-Forwarded-Prefix", "/evil"),
                ("X-Original-URL", "/admin"),
                ("Forwarded", "for=10.0.0.1"),
                ("X-Request-Id", "theirs"),
                ("Expect", "100-continue"),
            ],
            &[
                ("x-forwarded-for", "203.0.113.9"),
                ("x-real-ip", "203.0.113.9"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-port", "8443"),
                ("x-forwarded-host", "agents.example"),
                ("x-forwarded-prefix", ""),
                ("x-original-url", ""),
                ("forwarded", ""),
                ("x-request-id", "ID"),
                ("expect", ""),
            ],
        );
    }

    #[test]
    fn the_entrance_is_told_as_far_as_it_is_known() {
        let of = |https, port| Forwarding { entrance: Entrance { https, port }, ..forwarding() };
        check(&of(false, 80), &[], &[("x-forwarded-proto", "http"), ("x-forwarded-port", "80")]);
        check(&of(false, 0), &[("X-Forwarded-Port", "7")], &[("x-forwarded-proto", "http"), ("x-forwarded-port", "")]);
    }

    #[test]
    fn host_and_trace() {
        check(&forwarding(), &[("Host", "a")], &[("host", "a")]);
        check(&Forwarding { host: Some("b:9"), ..forwarding() }, &[("Host", "a")], &[("host", "b:9")]);
        let hostless = Forwarding { host: Some("b:9"), client_host: b"", ..forwarding() };
        check(&hostless, &[("X-Forwarded-Host", "evil")], &[("host", "b:9"), ("x-forwarded-host", "")]);
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        shape(&mut request, &hostless).unwrap();
        assert!(!request.headers.contains_key("x-forwarded-host"));
        let trace = [("traceparent", "00-x"), ("tracestate", "y")];
        check(&forwarding(), &trace, &trace);
        check(&Forwarding { trace: false, ..forwarding() }, &trace, &[("traceparent", ""), ("tracestate", "")]);
    }

    #[test]
    fn a_body_in_hand_has_its_exact_length() {
        let of = |length| Forwarding { body_length: length, ..forwarding() };
        check(&of(Some(5)), &[("Transfer-Encoding", "chunked")], &[("content-length", "5"), ("transfer-encoding", "")]);
        check(&of(Some(5)), &[("Content-Length", "5")], &[("content-length", "5")]);
        check(&of(Some(0)), &[("Transfer-Encoding", "chunked")], &[("content-length", "0"), ("transfer-encoding", "")]);
        check(&of(Some(0)), &[], &[("content-length", ""), ("transfer-encoding", "")]);
        check(
            &of(None),
            &[("Transfer-Encoding", "chunked")],
            &[("content-length", ""), ("transfer-encoding", "chunked")],
        );
    }

    #[test]
    fn targets() {
        #[track_caller]
        fn check(received: &str, path: &str, expect: Option<&str>) {
            let query = received.split_once('?').map(|(_, query)| query.as_bytes());
            let made = target(received.as_bytes(), path.as_bytes(), query);
            assert_eq!(made.as_deref(), expect.map(str::as_bytes));
        }
        check("/a/b?c=d", "/a/b", None);
        check("/a/b", "/a/b", None);
        check("/a?", "/a", None);
        check("/a/./b?c=d", "/a/b", Some("/a/b?c=d"));
        check("http://h/a?x", "/a", Some("/a?x"));
        check("http://h/a", "/a", Some("/a"));
        check("/llm/openai/v1?x=?", "/v1", Some("/v1?x=?"));
        check("/a?b", "/a?", Some("/a??b"));
    }

    #[test]
    fn a_last_piece_of_no_bytes_is_none() {
        #[track_caller]
        fn check(given: Option<&'static str>, last: bool, expect: Option<&str>) {
            let mut chunk = given.map(|text| Bytes::from_static(text.as_bytes()));
            body(&mut chunk, last, &mut Context::spent()).unwrap();
            assert_eq!(chunk.as_deref(), expect.map(str::as_bytes));
        }
        check(Some(""), true, None);
        check(None, true, None);
        check(Some("x"), true, Some("x"));
        check(Some(""), false, Some(""));
    }

    #[test]
    fn what_streams_stays_in_its_limit() {
        let mut ctx = Context::spent();
        ctx.body.limit_bytes = 5;
        let mut pass = |size: usize| body(&mut Some(Bytes::from(vec![0; size])), false, &mut ctx).is_ok();
        assert!(pass(3) && pass(2));
        assert!(!pass(1));
        assert_eq!(ctx.decided.refusal.unwrap().code, Code::BodyTooLarge);
    }
}
