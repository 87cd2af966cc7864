//! A response that a rule refuses does not leave the gateway: not its head, not one byte of its body. And one that passes
//! arrives whole; what need not be inspected is not held back. For HTTP/1 and HTTP/2, however request and response are
//! framed.

mod origin;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use rampart_tests::http2::send_body;
use rampart_tests::shape::{self, benign_json};
use rampart_tests::wait::{eventually_some, within};
use rampart_tests::{
    Answer, Authority, Connection, CountingOrigin, CountingOrigin2, Gateway, Response, Setup, eventually,
};

use self::origin::{LIMIT, ROUTES, RULES, document, gzip, script, setup};

const JSON: &str = "application/json";

/// What must not leave, wherever it stands in a response.
const LEAK: &str = "SECRET-LEAK";

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::scripted(script).await;
    let gateway = setup(&origin).start().await;
    (gateway, origin)
}

const FRAMINGS: [&str; 4] = ["length", "chunked", "slow", "close"];

/// A request's body: how long, and whether its length is declared.
const BODIES: [(usize, bool); 7] =
    [(0, true), (1_000, true), (1_000, false), (100_000, true), (100_000, false), (1 << 20, true), (1 << 20, false)];

fn request(target: &str, body: &Bytes, declared: bool) -> Vec<u8> {
    let kind = if body.is_empty() { "text/plain" } else { JSON };
    if declared { shape::post(target, kind, body) } else { shape::post_chunked(target, kind, body, 40_000) }
}

/// The refusal is all there is: nothing that the origin said.
#[track_caller]
fn expect_withheld(response: &Response) {
    let problem = response.expect_problem(403, "response_blocked");
    assert_eq!(problem["title"], "Response blocked");
    assert_eq!(response.header("x-origin"), None, "{response:?}");
    for said in [LEAK, "Nothing to see", "1001"] {
        assert!(!response.text().contains(said), "{}", response.text());
    }
}

#[track_caller]
fn expect_whole(response: &Response, size: usize) {
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("x-origin"), Some("here"));
    assert!(response.body == document(size, ""), "{} bytes of {size}", response.body.len());
}

/// One connection carries refused and passed responses in turn.
async fn http1(connection: &mut Connection, origin: &CountingOrigin, framing: &str) {
    let (leak, good) = (format!("/{framing}?tail={LEAK}"), format!("/{framing}?size=50000"));
    expect_withheld(&connection.ask(&shape::get(&leak)).await);
    expect_whole(&connection.ask(&shape::get(&good)).await, 50_000);
    for (size, declared) in BODIES {
        let body = benign_json(size);
        expect_withheld(&connection.ask(&request(&leak, &body, declared)).await);
        assert!(origin.last().body == body, "{size} bytes, declared {declared}: the request's body");
        expect_whole(&connection.ask(&request(&good, &body, declared)).await, 50_000);
        assert!(origin.last().body == body, "{size} bytes, declared {declared}: the request's body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_does_not_leave_over_http1_and_what_passes_arrives_whole() {
    let (gateway, origin) = gateway_and_origin().await;
    for framing in FRAMINGS {
        http1(&mut gateway.connect().await, &origin, framing).await;
    }
    http1(&mut gateway.connect_tls().await, &origin, "length").await;
    assert_eq!(origin.malformed(), 0);
    eventually_some("all memory is given back", async || {
        (gateway.metric("rampart_buffered_bytes").await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_does_not_leave_over_http2_and_what_passes_arrives_whole() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect2().await;
    for framing in FRAMINGS {
        let (leak, good) = (format!("/{framing}?tail={LEAK}"), format!("/{framing}?size=50000"));
        expect_withheld(&connection.get(&leak).await.unwrap());
        assert_eq!(origin.last().header("content-length"), None, "a GET stays without a body");
        expect_whole(&connection.get(&good).await.unwrap(), 50_000);
        for (size, declared) in BODIES {
            let body = benign_json(size);
            let kind = if body.is_empty() { "text/plain" } else { JSON };
            let (refused, _) = connection.ask("POST", &leak, kind, &body, declared).await.unwrap();
            expect_withheld(&refused);
            let (passed, _) = connection.ask("POST", &good, kind, &body, declared).await.unwrap();
            expect_whole(&passed, 50_000);
            let seen = origin.last();
            assert!(seen.body == body, "{size} bytes, declared {declared}: the request's body");
            assert_eq!(seen.header("host"), Some("gateway.test"));
        }
    }
    assert_eq!(origin.malformed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_held_reaches_the_origin_as_it_was_sent() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    connection.ask(&shape::head("GET", "/length", &[("Content-Type", "text/x"), ("X-Own", "1")])).await;
    let seen = origin.last();
    assert_eq!((seen.header("content-type"), seen.header("x-own")), (Some("text/x"), Some("1")));
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, None));
    connection.ask(&shape::post("/length", JSON, b"")).await;
    let seen = origin.last();
    assert_eq!((seen.header("content-type"), seen.header("content-length")), (Some(JSON), Some("0")));
    connection.ask(&shape::post_chunked("/length", JSON, b"{}", 1)).await;
    let seen = origin.last();
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (Some("2"), None));
}

/// Handed from worker to worker, a third of them were closed ("failed to acquire reusable stream", Pingora 0.9.1).
#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_upstream_are_kept() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for turn in 0..200 {
        let request = if turn % 2 == 0 { shape::get("/length") } else { shape::post("/chunked", JSON, b"{}") };
        expect_whole(&connection.ask(&request).await, 2_000);
    }
    // Pingora's own chance of losing one is not nought.
    assert!(origin.connections() <= 10, "{} connections for 200 requests", origin.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_judged_by_what_they_say() {
    let (gateway, _origin) = gateway_and_origin().await;
    expect_withheld(&gateway.get(&format!("/gzip?size={LIMIT}&tail={LEAK}")).await);
    for size in [LIMIT, 3 * LIMIT] {
        let good = gateway.get(&format!("/gzip?size={size}")).await;
        assert_eq!((good.status, good.header("content-encoding")), (200, Some("gzip")));
        assert!(good.body == gzip(&document(size, "")), "as it came");
    }
    // A few kB on the way; what they say is too long for those who want to see all of it.
    expect_withheld(&gateway.get(&format!("/strict/gzip?size={}", 3 * LIMIT)).await);
    assert_eq!(gateway.get(&format!("/strict/gzip?size={LIMIT}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_without_a_body_pass() {
    let (gateway, _origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for target in ["/length", "/gzip", "/empty"] {
        connection.send(&shape::head("HEAD", target, &[])).await;
        let head = connection.head_of_response().await.unwrap();
        assert_eq!((head.status, head.header("x-origin")), (200, Some("here")), "{target}");
    }
    let mut second = gateway.connect2().await;
    for (target, status) in [("/none", 204), ("/same", 304), ("/empty", 200)] {
        let response = gateway.get(target).await;
        assert_eq!((response.status, response.body.len()), (status, 0), "{target}");
        let response = second.get(target).await.unwrap();
        assert_eq!((response.status, response.body.len()), (status, 0), "{target}");
    }
    // The connection has survived the heads.
    expect_whole(&connection.ask(&shape::get("/length")).await, 2_000);
    // Nothing of a body, and its head is refused.
    connection.send(&shape::head("HEAD", "/old", &[])).await;
    let head = connection.head_of_response().await.unwrap();
    assert_eq!((head.status, head.header("x-origin")), (403, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_the_rest_passes_or_the_response_is_refused() {
    let (gateway, _origin) = gateway_and_origin().await;
    for framing in ["length", "chunked", "close"] {
        for size in [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT, 20 * LIMIT] {
            expect_whole(&gateway.get(&format!("/{framing}?size={size}")).await, size);
            // The leak is at its end: seen within the limit, and not behind it.
            let leaking = gateway.get(&format!("/{framing}?size={size}&tail={LEAK}")).await;
            if size <= LIMIT {
                expect_withheld(&leaking);
            } else {
                assert!(leaking.body == document(size, LEAK), "{framing} {size}");
            }
            let strict = gateway.get(&format!("/strict/{framing}?size={size}")).await;
            if size <= LIMIT { expect_whole(&strict, size) } else { expect_withheld(&strict) }
        }
    }
}

/// Bodies of this size are judged aside.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_judged_whole() {
    let (gateway, _origin) = gateway_and_origin().await;
    let (mut first, mut second) = (gateway.connect().await, gateway.connect2().await);
    for target in ["/roomy/length", "/roomy/chunked"] {
        for size in [300_000, 3_000_000] {
            let (good, leak) = (format!("{target}?size={size}"), format!("{target}?size={size}&tail={LEAK}"));
            expect_withheld(&first.ask(&shape::get(&leak)).await);
            expect_whole(&first.ask(&shape::get(&good)).await, size);
            expect_withheld(&second.get(&leak).await.unwrap());
            expect_whole(&second.get(&good).await.unwrap(), size);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_response_is_judged() {
    let (gateway, _origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for target in ["/old", "/streamed/old"] {
        expect_withheld(&connection.ask(&shape::get(target)).await);
    }
    for (target, to) in [("/down", "down"), ("/length?tail=GO-AWAY", "away")] {
        let response = connection.ask(&shape::get(target)).await;
        response.expect_problem(302, "response_blocked");
        assert_eq!(response.header("location"), Some(&*format!("https://status.example/{to}")));
        assert_eq!(response.header("x-origin"), None);
    }
    expect_withheld(&connection.ask(&shape::get("/length?tail=DROP-IT")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_redirected_and_dropped() {
    let (gateway, origin) = gateway_and_origin().await;
    let response = gateway.get("/length?go=away").await;
    response.expect_problem(302, "payload_blocked");
    assert_eq!(response.header("location"), Some("https://status.example/elsewhere"));
    // As ModSecurity v3 does: a drop is a refusal.
    gateway.get("/length?go=down").await.expect_problem(403, "payload_blocked");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_refused_before_its_body_is_read() {
    let (gateway, origin) = gateway_and_origin().await;
    let attack = ("X-Attack", "yes");
    for target in ["/length", "/streamed/length"] {
        for framing in [("Content-Length", "1000000"), ("Transfer-Encoding", "chunked")] {
            let mut connection = gateway.connect().await;
            connection.send(&shape::head("POST", target, &[attack, framing])).await;
            connection.response().await.expect_problem(403, "payload_blocked");
        }
        // Phase 2 has the head's arguments where the body passes unread.
        let late = format!("{target}?late=yes");
        gateway.ask(&shape::post(&late, "text/plain", b"hello")).await.expect_problem(406, "payload_blocked");
        gateway.get(&late).await.expect_problem(406, "payload_blocked");
    }
    origin.expect_untouched();
    let mut second = gateway.connect2().await;
    let request = Request::post("https://gateway.test/length").header("x-attack", "yes").body(()).unwrap();
    let (answer, mut stream) = second.begin(request, false).await;
    assert_eq!(within("an answer before the body", answer).await.unwrap().status(), 403);
    let _ = send_body(&mut stream, Bytes::from_static(b"late")).await;
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_unlisted_types_are_not_held() {
    let (gateway, _origin) = gateway_and_origin().await;
    for request in [shape::get("/events"), shape::post("/events", JSON, b"{}"), shape::get("/streamed/events")] {
        let mut connection = gateway.connect().await;
        let started = Instant::now();
        connection.send(&request).await;
        assert_eq!(connection.head_of_response().await.unwrap().status, 200);
        let mut arrivals = Vec::new();
        while connection.chunk().await.unwrap().is_some() {
            arrivals.push(started.elapsed());
        }
        assert_eq!(arrivals.len(), 10, "one event a chunk");
        let spread = arrivals[9].saturating_sub(arrivals[0]);
        assert!(spread > Duration::from_millis(700), "all within {spread:?}");
    }
    let binary = gateway.get(&format!("/binary?size=300000&tail={LEAK}")).await;
    assert!(binary.body == document(300_000, LEAK));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_carries_bytes_where_responses_are_inspected() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    connection.send(&shape::head("GET", "/streamed/socket", &handshake)).await;
    assert_eq!(connection.head_of_response().await.unwrap().status, 101);
    for _ in 0..20 {
        connection.send(LEAK.as_bytes()).await;
        assert_eq!(connection.exactly(LEAK.len()).await.unwrap(), LEAK.as_bytes());
    }
    drop(connection);
    eventually("the origin's side ends with the client's", || origin.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_dies_under_a_held_response_is_a_502() {
    let (gateway, _origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    let mut second = gateway.connect2().await;
    for target in ["/half", "/half-chunked"] {
        let response = connection.ask(&shape::get(target)).await;
        response.expect_problem(502, "upstream_protocol");
        second.get(target).await.unwrap().expect_problem(502, "upstream_protocol");
        let access = gateway.access(response.header("x-request-id").unwrap()).await;
        assert_eq!((access["status"].as_u64(), access["verdict"].as_str()), (Some(502), Some("error")), "{access}");
        // Behind the limit the head is out: the response must not end as if it were whole.
        let long = format!("{target}?size={}", 3 * LIMIT);
        let mut other = gateway.connect().await;
        other.send(&shape::get(&long)).await;
        assert!(other.try_response().await.is_err(), "{target}: a response cut short looks whole");
        assert!(second.get(&long).await.is_err(), "{target}: a response cut short looks whole over HTTP/2");
    }
    expect_whole(&connection.ask(&shape::get("/length")).await, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_held_response_ends_it_at_the_origin() {
    let (gateway, origin) = gateway_and_origin().await;
    for request in [shape::get("/never"), shape::post("/never", JSON, b"{}")] {
        let before = origin.requests();
        let mut connection = gateway.connect().await;
        connection.send(&request).await;
        eventually("the origin has the request", || origin.requests() == before + 1).await;
        eventually_some("some of it is held", async || {
            (gateway.metric("rampart_buffered_bytes").await > 10).then_some(())
        })
        .await;
        drop(connection);
        eventually("the origin is let go", || origin.open_connections() == 0).await;
        let line = gateway.line("access.log", |line| line["path"] == "/never").await;
        assert_eq!((line["status"].as_u64(), line["bytes_out"].as_u64()), (Some(0), Some(0)), "{line}");
        for gauge in ["rampart_buffered_bytes", "rampart_requests_in_flight"] {
            eventually_some("all is given back", async || (gateway.metric(gauge).await == 0).then_some(())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_refuses_what_would_be_held_and_recovers() {
    let origin = CountingOrigin::scripted(script).await;
    let gateway = setup(&origin).process("buffer_budget = \"1MiB\"").start().await;
    // A request whose body does not end takes most of it.
    let body = benign_json(1_000_000);
    let bytes = shape::post("/length", JSON, &body);
    let (last, front) = bytes.split_last().unwrap();
    let mut first = gateway.connect().await;
    first.send(front).await;
    eventually_some("the budget is taken", async || {
        (gateway.metric("rampart_buffered_bytes").await > 950_000).then_some(())
    })
    .await;
    let mut connection = gateway.connect().await;
    for framing in ["length", "chunked"] {
        let response = connection.ask(&shape::get(&format!("/{framing}?size=90000"))).await;
        response.expect_problem(503, "buffer_exhausted");
        assert!(response.header("retry-after").is_some());
        expect_whole(&connection.ask(&shape::get(&format!("/{framing}?size=20000"))).await, 20_000);
        // What is not withheld is not refused for want of memory.
        expect_whole(&connection.ask(&shape::get(&format!("/watched/{framing}?size=90000"))).await, 90_000);
    }
    first.send(&[*last]).await;
    expect_whole(&first.response().await, 2_000);
    expect_whole(&connection.ask(&shape::get("/length?size=90000")).await, 90_000);
    eventually_some("all is given back", async || (gateway.metric("rampart_buffered_bytes").await == 0).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn detect_mode_lets_pass_and_says_what_it_would_have_done() {
    let (gateway, _origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for target in ["/watched/length", "/watched/chunked"] {
        let response = connection.ask(&shape::get(&format!("{target}?tail={LEAK}"))).await;
        assert_eq!((response.status, response.body.len()), (200, 2_000));
        let event = gateway.event(response.header("x-request-id").unwrap()).await;
        assert_eq!((&event["verdict"], &event["code"]), (&"would_block".into(), &"response_blocked".into()), "{event}");
        assert_eq!(event["rules"], serde_json::json!(["1001"]), "{event}");
    }
    let old = connection.ask(&shape::get("/watched/old")).await;
    let event = gateway.event(old.header("x-request-id").unwrap()).await;
    assert_eq!((&event["verdict"], &event["rules"][0]), (&"would_block".into(), &"1002".into()), "{event}");
    let request = connection.ask(&shape::get("/watched/length?late=yes")).await;
    let event = gateway.event(request.header("x-request-id").unwrap()).await;
    assert_eq!((&event["verdict"], &event["code"]), (&"would_block".into(), &"payload_blocked".into()), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_say_what_the_client_got() {
    let (gateway, _origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for target in ["/length", "/chunked", "/old"] {
        let response = connection.ask(&shape::get(&format!("{target}?tail={LEAK}"))).await;
        expect_withheld(&response);
        let id = response.header("x-request-id").unwrap();
        let event = gateway.event(id).await;
        assert_eq!((&event["verdict"], &event["code"]), (&"block".into(), &"response_blocked".into()), "{event}");
        assert_eq!((event["status"].as_u64(), event["route"].as_str()), (Some(403), Some("all")), "{event}");
        let rule = if target == "/old" { "1002" } else { "1001" };
        assert_eq!(event["rules"], serde_json::json!([rule]), "{event}");
        assert!(!event.to_string().contains("see here"), "a body is in the record: {event}");
        let access = gateway.access(id).await;
        assert_eq!((access["status"].as_u64(), access["verdict"].as_str()), (Some(403), Some("block")), "{access}");
        assert_eq!(access["bytes_out"].as_u64(), Some(response.body.len() as u64), "{access}");
    }
    let passed = connection.ask(&shape::get("/length")).await;
    let access = gateway.access(passed.header("x-request-id").unwrap()).await;
    assert_eq!((access["status"].as_u64(), access["verdict"].as_str()), (Some(200), Some("pass")), "{access}");
    assert_eq!(access["bytes_out"].as_u64(), Some(2_000), "{access}");
    assert_eq!(gateway.lines("access.log").len(), 4, "one line for each request");
}

/// An HTTP/2 upstream whose responses end with trailers, after the last byte of body has passed the filters.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_with_trailers_is_judged() {
    let authority = Authority::new();
    let origin = CountingOrigin2::start(authority.sign(&["origin.test"]).server(&["h2"])).await;
    let keys = format!(
        "addresses = [\"https://{}\"]\nprotocol = \"http2\"\ntls = {{ ca_file = \"authority.pem\", sni = \"origin.test\" }}",
        origin.address
    );
    let setup = Setup::bare().upstream("agents", &keys).file("authority.pem", &authority.pem());
    let setup = setup.without_shipped_rules().routes(ROUTES).file("leaks.conf", RULES);
    let setup = setup.file("strict.conf", "SecResponseBodyLimitAction Reject\n").file("roomy.conf", "");
    let gateway = setup.tls().start().await;
    let (mut connection, mut second) = (gateway.connect().await, gateway.connect2().await);
    for size in [1_000, 50_000] {
        let (good, leak) = (document(size, ""), document(size, LEAK));
        for _ in 0..2 {
            let refused = connection.ask(&shape::post("/echo", "text/plain", &leak)).await;
            expect_withheld(&refused);
            let event = gateway.event(refused.header("x-request-id").unwrap()).await;
            assert_eq!((&event["verdict"], &event["status"]), (&"block".into(), &403.into()), "{event}");
            let passed = connection.ask(&shape::post("/echo", "text/plain", &good)).await;
            assert!(passed.status == 200 && passed.body == good, "{size}: {} bytes", passed.body.len());
            let (refused, _) = second.ask("POST", "/echo", "text/plain", &leak, true).await.unwrap();
            expect_withheld(&refused);
            let (passed, _) = second.ask("POST", "/echo", "text/plain", &good, true).await.unwrap();
            assert!(passed.status == 200 && passed.body == good, "{size}: {} bytes", passed.body.len());
        }
    }
    // What is not held keeps its trailers.
    let (grpc, trailers) = second.ask("POST", "/echo", "application/grpc", &document(500, ""), false).await.unwrap();
    assert_eq!((grpc.status, trailers.get("grpc-status").map(http::HeaderValue::as_bytes)), (200, Some(&b"0"[..])));
}

/// A response that cannot be held, because its request still streams, is cut off where it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_to_a_streaming_request_is_cut_off() {
    let (gateway, _origin) = gateway_and_origin().await;
    let sent = |target: &str| shape::post(&format!("/streamed/{target}"), JSON, b"{}");
    expect_whole(&gateway.ask(&sent("chunked?size=50000")).await, 50_000);
    let mut connection = gateway.connect().await;
    connection.send(&sent(&format!("slow?tail={LEAK}"))).await;
    let head = connection.head_of_response().await.unwrap();
    assert_eq!(head.status, 200);
    let mut whole = true;
    loop {
        match connection.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    assert!(!whole, "it ended as if all were well");
    let event = gateway.event(head.header("x-request-id").unwrap()).await;
    assert_eq!((&event["verdict"], &event["code"]), (&"block".into(), &"response_blocked".into()), "{event}");
    assert_eq!(event["status"], 200, "what the client got: {event}");
}

/// The Core Rule Set's own rules for what leaks from databases and interpreters.
#[tokio::test(flavor = "multi_thread")]
async fn the_core_rule_set_withholds_what_leaks() {
    const LEAKS: [(&str, &str); 4] = [
        ("sql", "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version"),
        ("php", "<b>Warning</b>: Undefined variable $password in /var/www/html/login.php on line 12"),
        ("source", "<?php $connection = mysqli_connect('db', 'root', 'hunter2'); ?>"),
        ("listing", "<html><head><title>Index of /backup</title></head><body><h1>Index of /backup</h1></body></html>"),
    ];
    let origin = CountingOrigin::scripted(|seen| {
        let leak = LEAKS.iter().find(|(name, _)| seen.target.ends_with(name)).map_or("<p>Good day</p>", |leak| leak.1);
        let headers = vec![("Content-Type".to_owned(), "text/html".to_owned()), ("X-Origin".into(), "here".into())];
        Answer::Full { status: 200, headers, body: leak.into() }
    })
    .await;
    let responses = "SecResponseBodyAccess On\nSecResponseBodyMimeType text/plain text/html\n";
    let files =
        r#"["crs/before.conf", "crs/responses.conf", "crs/crs-setup.conf", "crs/level.conf", "crs/rules/*.conf"]"#;
    let routes = format!("[profile.crs]\nseclang = {files}\n{}inspection = \"crs\"\n", rampart_tests::setup::CATCH_ALL);
    let setup =
        Setup::new(origin.address).without_shipped_rules().routes(&routes).file("crs/responses.conf", responses);
    let Some(setup) = rampart_tests::core_rules::install(setup, 1) else { return };
    let gateway = setup.start().await;
    let mut connection = gateway.connect().await;
    for (name, leak) in LEAKS {
        let response = connection.ask(&shape::get(&format!("/page/{name}"))).await;
        expect_withheld(&response);
        assert!(!response.text().contains(leak), "{name}");
        let event = gateway.event(response.header("x-request-id").unwrap()).await;
        let rules = event["rules"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule.as_str().unwrap().starts_with("95")), "{name}: {event}");
        let passed = connection.ask(&shape::get("/page/good")).await;
        assert_eq!((passed.status, passed.text().as_str()), (200, "<p>Good day</p>"));
    }
}
