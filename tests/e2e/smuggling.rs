//! Ambiguous framing: whatever the gateway makes of it, the origin never sees a request that the gateway did not judge.

use std::time::Duration;

use rampart_tests::hostile::HalfCloseClient;
use rampart_tests::http2::{FrameWriter, frame};
use rampart_tests::{CountingOrigin, Setup};

/// The request that a smuggler hides. Its path is refused by a route, so that it can only come by being smuggled.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: gateway.test\r\n\r\n";

/// What a shape may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// 400 (or the connection closed without an answer), nothing at the origin.
    Refused,
    /// Read in the one way that RFC 9112 allows: the first request is answered, and the hidden one is either part of a
    /// body or a request that the gateway judges by itself.
    ReadOneWay,
}

fn shapes() -> Vec<(&'static str, Vec<u8>, Fate)> {
    use Fate::{ReadOneWay, Refused};
    let line = "POST /open HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: text/plain\r\n";
    let build = |fields: &str, body: &str| format!("{line}{fields}\r\n{body}{HIDDEN}").into_bytes();
    vec![
        ("Transfer-Encoding with Content-Length", build("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refused),
        ("Content-Length after Transfer-Encoding", build("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "1\r\na\r\n0\r\n\r\n"), Refused),
        ("two Content-Lengths that differ", build("Content-Length: 3\r\nContent-Length: 5\r\n", "abc"), Refused),
        ("a list of Content-Lengths that differ", build("Content-Length: 3, 5\r\n", "abc"), Refused),
        ("a negative Content-Length", build("Content-Length: -3\r\n", "abc"), Refused),
        ("a Content-Length with a sign", build("Content-Length: +3\r\n", "abc"), Refused),
        ("a hexadecimal Content-Length", build("Content-Length: 0x3\r\n", "abc"), Refused),
        ("a Content-Length beyond 64 bits", build("Content-Length: 36893488147419103235\r\n", "abc"), Refused),
        ("blank before the colon", build("Content-Length : 3\r\n", "abc"), Refused),
        ("a folded field", build("X-A: b\r\n c\r\nContent-Length: 3\r\n", "abc"), Refused),
        ("a folded Transfer-Encoding", build("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), Refused),
        ("an unknown transfer coding", build("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), Refused),
        ("chunked that is not last", build("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), Refused),
        ("chunked twice", build("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refused),
        ("identity", build("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc"), Refused),
        ("a vertical tab before chunked", build("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), Refused),
        ("a NUL in a field", build("X-A: b\0c\r\nContent-Length: 3\r\n", "abc"), Refused),
        ("a bare CR in a field", build("X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), Refused),
        ("a chunk size that is none", build("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"), Refused),
        ("a chunk size beyond 64 bits", build("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), Refused),
        ("a chunk longer than it says", build("Transfer-Encoding: chunked\r\n", "1\r\nabc\r\n0\r\n\r\n"), Refused),
        ("a negative chunk size", build("Transfer-Encoding: chunked\r\n", "-1\r\nabc\r\n0\r\n\r\n"), Refused),
        ("a chunk size with 0x", build("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n"), Refused),
        ("chunk lines that end in LF", build("Transfer-Encoding: chunked\r\n", "3\nabc\n0\n\n"), Refused),
        ("a chunk extension", build("Transfer-Encoding: chunked\r\n", "3;a=b\r\nabc\r\n0\r\n\r\n"), ReadOneWay),
        // Pingora's parser refuses it or passes over the extension, depending on where the reads fall. What goes on is
        // framed anew by its length, so there is one reading of it either way.
        ("a chunk extension with a bare LF", build("Transfer-Encoding: chunked\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n"), ReadOneWay),
        ("trailers", build("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nX-Late: yes\r\n\r\n"), ReadOneWay),
        ("framing in trailers", build("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n"), ReadOneWay),
        ("the same Content-Length twice", build("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), ReadOneWay),
        ("Transfer-Encoding in HTTP/1.0", format!("POST /open HTTP/1.0\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("a GET with a body", format!("GET /open HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()).into_bytes(), ReadOneWay),
        ("a bare LF after the request line", format!("GET /open HTTP/1.1\nHost: gateway.test\r\n\r\n{HIDDEN}").into_bytes(), ReadOneWay),
        ("bare LFs throughout", format!("GET /open HTTP/1.1\nHost: gateway.test\n\n{HIDDEN}").into_bytes(), ReadOneWay),
        ("blank before the first field", format!("GET /open HTTP/1.1\r\n X: y\r\nHost: gateway.test\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("a version that is none", format!("GET /open HTTP/1.9x\r\nHost: gateway.test\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("two blanks in the request line", format!("GET  /open HTTP/1.1\r\nHost: gateway.test\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Refused),
    ]
}

const ROUTES: &str = "[[route]]\nname = \"open\"\nmatch = { path = \"/open\" }\nupstream = \"agents\"\n";

/// Waits until nothing more arrives at the origin.
async fn quiet(origin: &CountingOrigin) {
    let mut so_far = usize::MAX;
    while so_far != origin.requests() {
        so_far = origin.requests();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shape_brings_a_request_past_the_gateway() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(ROUTES).start().await;
    let mut failures = Vec::new();
    for (name, bytes, fate) in shapes() {
        let before = (origin.requests(), origin.malformed());
        let said = HalfCloseClient.run(gateway.addresses.plain, &bytes, Duration::from_secs(15)).await;
        let Some(said) = said else {
            failures.push(format!("{name}: the gateway holds the connection"));
            continue;
        };
        let first = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
        // What is still on its way belongs to this shape, not to the next.
        quiet(&origin).await;
        let arrived = &origin.seen()[before.0..];
        if arrived.iter().any(|seen| seen.target != "/open") {
            failures.push(format!("{name}: the hidden request arrived: {arrived:?}"));
        }
        if origin.malformed() != before.1 {
            failures.push(format!("{name}: something that is no request arrived"));
        }
        let refused = first.is_empty() || first.starts_with("HTTP/1.1 4") || first.starts_with("HTTP/1.0 4");
        if fate == Fate::Refused && !(refused && arrived.is_empty()) {
            failures.push(format!("{name}: {first:?}, {} at the origin", arrived.len()));
        }
        if arrived.iter().any(|seen| !seen.all("transfer-encoding").is_empty() || seen.all("content-length").len() > 1)
        {
            failures.push(format!("{name}: ambiguous framing went on: {arrived:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(gateway.get("/open").await.status, 200, "others are answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn pseudo_fields_of_http2_cannot_carry_a_request() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(ROUTES).tls().start().await;
    for (name, value) in [
        ("x-a", &b"b\r\n\r\nGET /hidden HTTP/1.1\r\nHost: gateway.test"[..]),
        ("x-a", b"b\nTransfer-Encoding: chunked"),
        ("x-a", b"b\0c"),
        ("transfer-encoding", b"chunked"),
        ("connection", b"x-a"),
    ] {
        let mut writer =
            FrameWriter::open(gateway.addresses.tls, rampart_tests::setup::TLS_NAME, gateway.authority.client(&["h2"]))
                .await;
        let mut fields = FrameWriter::get_fields("/open");
        fields.extend_from_slice(&[0x00, u8::try_from(name.len()).unwrap()]);
        fields.extend_from_slice(name.as_bytes());
        fields.push(u8::try_from(value.len()).unwrap());
        fields.extend_from_slice(value);
        writer.send(frame::HEADERS, frame::END_HEADERS | frame::END_STREAM, 1, &fields).await.unwrap();
        let _ = writer.ended(Duration::from_millis(300)).await;
        let wrong: Vec<_> = origin
            .seen()
            .into_iter()
            .filter(|seen| {
                seen.target != "/open" || seen.header("transfer-encoding").is_some() || seen.header("x-a").is_some()
            })
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
        assert_eq!(origin.malformed(), 0, "{name}");
    }
    // A length that the frames do not keep (RFC 9113 section 8.1.1).
    let mut connection = gateway.connect2().await;
    let request = http::Request::post("https://gateway.test/open").header("content-length", "3").body(()).unwrap();
    let before = origin.requests();
    let (answer, mut stream) = connection.begin(request, false).await;
    let _ = stream.send_data(bytes::Bytes::from_static(b"abcdef"), true);
    let answer = rampart_tests::http2::read_response(answer).await;
    assert!(
        answer.as_ref().is_err() || answer.as_ref().is_ok_and(|(response, _)| response.status == 400),
        "{answer:?}"
    );
    assert_eq!(origin.requests(), before);
}
