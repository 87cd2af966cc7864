//! The listener that only says "the same, under https": 308 keeps the method and the body (RFC 9110 section 15.4.9).
//!
//! It never looks at routes, so that nothing of the site shows on the plain port. The body is not read; the connection is
//! closed.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HOST};
use pingora::apps::ReusedHttpStream;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use super::gate_of;

/// Reads one request head and answers it.
pub(super) async fn answer(mut session: ServerSession, port: u16) -> Option<ReusedHttpStream> {
    match session.read_request().await {
        Ok(true) => {}
        Ok(false) | Err(_) => return None,
    }
    if let Some(gate) = session.stream().and_then(|stream| gate_of(&**stream)) {
        gate.head_complete();
    }
    session.set_keepalive(None);
    let request = session.req_header();
    let host = request.headers.get(HOST).map(http::HeaderValue::as_bytes);
    let place = location(host.unwrap_or_default(), request.raw_path(), port);
    let written = match place.and_then(|place| response(&place)) {
        Some(header) => session.write_error_response(header, bytes::Bytes::new()).await,
        None => session.respond_error(400).await,
    };
    if let Err(error) = written {
        log::debug!("redirect not written: {error}");
    }
    session.shutdown().await;
    None
}

fn response(place: &[u8]) -> Option<ResponseHeader> {
    let mut header = ResponseHeader::build(308, Some(3)).ok()?;
    header.insert_header("Location", place).ok()?;
    header.insert_header(CONTENT_LENGTH, 0).ok()?;
    header.insert_header(CACHE_CONTROL, "no-store").ok()?;
    Some(header)
}

/// `https://HOST[:PORT]TARGET`, or `None` where the host is not one or the target is not in origin form.
fn location(host: &[u8], target: &[u8], port: u16) -> Option<Vec<u8>> {
    let name = without_port(host);
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    if name.is_empty() || !name.iter().all(sound) || !target.starts_with(b"/") {
        return None;
    }
    let mut place = Vec::with_capacity(16 + name.len() + target.len());
    place.extend_from_slice(b"https://");
    place.extend_from_slice(name);
    if port != 443 {
        place.extend_from_slice(format!(":{port}").as_bytes());
    }
    place.extend_from_slice(target);
    Some(place)
}

/// The host of `host:port`; an IPv6 literal keeps its brackets.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host.ends_with(b"]") => host.get(..colon).unwrap_or(host),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        #[track_caller]
        fn check(host: &str, target: &str, port: u16, expect: Option<&str>) {
            let place = location(host.as_bytes(), target.as_bytes(), port);
            assert_eq!(place.map(|place| String::from_utf8(place).unwrap()), expect.map(str::to_owned));
        }
        check("a.example", "/x?y=1", 443, Some("https://a.example/x?y=1"));
        check("a.example:8080", "/", 8443, Some("https://a.example:8443/"));
        check("[::1]:8080", "/", 443, Some("https://[::1]/"));
        check("[::1]", "/", 443, Some("https://[::1]/"));
        check("", "/", 443, None);
        check("a.example/evil", "/", 443, None);
        check("a.example@evil", "/", 443, None);
        check("a.example", "http://evil/", 443, None);
        check("a.example", "*", 443, None);
    }
}
