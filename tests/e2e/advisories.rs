//! Advisories against earlier releases of Pingora, each as a test that fails where the flaw is there.
//!
//! RUSTSEC-2026-0033, -0034 and -0035 cover CVE-2026-2833 (bytes passed through before an upgrade was accepted),
//! CVE-2026-2835 (HTTP/1.0 and Transfer-Encoding framing) and CVE-2026-2836 (cache keys without the host), all mended in
//! 0.8.0; CVE-2026-105297 (HPACK memory) in 0.8.1; CVE-2026-105299 (Connection-nominated fields forwarded) in 0.9.0.

use std::time::Duration;

use rampart_tests::hostile::HalfCloseClient;
use rampart_tests::{Answer, CountingOrigin, Setup, shape};

const ROUTES: &str = "[[route]]\nname = \"open\"\nmatch = { path = \"/open\" }\nupstream = \"agents\"\n\
                      [[route]]\nname = \"socket\"\nmatch = { path = \"/socket\" }\nupstream = \"agents\"\nbody = \"stream\"\nwebsocket = true\n";

/// CVE-2026-2833: a request with Upgrade, and a second one behind it. The origin declines the upgrade with 200; the
/// second request must not have been passed on as if the connection were a tunnel.
#[tokio::test(flavor = "multi_thread")]
async fn rustsec_2026_0033_bytes_behind_an_upgrade_that_was_not_accepted() {
    let origin = CountingOrigin::scripted(|_| Answer::json("declined")).await;
    let gateway = Setup::new(origin.address).routes(ROUTES).start().await;
    for (target, upgrade) in [("/socket", "websocket"), ("/socket", "foo"), ("/open", "websocket"), ("/open", "h2c")] {
        let fields = [
            ("Connection", "Upgrade"),
            ("Upgrade", upgrade),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let bytes = [shape::head("GET", target, &fields), shape::get("/hidden")].concat();
        HalfCloseClient.run(gateway.addresses.plain, &bytes, Duration::from_secs(10)).await.expect("an end");
        // By what must not arrive: a client that has gone may be ahead of what the origin records.
        let arrived = origin.seen();
        assert!(arrived.iter().all(|seen| seen.target != "/hidden"), "{target} {upgrade}: {arrived:?}");
        assert_eq!(origin.malformed(), 0);
    }
    // With a body that is itself a request, too.
    let hidden = shape::get("/hidden");
    let length = hidden.len().to_string();
    let fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Content-Length", &*length)];
    let bytes = [shape::head("POST", "/socket", &fields), hidden].concat();
    HalfCloseClient.run(gateway.addresses.plain, &bytes, Duration::from_secs(10)).await.expect("an end");
    assert!(origin.seen().iter().all(|seen| seen.target != "/hidden"), "{:?}", origin.seen());
    assert_eq!(origin.malformed(), 0);
}

/// CVE-2026-2835: HTTP/1.0 with Transfer-Encoding, codings in lists and repeated fields, and bodies that would last
/// until the connection closes: none may be read differently here and at the origin.
#[tokio::test(flavor = "multi_thread")]
async fn rustsec_2026_0034_request_bodies_of_http_1_0_and_transfer_encodings() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(ROUTES).start().await;
    let hidden = String::from_utf8(shape::get("/hidden")).unwrap();
    for (version, fields, body) in [
        ("1.0", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("1.0", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ("1.0", "Connection: keep-alive\r\n", ""),
        ("1.0", "Connection: keep-alive\r\nTransfer-Encoding: identity\r\n", ""),
        ("1.1", "Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: identity\r\n", ""),
        ("1.1", "Transfer-Encoding: gzip\r\n", ""),
        ("1.1", "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n", "abc"),
    ] {
        let bytes = format!("POST /open HTTP/{version}\r\nHost: gateway.test\r\n{fields}\r\n{body}{hidden}");
        HalfCloseClient.run(gateway.addresses.plain, bytes.as_bytes(), Duration::from_secs(10)).await.expect("an end");
        for seen in origin.seen() {
            assert_eq!(seen.target, "/open", "HTTP/{version} {fields:?}");
            assert!(!seen.body.windows(7).any(|window| window == b"/hidden"), "HTTP/{version} {fields:?}: {seen:?}");
            assert!(seen.all("transfer-encoding").is_empty(), "HTTP/{version} {fields:?}: {seen:?}");
        }
        assert_eq!(origin.malformed(), 0, "HTTP/{version} {fields:?}");
    }
}

/// CVE-2026-2836: answers must not be shared between hosts. Nothing is cached yet; this pins that two hosts with the
/// same path get each their own answer, and stays when caching arrives.
#[tokio::test(flavor = "multi_thread")]
async fn rustsec_2026_0035_an_answer_of_one_host_is_not_given_to_another() {
    let origin = CountingOrigin::scripted(|seen| Answer::Full {
        status: 200,
        headers: vec![("Cache-Control".into(), "public, max-age=600".into())],
        body: seen.header("host").unwrap_or("none").to_owned().into(),
    })
    .await;
    let gateway = Setup::new(origin.address).routes(ROUTES).start().await;
    for _ in 0..2 {
        for host in ["victim.test", "attacker.test"] {
            let bytes = format!("GET /open HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(gateway.ask(bytes.as_bytes()).await.text(), host);
        }
    }
}

/// CVE-2026-105299: a client names, in Connection, a field that the gateway itself sets or that frames the message. Such
/// a request is refused, or the field arrives all the same; it is never missing at an origin that would believe its
/// absence.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_105299_connection_nominated_fields() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(ROUTES).start().await;
    for nominated in
        ["X-Forwarded-For", "X-Real-IP", "X-Request-Id", "X-Forwarded-Proto", "Host", "Content-Length", "traceparent"]
    {
        let before = origin.requests();
        let connection = format!("keep-alive, {nominated}");
        let fields = [
            ("Connection", &*connection),
            ("Content-Type", "application/json"),
            ("Content-Length", "3"),
            ("X-Kept", "1"),
        ];
        let bytes = [shape::head("POST", "/open", &fields), b"[1]".to_vec()].concat();
        let response = gateway.ask(&bytes).await;
        if response.status == 400 {
            response.expect_problem(400, "framing_invalid");
            assert_eq!(origin.requests(), before, "{nominated}: refused and forwarded");
            continue;
        }
        assert_eq!(response.status, 200, "{nominated}");
        let seen = origin.last();
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"], "{nominated}");
        assert_eq!(seen.all("x-real-ip"), ["127.0.0.1"], "{nominated}");
        assert_eq!(seen.all("x-forwarded-proto"), ["http"], "{nominated}");
        assert_eq!(seen.all("host"), ["gateway.test"], "{nominated}");
        assert_eq!(seen.all("x-request-id").len(), 1, "{nominated}");
        assert_eq!(&seen.body[..], b"[1]", "{nominated}");
    }
    // A field of the client's own that it nominates ends here, and so does Connection.
    let fields = [("Connection", "close, X-Own"), ("X-Own", "for this hop")];
    assert_eq!(gateway.ask(&shape::head("GET", "/open", &fields)).await.status, 200);
    let seen = origin.last();
    assert_eq!(seen.header("x-own"), None);
    let passed_on = seen.all("connection").join(",").to_ascii_lowercase();
    assert!(!passed_on.contains("x-own"), "{passed_on}");
}

/// CVE-2026-105297: see `hostile::an_hpack_bomb_is_refused_in_bounded_memory`; here the limits themselves.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2026_105297_http2_limits_are_announced() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(ROUTES).tls().start().await;
    let config = gateway.authority.client(&["h2"]);
    let mut wire =
        rampart_tests::http1::tls(gateway.addresses.tls, rampart_tests::setup::TLS_NAME, config).await.unwrap();
    wire.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut header = [0; 9];
    wire.read_exact(&mut header).await.unwrap();
    assert_eq!(header[3], 4, "the first frame is SETTINGS");
    let mut payload = vec![0; u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize];
    wire.read_exact(&mut payload).await.unwrap();
    let setting = |id: u16| {
        payload
            .chunks(6)
            .find(|entry| u16::from_be_bytes([entry[0], entry[1]]) == id)
            .map(|entry| u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
    };
    let streams = setting(3).expect("SETTINGS_MAX_CONCURRENT_STREAMS is announced");
    assert!(streams <= 1_000, "{streams} streams");
    let fields = setting(6).expect("SETTINGS_MAX_HEADER_LIST_SIZE is announced");
    assert!(fields <= 256 << 10, "{fields} bytes of fields");
}
