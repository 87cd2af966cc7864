//! The one place that turns a refusal into an HTTP answer: a problem document (RFC 9457) with the stable `code`.
//!
//! Where the request's body was not read to its end the connection cannot carry another request: the answer says
//! `Connection: close`, and then a little more of the body is read and thrown away, because closing a socket with unread
//! bytes resets it and may take the answer with it (RFC 9112 section 9.6).
//!
//! One exception exists: what Pingora cannot parse gets its bare 400 before any phase.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use rampart_decision::Refusal;
use serde::Serialize;

use crate::entry::Way;
use crate::response::X_REQUEST_ID;

/// Of an unread body, so many bytes are still taken after the answer.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// And for so long.
const LINGER: Duration = Duration::from_millis(500);

/// The body of the answer. The order of the members is the order in which people read them.
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    error: &'a str,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
}

/// Writes the answer. An error means that the client has gone; there is nobody left to tell.
pub(crate) async fn answer(
    session: &mut Session,
    refusal: &Refusal,
    request_id: &str,
    way: &Way,
) -> pingora::Result<()> {
    let unread = !session.is_body_done();
    if unread {
        session.set_keepalive(None);
    }
    let body = document(refusal, request_id);
    let mut header = header(refusal, request_id, body.len())?;
    way.tell(&mut header)?;
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(header), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    if unread && session.as_http1().is_some() {
        linger(session).await;
    }
    Ok(())
}

/// Bytes of the answer's body.
pub(crate) fn length(refusal: &Refusal, request_id: &str) -> usize {
    document(refusal, request_id).len()
}

fn document(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let problem = Problem {
        title: refusal.code.title(),
        status: refusal.status,
        error: &refusal.error,
        detail: &refusal.detail,
        code: refusal.code.as_str(),
        request_id,
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}

fn header(refusal: &Refusal, request_id: &str, length: usize) -> pingora::Result<ResponseHeader> {
    let mut header = ResponseHeader::build(refusal.status, Some(8))?;
    header.insert_header(CONTENT_TYPE, "application/problem+json")?;
    header.insert_header(CONTENT_LENGTH, length)?;
    header.insert_header(CACHE_CONTROL, "no-store")?;
    header.insert_header(X_REQUEST_ID, request_id)?;
    if let Some(seconds) = refusal.retry_after_s {
        header.insert_header("Retry-After", seconds)?;
    }
    for (name, value) in &refusal.fields {
        header.append_header(*name, value.as_str())?;
    }
    Ok(header)
}

/// Takes what the client still sends, so that it can read the answer; bounded in bytes and time.
async fn linger(session: &mut Session) {
    let mut left = LINGER_BYTES;
    let drain = async {
        while let Ok(Some(chunk)) = session.read_request_body().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

#[cfg(test)]
mod tests {
    use pingora::protocols::Stream;
    use rampart_decision::Code;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    async fn answered(request: &[u8], refusal: &Refusal) -> String {
        let (mut client, server) = duplex(64 * 1024);
        client.write_all(request).await.unwrap();
        let mut session = Session::new_h1(Box::new(server) as Stream);
        assert!(session.downstream_session.read_request().await.unwrap());
        answer(&mut session, refusal, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &Way::default()).await.unwrap();
        drop(session);
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_blocked_payload_has_the_documented_shape() {
        let refusal = Refusal::new(
            Code::PayloadBlocked,
            "Potential SQL injection detected in root.title",
            "Request blocked for security reasons",
        );
        let text = answered(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &refusal).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/problem+json\r\n"), "{head}");
        assert!(head.contains("X-Request-Id: 01ARZ3NDEKTSV4RRFFQ69G5FAV"), "{head}");
        assert_eq!(
            body,
            r#"{"title":"Request blocked","status":400,"error":"Potential SQL injection detected in root.title","detail":"Request blocked for security reasons","code":"payload_blocked","request_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#
        );
    }

    #[tokio::test]
    async fn allow_and_retry_after_are_sent() {
        let refusal = Refusal::new(Code::MethodNotAllowed, "e", "d").allow("GET, HEAD");
        let text = answered(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &refusal).await;
        assert!(text.contains("\r\nAllow: GET, HEAD\r\n") && text.starts_with("HTTP/1.1 405 "), "{text}");
        let refusal = Refusal::new(Code::BufferExhausted, "e", "d").retry_after_s(0);
        let text = answered(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &refusal).await;
        assert!(text.contains("\r\nRetry-After: 1\r\n"), "{text}");
    }

    #[tokio::test]
    async fn a_head_request_gets_no_body() {
        let refusal = Refusal::new(Code::RouteNotFound, "e", "d");
        let text = answered(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &refusal).await;
        assert!(text.starts_with("HTTP/1.1 404 ") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[tokio::test]
    async fn an_unread_body_closes_the_connection() {
        let refusal = Refusal::new(Code::BodyTooLarge, "e", "d");
        let text = answered(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nx", &refusal).await;
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    }
}
