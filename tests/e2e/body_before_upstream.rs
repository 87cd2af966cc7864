//! A blocked request never reaches the upstream: not its head, not one byte of its body, not even a connection. And an
//! allowed one arrives whole. For HTTP/1 and HTTP/2, with and without a declared length, at every size at which the
//! gateway changes its way of holding a body.

use std::time::Duration;

use bytes::Bytes;
use rampart_tests::http2::{read_response, send_body};
use rampart_tests::shape::{self, BODY_SIZES, SQL_INJECTION, benign_json, hostile_json};
use rampart_tests::{Connection, CountingOrigin, Gateway, Setup, eventually};

const TARGET: &str = "/api/v1/tasks";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).tls().start().await;
    (gateway, origin)
}

/// How a client says how long its body is.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunks(usize),
}

fn request(framing: Framing, content_type: &str, body: &[u8]) -> Vec<u8> {
    match framing {
        Framing::Length => shape::post(TARGET, content_type, body),
        Framing::Chunks(size) => shape::post_chunked(TARGET, content_type, body, size),
    }
}

/// An empty body is no JSON document: that size goes as text.
fn content_type(body: &Bytes) -> &'static str {
    if body.is_empty() { TEXT } else { JSON }
}

async fn check_allowed(connection: &mut Connection, origin: &CountingOrigin, framing: Framing) {
    for size in BODY_SIZES {
        let before = origin.requests();
        let body = benign_json(size);
        let response = connection.ask(&request(framing, content_type(&body), &body)).await;
        assert_eq!(response.status, 200, "{size} bytes, {framing:?}: {}", response.text());
        assert_eq!(origin.requests(), before + 1, "{size} bytes, {framing:?}");
        let seen = origin.last();
        assert_eq!(seen.body.len(), size, "{framing:?}");
        assert!(seen.body == body, "{size} bytes, {framing:?}: the body arrived changed");
        assert_eq!(seen.target, TARGET);
    }
    assert_eq!(origin.malformed(), 0);
}

async fn check_blocked(connection: &mut Connection, origin: &CountingOrigin, framing: Framing) {
    for size in BODY_SIZES {
        let body = hostile_json(size);
        let response = connection.ask(&request(framing, JSON, &body)).await;
        let problem = response.expect_problem(400, "payload_blocked");
        assert!(problem["error"].as_str().unwrap().contains("SQL injection"), "{problem}");
        origin.expect_untouched();
    }
    // Keep-alive has survived each of them: the same connection still carries a good request.
    let body = benign_json(300);
    assert_eq!(connection.ask(&request(framing, JSON, &body)).await.status, 200, "{framing:?}");
    assert_eq!((origin.connections(), origin.requests()), (1, 1), "{framing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_with_content_length_allowed_bodies_arrive_intact() {
    let (gateway, origin) = gateway_and_origin().await;
    check_allowed(&mut gateway.connect().await, &origin, Framing::Length).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_chunked_allowed_bodies_arrive_intact() {
    let (gateway, origin) = gateway_and_origin().await;
    check_allowed(&mut gateway.connect().await, &origin, Framing::Chunks(40_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_chunks_of_one_byte_to_one_kilobyte_arrive_intact() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for (size, chunk) in [(700, 1), (5_000, 7), (70_000, 1_000), (70_000, 65_536), (131_073, 3_001)] {
        let body = benign_json(size);
        let response = connection.ask(&shape::post_chunked(TARGET, JSON, &body, chunk)).await;
        assert_eq!(response.status, 200, "{size} bytes in chunks of {chunk}: {}", response.text());
        assert!(origin.last().body == body, "{size} bytes in chunks of {chunk}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_with_content_length_blocked_bodies_never_touch_the_origin() {
    let (gateway, origin) = gateway_and_origin().await;
    check_blocked(&mut gateway.connect().await, &origin, Framing::Length).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_chunked_blocked_bodies_never_touch_the_origin() {
    let (gateway, origin) = gateway_and_origin().await;
    check_blocked(&mut gateway.connect().await, &origin, Framing::Chunks(40_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_over_tls_allowed_and_blocked_bodies() {
    let (gateway, origin) = gateway_and_origin().await;
    check_blocked(&mut gateway.connect_tls().await, &origin, Framing::Length).await;
    check_allowed(&mut gateway.connect_tls().await, &origin, Framing::Chunks(16_000)).await;
}

async fn http2_allowed(declared: bool) {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect2().await;
    for size in BODY_SIZES {
        let body = benign_json(size);
        let answer = connection.ask("POST", TARGET, content_type(&body), &body, declared).await;
        let (response, _) = answer.unwrap_or_else(|error| panic!("{size} bytes, declared {declared}: {error}"));
        assert_eq!(response.status, 200, "{size} bytes, declared {declared}: {}", response.text());
        let seen = origin.last();
        assert_eq!(seen.body.len(), size, "declared {declared}");
        assert!(seen.body == body, "{size} bytes, declared {declared}: the body arrived changed");
    }
    assert_eq!(origin.requests(), BODY_SIZES.len());
    assert_eq!(origin.malformed(), 0);
}

async fn http2_blocked(declared: bool) {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect2().await;
    for size in BODY_SIZES {
        let body = hostile_json(size);
        let answer = connection.ask("POST", TARGET, JSON, &body, declared).await;
        let (response, _) = answer.unwrap_or_else(|error| panic!("{size} bytes, declared {declared}: {error}"));
        response.expect_problem(400, "payload_blocked");
        origin.expect_untouched();
    }
    let body = benign_json(300);
    let (response, _) = connection.ask("POST", TARGET, JSON, &body, declared).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!((origin.connections(), origin.requests()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_content_length_allowed_bodies_arrive_intact() {
    http2_allowed(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_length_allowed_bodies_arrive_intact() {
    http2_allowed(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_content_length_blocked_bodies_never_touch_the_origin() {
    http2_blocked(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_length_blocked_bodies_never_touch_the_origin() {
    http2_blocked(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_streams_side_by_side_are_judged_each_for_itself() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect2().await;
    let mut answers = Vec::new();
    for turn in 0..20_usize {
        let body = if turn % 2 == 0 { benign_json(66_000 + turn) } else { hostile_json(66_000 + turn) };
        let request =
            http::Request::post(format!("https://gateway.test{TARGET}")).header("content-type", JSON).body(()).unwrap();
        let (answer, mut stream) = connection.begin(request, false).await;
        answers.push(tokio::spawn(async move {
            let sending = tokio::spawn(async move { send_body(&mut stream, body).await });
            let (response, _) = read_response(answer).await.unwrap();
            let _ = sending.await;
            (turn, response)
        }));
    }
    for answer in answers {
        let (turn, response) = answer.await.unwrap();
        assert_eq!(response.status, if turn % 2 == 0 { 200 } else { 400 }, "stream {turn}: {}", response.text());
    }
    assert_eq!(origin.requests(), 10);
    assert!(origin.seen().iter().all(|seen| seen.body.len() % 2 == 0), "a blocked body arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_forwarded_only_when_it_is_whole() {
    let (gateway, origin) = gateway_and_origin().await;
    for framing in [Framing::Length, Framing::Chunks(20_000)] {
        for size in [2_000, 150_000] {
            let before = (origin.connections(), origin.bytes());
            let body = benign_json(size);
            let bytes = request(framing, JSON, &body);
            let mut connection = gateway.connect().await;
            let (last, front) = bytes.split_last().unwrap();
            for piece in front.chunks(front.len() / 5 + 1) {
                connection.send(piece).await;
                // Another client's whole round trip: the gateway has had its turn.
                gateway.probe("/health").await;
            }
            assert_eq!((origin.connections(), origin.bytes()), before, "{framing:?}, {size}: bytes went ahead");
            connection.send(&[*last]).await;
            let response = connection.response().await;
            assert_eq!(response.status, 200, "{framing:?}, {size}: {}", response.text());
            assert!(origin.last().body == body, "{framing:?}, {size}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_body_never_touches_the_origin() {
    let (gateway, origin) = gateway_and_origin().await;
    for size in [2_000, 70_000, 1 << 20] {
        for framing in [Framing::Length, Framing::Chunks(30_000)] {
            let bytes = request(framing, JSON, &benign_json(size));
            let front = &bytes[..bytes.len() - 10];
            rampart_tests::hostile::EarlyCloseClient.run(gateway.addresses.plain, front).await;
            // In order, too: FIN instead of RST. Whatever the gateway says then, it is no success.
            let answer = rampart_tests::hostile::HalfCloseClient
                .run(gateway.addresses.plain, front, Duration::from_secs(10))
                .await;
            let answer = String::from_utf8_lossy(&answer.expect("the gateway gives the connection up")).into_owned();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{framing:?}, {size}: {answer}");
        }
    }
    origin.expect_untouched();
    assert_eq!(gateway.get("/api/v1/agents").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_http2_body_never_touches_the_origin() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect2().await;
    for size in [2_000, 200_000] {
        let request =
            http::Request::post(format!("https://gateway.test{TARGET}")).header("content-type", JSON).body(()).unwrap();
        let (answer, mut stream) = connection.begin(request, false).await;
        stream.reserve_capacity(size);
        let body = benign_json(size);
        let _ = stream.send_data(body.slice(..size / 2), false);
        stream.send_reset(h2::Reason::CANCEL);
        assert!(read_response(answer).await.is_err());
    }
    let (response, _) = connection.ask("POST", TARGET, JSON, &Bytes::from(SQL_INJECTION), true).await.unwrap();
    response.expect_problem(400, "payload_blocked");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_in_time_is_refused() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).listener("body_deadline = \"1s\"").start().await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("POST", TARGET, &[("Content-Type", JSON), ("Content-Length", "50")])).await;
    connection.send(b"[1,").await;
    let response = connection.response().await;
    response.expect_problem(408, "body_timeout");
    connection.expect_close(Duration::from_secs(5)).await;
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drip_of_bytes_does_not_extend_the_body_deadline() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).listener("body_deadline = \"1s\"").start().await;
    let slow = rampart_tests::hostile::SlowBodyClient { pause: Duration::from_millis(100) };
    let (after, answer) =
        slow.run(gateway.addresses.plain, Duration::from_secs(15)).await.expect("the gateway ends it");
    assert!(after < Duration::from_secs(8), "only after {after:?}");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_is_answered_and_goes_no_further() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for size in [1, 300, 70_000, 1 << 20] {
        let body = benign_json(size);
        let length = body.len().to_string();
        let fields = [("Content-Type", JSON), ("Content-Length", &*length), ("Expect", "100-continue")];
        connection.send(&shape::head("POST", TARGET, &fields)).await;
        let interim = connection.any_response().await.unwrap();
        assert_eq!(interim.status, 100, "{size} bytes");
        connection.send(&body).await;
        let response = connection.response().await;
        assert_eq!(response.status, 200, "{size} bytes: {}", response.text());
        assert!(origin.last().body == body);
        assert_eq!(origin.last().header("expect"), None);
    }
    let length = SQL_INJECTION.len().to_string();
    let fields = [("Content-Type", JSON), ("Content-Length", &*length), ("Expect", "100-continue")];
    connection.send(&shape::head("POST", TARGET, &fields)).await;
    assert_eq!(connection.any_response().await.unwrap().status, 100);
    connection.send(SQL_INJECTION.as_bytes()).await;
    connection.response().await.expect_problem(400, "payload_blocked");
    assert_eq!(origin.requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_of_a_body_too_large_is_refused_without_a_continue() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    let fields = [("Content-Type", JSON), ("Content-Length", "10485761"), ("Expect", "100-continue")];
    connection.send(&shape::head("POST", TARGET, &fields)).await;
    connection.any_response().await.unwrap().expect_problem(413, "body_too_large");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_over_the_limit_is_refused_on_every_way_in() {
    let (gateway, origin) = gateway_and_origin().await;
    // Declared: refused before the body is read.
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("POST", TARGET, &[("Content-Type", JSON), ("Content-Length", "10485761")])).await;
    let response = connection.response().await;
    response.expect_problem(413, "body_too_large");
    assert_eq!(response.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("close"));
    connection.expect_close(Duration::from_secs(10)).await;

    // Undeclared: refused while it is read.
    let body = benign_json((10 << 20) + 1);
    let mut connection = gateway.connect().await;
    let bytes = shape::post_chunked(TARGET, JSON, &body, 60_000);
    let _ = connection.try_send(&bytes).await;
    if let Ok(response) = connection.try_response().await {
        response.expect_problem(413, "body_too_large");
    }

    let mut connection = gateway.connect2().await;
    for declared in [true, false] {
        // The gateway may answer and then reset what it does not want to read.
        if let Ok((response, _)) = connection.ask("POST", TARGET, JSON, &body, declared).await {
            response.expect_problem(413, "body_too_large");
        }
    }
    let refused = r#"rampart_refusals_total{code="body_too_large"}"#;
    assert!(gateway.metric(refused).await >= 4, "{}", gateway.probe("/metrics").await.text());
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_limit_of_a_route_holds() {
    let origin = CountingOrigin::start().await;
    let routes =
        "[[route]]\nname = \"small\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\nbody_limit = \"1KiB\"\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    assert_eq!(gateway.ask(&shape::post(TARGET, JSON, &benign_json(1024))).await.status, 200);
    gateway.ask(&shape::post(TARGET, JSON, &benign_json(1025))).await.expect_problem(413, "body_too_large");
    let chunked = shape::post_chunked(TARGET, JSON, &benign_json(1025), 100);
    gateway.ask(&chunked).await.expect_problem(413, "body_too_large");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_buffer_budget_refuses_and_recovers() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).process("buffer_budget = \"1MiB\"").start().await;
    // Two bodies of which each would take most of the budget, held open.
    let body = benign_json(900 << 10);
    let bytes = shape::post(TARGET, JSON, &body);
    let mut first = gateway.connect().await;
    let (last, front) = bytes.split_last().unwrap();
    first.send(front).await;
    let held = async || gateway.metric("rampart_buffered_bytes").await > 800_000;
    rampart_tests::wait::eventually_some("the first body is held", async || held().await.then_some(())).await;

    let mut second = gateway.connect().await;
    let _ = second.try_send(&bytes).await;
    let response = second.response().await;
    response.expect_problem(503, "buffer_exhausted");
    assert!(response.header("retry-after").is_some(), "{response:?}");
    origin.expect_untouched();

    first.send(&[*last]).await;
    assert_eq!(first.response().await.status, 200);
    assert_eq!(gateway.ask(&bytes).await.status, 200, "the budget is free again");
    let freed = async || (gateway.metric("rampart_buffered_bytes").await == 0).then_some(());
    rampart_tests::wait::eventually_some("every permit is given back", freed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    let bytes = [
        shape::post(TARGET, JSON, &benign_json(100)),
        shape::post(TARGET, JSON, SQL_INJECTION.as_bytes()),
        shape::post_chunked(TARGET, JSON, &benign_json(500), 33),
        shape::get("/api/v1/agents"),
    ]
    .concat();
    connection.send(&bytes).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        match connection.try_response().await {
            Ok(response) => statuses.push(response.status),
            // A gateway may close after any answer (RFC 9112 section 9.3.2); what it answered must be right.
            Err(_) => break,
        }
    }
    assert_eq!(statuses[..], [200, 400, 200, 200][..statuses.len()]);
    assert!(!statuses.is_empty());
    assert!(origin.seen().iter().all(|seen| !seen.body.windows(10).any(|window| window == b"DROP TABLE")));
    eventually("nothing is left open", || origin.malformed() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_attack_is_seen_and_a_compressed_good_body_arrives_as_sent() {
    use std::io::Write;
    let compress = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (gateway, origin) = gateway_and_origin().await;
    let ask = async |body: &[u8]| {
        let length = body.len().to_string();
        let fields = [("Content-Type", JSON), ("Content-Encoding", "gzip"), ("Content-Length", &*length)];
        let mut bytes = shape::head("POST", TARGET, &fields);
        bytes.extend_from_slice(body);
        gateway.ask(&bytes).await
    };
    ask(&compress(&hostile_json(60_000))).await.expect_problem(400, "payload_blocked");
    origin.expect_untouched();
    // A bomb: 20 MiB of blanks in 20 kB, far beyond the ratio that counts once 64 KiB are decoded.
    let bomb = ask(&compress(&vec![b' '; 20 << 20])).await;
    assert!(matches!(bomb.status, 400 | 413), "{}", bomb.text());
    origin.expect_untouched();

    let good = compress(&benign_json(60_000));
    assert_eq!(ask(&good).await.status, 200);
    assert!(origin.last().body == good);
    assert_eq!(origin.last().header("content-encoding"), Some("gzip"));
}
