//! The access log's entry: one per request, borrowed from the request, written straight into a buffer.
//!
//! It is on the way of every request, so it is encoded by hand: runs of plain bytes are copied, everything else goes
//! through a table, nothing is allocated. Bytes that are not UTF-8 are written as in `text` (`\xHH`, which JSON doubles),
//! control characters as JSON's own `\u00HH`. The path is cut at `?` and `#` whatever the caller passed: query strings
//! hold credentials and never reach this log.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::text::is_odd;
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// What is kept of a path, a host or a user agent, in bytes before escaping.
const MAX_TEXT_BYTES: usize = 2_048;

/// What one request was, and what it cost.
#[derive(Clone, Copy, Debug)]
pub struct AccessEntry<'a> {
    /// When the request came in.
    pub time: Timestamp,
    /// The gateway's id of the request.
    pub request_id: &'a str,
    /// Address of the client, behind trusted proxies.
    pub client: IpAddr,
    /// Request method.
    pub method: &'a [u8],
    /// Host that the client asked for; empty when it named none.
    pub host: &'a [u8],
    /// Path as received.
    pub path: &'a [u8],
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// Status sent to the client; 0 when none was.
    pub status: u16,
    /// Bytes of request body read from the client.
    pub bytes_in: u64,
    /// Bytes of response body sent to the client.
    pub bytes_out: u64,
    /// Microseconds from the request's first byte to the response's last.
    pub micros: u64,
    /// The backend that answered; `None` when none was asked.
    pub upstream: Option<SocketAddr>,
    /// Microseconds from connecting to the backend to the end of its answer; 0 when none was asked.
    pub upstream_micros: u64,
    /// Name of the route; `None` when no route matched.
    pub route: Option<&'a str>,
    /// What became of the request.
    pub verdict: Verdict,
    /// Who the client proved to be; `None` when it proved nothing.
    pub identity: Option<&'a str>,
    /// The client's `User-Agent`; empty when it sent none.
    pub user_agent: &'a [u8],
}

// === impl AccessEntry ===

impl AccessEntry<'_> {
    /// Appends the entry as one JSON object, without the newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let bare_path = self.path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(&self.time.rfc3339());
        out.extend_from_slice(b"\",\"request_id\":");
        text(out, self.request_id.as_bytes());
        out.extend_from_slice(b",\"client\":\"");
        address(out, self.client);
        out.extend_from_slice(b"\",\"method\":");
        text(out, self.method);
        out.extend_from_slice(b",\"host\":");
        text(out, self.host);
        out.extend_from_slice(b",\"path\":");
        text(out, bare_path);
        out.extend_from_slice(b",\"protocol\":");
        text(out, self.protocol.as_bytes());
        number(out, b",\"status\":", self.status.into());
        number(out, b",\"bytes_in\":", self.bytes_in);
        number(out, b",\"bytes_out\":", self.bytes_out);
        number(out, b",\"micros\":", self.micros);
        out.extend_from_slice(b",\"upstream\":");
        self.encode_upstream(out);
        number(out, b",\"upstream_micros\":", self.upstream_micros);
        out.extend_from_slice(b",\"route\":");
        match self.route {
            Some(route) => text(out, route.as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"verdict\":\"");
        out.extend_from_slice(self.verdict.as_str().as_bytes());
        out.extend_from_slice(b"\",\"identity\":");
        match self.identity {
            Some(identity) => text(out, identity.as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"user_agent\":");
        text(out, self.user_agent);
        out.push(b'}');
    }

    fn encode_upstream(&self, out: &mut Vec<u8>) {
        match self.upstream {
            None => out.extend_from_slice(b"null"),
            Some(SocketAddr::V4(peer)) => {
                out.push(b'"');
                address(out, (*peer.ip()).into());
                number(out, b":", peer.port().into());
                out.push(b'"');
            }
            Some(peer) => {
                let _ = write!(out, "\"{peer}\"");
            }
        }
    }
}

/// A JSON string of any bytes, cut at [`MAX_TEXT_BYTES`].
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let shown = bytes.get(..MAX_TEXT_BYTES).unwrap_or(bytes);
    out.push(b'"');
    // Without an early end, so that the compiler can look at many bytes at once.
    if shown.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
        out.extend_from_slice(shown);
    } else {
        for chunk in shown.utf8_chunks() {
            chunk.valid().chars().for_each(|c| character(out, c));
            chunk.invalid().iter().for_each(|byte| drop(write!(out, "\\\\x{byte:02X}")));
        }
    }
    if shown.len() < bytes.len() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}

fn character(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        c if is_odd(c) => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn number(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    let mut digits = [b'0'; 20];
    let (mut rest, mut length) = (value, 0);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}

fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            number(out, b"", a.into());
            for part in [b, c, d] {
                number(out, b".", part.into());
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn entry() -> AccessEntry<'static> {
        AccessEntry {
            time: "2026-11-20T13:20:42.123Z".parse().unwrap(),
            request_id: "01JD3X",
            client: "203.0.113.9".parse().unwrap(),
            method: b"GET",
            host: b"agents.example:8080",
            path: b"/api/v1/agents",
            protocol: "HTTP/1.1",
            status: 200,
            bytes_in: 0,
            bytes_out: 1_432,
            micros: 812,
            upstream: Some("127.0.0.1:9000".parse().unwrap()),
            upstream_micros: 640,
            route: Some("agent list"),
            verdict: Verdict::Pass,
            identity: Some("jwt:main:alice"),
            user_agent: b"curl/8.5.0",
        }
    }

    fn line(entry: &AccessEntry<'_>) -> String {
        let mut out = Vec::new();
        entry.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_entry_has_these_fields_in_this_order() {
        assert_eq!(
            line(&entry()),
            r#"{"time":"2026-11-20T13:20:42.123Z","request_id":"01JD3X","client":"203.0.113.9","method":"GET","host":"agents.example:8080","path":"/api/v1/agents","protocol":"HTTP/1.1","status":200,"bytes_in":0,"bytes_out":1432,"micros":812,"upstream":"127.0.0.1:9000","upstream_micros":640,"route":"agent list","verdict":"pass","identity":"jwt:main:alice","user_agent":"curl/8.5.0"}"#
        );
    }

    #[test]
    fn what_is_not_there_is_null_or_empty() {
        let bare =
            AccessEntry { upstream: None, upstream_micros: 0, route: None, identity: None, user_agent: b"", ..entry() };
        let value: Value = serde_json::from_str(&line(&bare)).unwrap();
        assert_eq!(
            (&value["upstream"], &value["route"], &value["identity"], &value["user_agent"]),
            (&json!(null), &json!(null), &json!(null), &json!(""))
        );
    }

    #[test]
    fn the_query_never_gets_in() {
        fn check(path: &[u8], expect: &str) {
            let written = line(&AccessEntry { path, ..entry() });
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["path"], expect);
            assert!(!written.contains("hunter2"), "{written}");
        }
        check(b"/login?password=hunter2", "/login");
        check(b"/login#hunter2", "/login");
        check(b"/a?b?hunter2", "/a");
        check(b"?hunter2", "");
        check(b"/plain", "/plain");
    }

    #[test]
    fn odd_bytes_are_escaped() {
        fn check(bytes: &[u8], expect: &str) {
            let written = line(&AccessEntry { user_agent: bytes, ..entry() });
            assert!(written.ends_with(&format!(",\"user_agent\":{expect}}}")), "{written}");
        }
        check(b"a\"b\\c", r#""a\"b\\c""#);
        check(b"a\nb\x1b[31m\x7f", r#""a\u000ab\u001b[31m\u007f""#);
        check(b"\xff\xc3", r#""\\xFF\\xC3""#);
        check("é\u{85}\u{202e}".as_bytes(), r#""é\u0085\u202e""#);
        check(&[b'x'; 3_000], &format!("\"{}…\"", "x".repeat(2_048)));
    }

    proptest! {
        #[test]
        fn every_line_is_one_json_object(
            request_id in "\\PC{0,20}", method in any::<Vec<u8>>(), host in any::<Vec<u8>>(), path in any::<Vec<u8>>(),
            agent in any::<Vec<u8>>(), route in proptest::option::of(".{0,20}"), client in any::<IpAddr>(),
            upstream in any::<Option<SocketAddr>>(), micros in any::<u64>(), status in any::<u16>(),
        ) {
            let odd = AccessEntry {
                request_id: &request_id, method: &method, host: &host, path: &path, user_agent: &agent,
                route: route.as_deref(), client, upstream, micros, status, ..entry()
            };
            let written = line(&odd);
            prop_assert!(!written.contains(char::is_control));
            let value: Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(value.as_object().unwrap().len(), 17);
            prop_assert_eq!(&value["client"], &json!(client.to_string()));
            prop_assert_eq!(&value["upstream"], &json!(upstream.map(|peer| peer.to_string())));
            prop_assert_eq!(&value["micros"], &json!(micros));
            if let Some(route) = route {
                prop_assert_eq!(&value["route"], &json!(route));
            }
        }
    }
}
