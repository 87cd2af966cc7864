//! The request head as the upstream gets it.
//!
//! - The target is the normalised path (the one that was matched and inspected), less the route's prefix or rewritten, and
//!   the query as received; always in origin form.
//! - Forwarding fields are overwritten, never appended to: what a stranger wrote into them is gone. So are the fields by
//!   which some servers let a request name another path or host than its own.
//! - Framing is the gateway's: a buffered body goes with its exact `Content-Length`, and never with `Transfer-Encoding`.
//!   `Expect` ends here, the gateway has answered it.
//! - Pingora has removed the single-connection fields and those that `Connection` nominates before this runs
//!   (RFC 9110 section 7.6.1); [`check_nominations`] refuses what it would refuse, but before the upstream is contacted.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderName, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use rampart_decision::{Code, Refusal};

use crate::response::X_REQUEST_ID;

/// Pingora refuses a request whose `Connection` names this many fields or more.
const MAX_NOMINATIONS: usize = 10;

/// Removed from every request: they claim to come from a proxy in front, or to override the request's own target.
const UNTRUSTED: [HeaderName; 9] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-client-ip"),
];

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What the upstream is told beside what the client sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarding<'a> {
    /// Path (and query) to ask for, where it is not the received one.
    pub(crate) target: Option<&'a [u8]>,
    /// `Host` to send, where it is not the client's.
    pub(crate) host: Option<&'a str>,
    /// The host that the client asked for.
    pub(crate) client_host: &'a [u8],
    pub(crate) client: IpAddr,
    /// Whether the client came over TLS.
    pub(crate) tls: bool,
    pub(crate) request_id: &'a str,
    /// Whether the client's trace context is well formed and so passed on.
    pub(crate) trace: bool,
    /// Length of the body, where all of it is in hand. `None`: as the client framed it.
    pub(crate) body_length: Option<u64>,
}

/// Rewrites `request` for the upstream.
pub(crate) fn shape(request: &mut RequestHeader, forwarding: &Forwarding<'_>) -> pingora::Result<()> {
    if let Some(target) = forwarding.target {
        request.set_raw_path(target)?;
    }
    for name in &UNTRUSTED {
        request.remove_header(name);
    }
    request.remove_header(&EXPECT);
    request.insert_header("X-Forwarded-For", forwarding.client.to_string())?;
    request.insert_header("X-Real-IP", forwarding.client.to_string())?;
    request.insert_header("X-Forwarded-Proto", if forwarding.tls { "https" } else { "http" })?;
    request.insert_header("X-Forwarded-Host", forwarding.client_host)?;
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

/// The target to forward: `path` less `strip`, after `rewrite`, with the query of the received target. Borrowed when it is
/// what the client sent.
pub(crate) fn target<'a>(
    received: &'a [u8],
    path: &[u8],
    query: Option<&[u8]>,
    strip: Option<&str>,
    rewrite: Option<&str>,
) -> Cow<'a, [u8]> {
    let stripped = strip.and_then(|prefix| strip_prefix(path, prefix.as_bytes())).unwrap_or(path);
    let mut target = Vec::with_capacity(received.len() + rewrite.map_or(0, str::len) + 1);
    if let Some(prefix) = rewrite {
        target.extend_from_slice(prefix.trim_end_matches('/').as_bytes());
    }
    if !stripped.starts_with(b"/") {
        target.push(b'/');
    }
    target.extend_from_slice(stripped);
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    if target == received { Cow::Borrowed(received) } else { Cow::Owned(target) }
}

/// `path` without `prefix`, where `prefix` ends at a segment: `/llm/openai` of `/llm/openai/v1`, not of `/llm/openai2`.
fn strip_prefix<'p>(path: &'p [u8], prefix: &[u8]) -> Option<&'p [u8]> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

/// Refuses what Pingora would refuse only after it had connected: too many nominations, or nominated fields on which the
/// gateway's own word depends (CVE-2026-105299).
pub(crate) fn check_nominations(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(CONNECTION) {
        return Ok(());
    }
    let tokens = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty());
    for (count, token) in (1..).zip(tokens) {
        if count >= MAX_NOMINATIONS || !nominable(token) {
            return Err(Refusal::new(
                Code::FramingInvalid,
                "The Connection field names what it may not",
                "Connection may name up to nine fields, and none that says where a request comes from or goes to.",
            ));
        }
    }
    Ok(())
}

fn nominable(token: &[u8]) -> bool {
    let is_token = token.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b));
    let held = [
        "host",
        "content-length",
        "transfer-encoding",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
        "authorization",
        "cookie",
    ];
    is_token && !held.iter().any(|name| token.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarding() -> Forwarding<'static> {
        Forwarding {
            target: None,
            host: None,
            client_host: b"agents.example",
            client: "203.0.113.9".parse().unwrap(),
            tls: true,
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
        shape(&mut request, forwarding).unwrap();
        for (name, value) in expect {
            let values: Vec<_> = request.headers.get_all(*name).iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(values.join(", "), *value, "{name}");
        }
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
    fn host_and_trace() {
        check(&forwarding(), &[("Host", "a")], &[("host", "a")]);
        check(&Forwarding { host: Some("b:9"), ..forwarding() }, &[("Host", "a")], &[("host", "b:9")]);
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
        check(&of(None), &[("Transfer-Encoding", "chunked")], &[("content-length", ""), ("transfer-encoding", "chunked")]);
    }

    #[test]
    fn targets() {
        #[track_caller]
        fn check(received: &str, path: &str, strip: Option<&str>, rewrite: Option<&str>, expect: &str) {
            let query = received.split_once('?').map(|(_, query)| query.as_bytes());
            let made = target(received.as_bytes(), path.as_bytes(), query, strip, rewrite);
            assert_eq!(std::str::from_utf8(&made).unwrap(), expect);
            assert_eq!(matches!(made, Cow::Borrowed(_)), received == expect);
        }
        check("/a/b?c=d", "/a/b", None, None, "/a/b?c=d");
        check("/a/./b?c=d", "/a/b", None, None, "/a/b?c=d");
        check("http://h/a?x", "/a", None, None, "/a?x");
        check("/llm/openai/v1?x", "/llm/openai/v1", Some("/llm/openai"), None, "/v1?x");
        check("/llm/openai", "/llm/openai", Some("/llm/openai/"), None, "/");
        check("/llm/openai2", "/llm/openai2", Some("/llm/openai"), None, "/llm/openai2");
        check("/x/y", "/x/y", Some("/x"), Some("/base/"), "/base/y");
        check("/x", "/x", Some("/x"), Some("/base"), "/base/");
        check("/x?", "/x", None, None, "/x?");
    }

    #[test]
    fn nominations() {
        #[track_caller]
        fn check(values: &[&'static str], good: bool) {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONNECTION, http::HeaderValue::from_static(value));
            }
            assert_eq!(check_nominations(&headers).is_ok(), good, "{values:?}");
        }
        check(&[], true);
        check(&["keep-alive, Upgrade"], true);
        check(&["close", "te"], true);
        check(&["a,b,c,d,e,f,g,h,i"], true);
        check(&["a,b,c,d,e,f,g,h,i,j"], false);
        check(&["a,b,c,d,e", "f,g,h,i,j"], false);
        check(&["X-Forwarded-For"], false);
        check(&["close, x-REAL-ip"], false);
        check(&["Host"], false);
        check(&["authorization"], false);
        check(&["\"X-Forwarded-For\""], false);
        check(&[":authority"], false);
    }
}
