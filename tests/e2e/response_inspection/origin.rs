//! What the tests of response inspection stand between: rules that look at responses, and an origin that leaks on demand.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rampart_tests::{Answer, CountingOrigin, Seen, Setup, shape};

use super::LEAK;

/// Bytes of a body that are inspected.
pub(super) const LIMIT: usize = 100_000;

pub(super) const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html application/json
SecResponseBodyLimit 100000
SecResponseBodyLimitAction ProcessPartial
SecRule RESPONSE_BODY "@contains SECRET-LEAK" "id:1001,phase:4,deny,status:403,msg:'A secret leaves',tag:'leak'"
SecRule RESPONSE_HEADERS:X-Powered-By "@contains PHP/5" "id:1002,phase:3,deny,status:403,msg:'An old server'"
SecRule RESPONSE_STATUS "@streq 509" "id:1003,phase:3,redirect:https://status.example/down,msg:'Down'"
SecRule RESPONSE_BODY "@contains GO-AWAY" "id:1004,phase:4,redirect:https://status.example/away,msg:'Away'"
SecRule RESPONSE_BODY "@contains DROP-IT" "id:1005,phase:4,drop,msg:'Dropped'"
SecRule REQUEST_HEADERS:X-Attack "@streq yes" "id:1006,phase:1,deny,status:403,msg:'By its head'"
SecRule ARGS:late "@streq yes" "id:1007,phase:2,deny,status:406,msg:'By its arguments'"
SecRule ARGS:go "@streq away" "id:1008,phase:1,redirect:https://status.example/elsewhere,msg:'Elsewhere'"
SecRule ARGS:go "@streq down" "id:1009,phase:1,drop,msg:'Dropped at once'"
"#;

pub(super) const ROUTES: &str = r#"
[profile.leaks]
seclang = ["leaks.conf"]
[profile.strict]
seclang = ["leaks.conf", "strict.conf"]
[profile.roomy]
seclang = ["leaks.conf", "roomy.conf"]
[profile.watch]
mode = "detect"
seclang = ["leaks.conf"]

[[route]]
name = "all"
match = { path = "/**" }
upstream = "agents"
inspection = "leaks"
[[route]]
name = "strict"
match = { path = "/strict/**" }
upstream = "agents"
inspection = "strict"
[[route]]
name = "roomy"
match = { path = "/roomy/**" }
upstream = "agents"
inspection = "roomy"
[[route]]
name = "watched"
match = { path = "/watched/**" }
upstream = "agents"
inspection = "watch"
[[route]]
name = "streamed"
match = { path = "/streamed/**" }
upstream = "agents"
inspection = "leaks"
body = "stream"
websocket = true
"#;

pub(super) fn setup(origin: &CountingOrigin) -> Setup {
    // An origin that breaks off one response after the other would be left alone by its breaker.
    let upstream = format!("addresses = [\"http://{}\"]\nbreaker = {{ enabled = false }}", origin.address);
    Setup::bare()
        .upstream("agents", &upstream)
        .without_shipped_rules()
        .routes(ROUTES)
        .file("leaks.conf", RULES)
        .file("strict.conf", "SecResponseBodyLimitAction Reject\n")
        .file("roomy.conf", "SecResponseBodyLimit 4000000\n")
        .tls()
}

fn text_type() -> Vec<(String, String)> {
    fields(&[("Content-Type", "text/plain; charset=utf-8"), ("X-Origin", "here")])
}

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// `size` bytes of text; what is to be found stands at its end.
pub(super) fn document(size: usize, tail: &str) -> Bytes {
    let mut text: Vec<u8> = b"Nothing to see here. ".iter().copied().cycle().take(size - tail.len()).collect();
    text.extend_from_slice(tail.as_bytes());
    text.into()
}

pub(super) fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap().into()
}

/// The origin: the last part of the path says how the answer is framed, the query how long it is (`size`) and how it ends
/// (`tail`).
pub(super) fn script(seen: &Seen) -> Answer {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let size = asked("size").map_or(2_000, |size| size.parse().unwrap());
    let body = document(size, asked("tail").unwrap_or_default());
    let full = |status, headers, body| Answer::Full { status, headers, body };
    match path.rsplit('/').next().unwrap() {
        "length" => full(200, text_type(), body),
        "chunked" => Answer::Chunks(text_type(), pieces(&body, 1_000, Duration::ZERO)),
        "slow" => Answer::Chunks(text_type(), pieces(&body, size / 4, Duration::from_millis(20))),
        "close" => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Origin: here\r\n\r\n";
            Answer::Raw([head.as_slice(), &body].concat())
        }
        "gzip" => {
            let coded = [text_type(), fields(&[("Content-Encoding", "gzip")])].concat();
            full(200, coded, gzip(&body))
        }
        "binary" => full(200, fields(&[("Content-Type", "application/octet-stream")]), body),
        "old" => full(200, [text_type(), fields(&[("X-Powered-By", "PHP/5.2")])].concat(), body),
        "down" => full(509, text_type(), body),
        "none" => Answer::Raw(b"HTTP/1.1 204 No Content\r\nX-Origin: here\r\n\r\n".to_vec()),
        "same" => Answer::Raw(b"HTTP/1.1 304 Not Modified\r\nContent-Type: text/plain\r\nETag: \"1\"\r\n\r\n".to_vec()),
        "empty" => full(200, text_type(), Bytes::new()),
        "events" => {
            let event = |turn| (Duration::from_millis(100), Bytes::from(format!("data: {turn} {LEAK}\n\n")));
            Answer::Chunks(fields(&[("Content-Type", "text/event-stream")]), (0..10).map(event).collect())
        }
        "half" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", 2 * size);
            Answer::Raw([head.as_bytes(), &body].concat())
        }
        "half-chunked" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut bytes = [head.as_bytes(), &shape::chunked(&body, size)].concat();
            bytes.truncate(bytes.len() - 5);
            Answer::Raw(bytes)
        }
        "never" => Answer::Chunks(text_type(), pieces(&body, 1, Duration::from_millis(20))),
        "socket" => Answer::Echo(fields(&[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ])),
        other => panic!("the origin knows no {other}"),
    }
}

fn pieces(body: &Bytes, size: usize, pause: Duration) -> Vec<(Duration, Bytes)> {
    body.chunks(size.max(1)).map(|piece| (pause, Bytes::copy_from_slice(piece))).collect()
}
