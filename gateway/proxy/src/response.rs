//! What the gateway does to a response head on its way to the client.
//!
//! Fields that concern one connection only end here (RFC 9110 section 7.6.1): the standard ones, and those that the
//! upstream's `Connection` nominates. Framing stays Pingora's. A 101 keeps its handshake fields.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, UPGRADE};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use rampart_policy::{HeaderEdits, Redirect};

use crate::context::Context;

/// The request's id, towards both sides. With this spelling over HTTP/1.
pub(crate) const X_REQUEST_ID: &str = "X-Request-Id";

/// Nominations looked at; a `Connection` field with more is cut here (nothing legitimate comes near).
const MAX_NOMINATIONS: usize = 32;

/// Standard single-connection fields that a response may carry, framing apart.
const SINGLE_HOP: [HeaderName; 4] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
];

/// The head of a response on its way to the client. The configuration is let go here: what follows is bytes.
pub(crate) fn head(header: &mut ResponseHeader, ctx: &mut Context) -> pingora::Result<()> {
    shape(header, ctx.request_id())?;
    if header.status.is_informational() && header.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    ctx.way.tell(header)?;
    if let Some(route) = ctx.route() {
        edit(header, &route.response_headers)?;
    }
    ctx.release();
    Ok(())
}

fn edit(header: &mut ResponseHeader, edits: &HeaderEdits) -> pingora::Result<()> {
    for name in &edits.remove {
        header.remove_header(name);
    }
    for (name, value) in &edits.set {
        header.insert_header(name, value)?;
    }
    Ok(())
}

/// Sends the client elsewhere. A body that was not read ends the connection.
pub(crate) async fn redirect(session: &mut Session, redirect: &Redirect, ctx: &Context) -> pingora::Result<()> {
    if !session.is_body_done() {
        session.set_keepalive(None);
    }
    let mut header = ResponseHeader::build(redirect.status, Some(4))?;
    header.insert_header("Location", &*redirect.to)?;
    header.insert_header(CONTENT_LENGTH, 0)?;
    header.insert_header(X_REQUEST_ID, ctx.request_id())?;
    ctx.way.tell(&mut header)?;
    session.write_response_header(Box::new(header), true).await
}

/// Removes what concerns the upstream's connection only, and sets the request id.
pub(crate) fn shape(header: &mut ResponseHeader, request_id: &str) -> pingora::Result<()> {
    if header.status != StatusCode::SWITCHING_PROTOCOLS {
        for name in nominated(&header.headers) {
            header.remove_header(&name);
        }
        header.remove_header(&UPGRADE);
    }
    for name in &SINGLE_HOP {
        header.remove_header(name);
    }
    header.insert_header(X_REQUEST_ID, request_id)
}

/// The fields that `Connection` nominates, without those that frame the message or name the connection's options.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    if !headers.contains_key(CONNECTION) {
        return Vec::new();
    }
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .take(MAX_NOMINATIONS)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !matches!(name.as_str(), "close" | "content-length" | "transfer-encoding" | "connection"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, given: &[(&'static str, &str)], expect: &[(&str, &str)]) {
        let mut header = ResponseHeader::build(status, None).unwrap();
        for (name, value) in given {
            header.append_header(*name, *value).unwrap();
        }
        shape(&mut header, "ID").unwrap();
        let mut left: Vec<_> =
            header.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(left, expect);
    }

    #[test]
    fn single_hop_fields_end_here() {
        check(200, &[("Content-Type", "a/b")], &[("content-type", "a/b"), ("x-request-id", "ID")]);
        check(200, &[("Keep-Alive", "timeout=5"), ("Proxy-Authenticate", "Basic")], &[("x-request-id", "ID")]);
        check(200, &[("X-Request-Id", "theirs")], &[("x-request-id", "ID")]);
        check(
            200,
            &[("Connection", "X-Secret, close"), ("Connection", "x-other"), ("X-Secret", "1"), ("X-Other", "2")],
            &[("connection", "X-Secret, close"), ("connection", "x-other"), ("x-request-id", "ID")],
        );
    }

    #[test]
    fn framing_cannot_be_nominated_away() {
        check(
            200,
            &[("Connection", "content-length, transfer-encoding"), ("Content-Length", "5")],
            &[("connection", "content-length, transfer-encoding"), ("content-length", "5"), ("x-request-id", "ID")],
        );
    }

    #[test]
    fn a_switch_of_protocols_keeps_its_handshake() {
        check(
            101,
            &[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "x")],
            &[
                ("connection", "Upgrade"),
                ("sec-websocket-accept", "x"),
                ("upgrade", "websocket"),
                ("x-request-id", "ID"),
            ],
        );
    }
}
