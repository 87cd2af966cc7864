//! What must flow as it comes: WebSocket, server-sent events, gRPC, large uploads and downloads.

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use http::Request;
use rampart_tests::http2::send_body;
use rampart_tests::shape;
use rampart_tests::wait::within;
use rampart_tests::{Answer, Authority, CountingOrigin, CountingOrigin2, Gateway, Setup, eventually};

const STREAM: &str = "[[route]]\nname = \"stream\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\nbody = \"stream\"\nwebsocket = true\n";

const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    // RFC 6455 section 1.3.
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn websocket_answer() -> Vec<(String, String)> {
    [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_carries_bytes_both_ways() {
    let origin = CountingOrigin::scripted(|_| Answer::Echo(websocket_answer())).await;
    let gateway = Setup::new(origin.address).routes(STREAM).start().await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("GET", "/ws", &HANDSHAKE)).await;
    let answer = connection.head_of_response().await.unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let seen = origin.last();
    assert_eq!(seen.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert!(seen.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")), "{seen:?}");
    for turn in 0..50_usize {
        // A masked text frame (RFC 6455 section 5.2); to the gateway it is bytes.
        let frame = [&[0x81, 0x84, 1, 2, 3, 4][..], &[u8::try_from(turn).unwrap(); 4]].concat();
        connection.send(&frame).await;
        assert_eq!(connection.exactly(frame.len()).await.unwrap(), frame);
    }
    let big = vec![0x5a; 300_000];
    connection.send(&big).await;
    assert!(connection.exactly(big.len()).await.unwrap() == big);
    drop(connection);
    eventually("the origin's side ends with the client's", || origin.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_where_the_route_takes_none_is_refused() {
    let origin = CountingOrigin::scripted(|_| Answer::Echo(websocket_answer())).await;
    let gateway = Setup::new(origin.address).start().await;
    gateway.ask(&shape::head("GET", "/ws", &HANDSHAKE)).await.expect_problem(400, "upgrade_refused");
    origin.expect_untouched();
}

/// What follows a handshake is not inspected. The fields of one on a request with a body must not have that effect.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_field_does_not_switch_body_inspection_off() {
    const SOCKET: &str =
        "[[route]]\nname = \"socket\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\nwebsocket = true\n";
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(SOCKET).start().await;
    let attack = r#"{"title": "'; DROP TABLE users; --"}"#;
    let length = attack.len().to_string();
    let body = [("Content-Type", "application/json"), ("Content-Length", &*length)];
    for fields in [&HANDSHAKE[..], &HANDSHAKE[..2]] {
        for method in ["POST", "GET"] {
            let head = shape::head(method, "/ws", &[fields, &body].concat());
            let response = gateway.ask(&[head, attack.as_bytes().to_vec()].concat()).await;
            response.expect_problem(400, "upgrade_refused");
        }
    }
    let head = shape::head("POST", "/ws", &[&HANDSHAKE[1..], &body].concat());
    gateway.ask(&[head, attack.as_bytes().to_vec()].concat()).await.expect_problem(400, "payload_blocked");
    let chunked = [&HANDSHAKE[..], &[("Transfer-Encoding", "chunked")]].concat();
    let bytes = [shape::head("POST", "/ws", &chunked), shape::chunked(attack.as_bytes(), 7)].concat();
    gateway.ask(&bytes).await.expect_problem(400, "upgrade_refused");
    let old = String::from_utf8(shape::head("GET", "/ws", &HANDSHAKE)).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    gateway.ask(old.as_bytes()).await.expect_problem(400, "upgrade_refused");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_websocket_is_inspected() {
    let origin = CountingOrigin::scripted(|_| Answer::Echo(websocket_answer())).await;
    let gateway = Setup::new(origin.address).routes(STREAM).start().await;
    let target = "/ws?room=1%27%20UNION%20SELECT%20password%20FROM%20users--";
    gateway.ask(&shape::head("GET", target, &HANDSHAKE)).await.expect_problem(400, "payload_blocked");
    origin.expect_untouched();
}

/// Twenty events, 100 ms apart: the whole takes 2 s.
fn events() -> Answer {
    let chunks = (0..20)
        .map(|turn| (Duration::from_millis(100), Bytes::from(format!("data: {{\"turn\":{turn}}}\n\n"))))
        .collect();
    Answer::Chunks(vec![("Content-Type".into(), "text/event-stream".into())], chunks)
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_pass_one_by_one() {
    let origin = CountingOrigin::scripted(|_| events()).await;
    for routes in [STREAM, rampart_tests::setup::CATCH_ALL] {
        let gateway = Setup::new(origin.address).routes(routes).start().await;
        let mut connection = gateway.connect().await;
        connection.send(&shape::head("GET", "/events", &[("Accept-Encoding", "gzip")])).await;
        let head = connection.head_of_response().await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("content-encoding"), None);
        let started = Instant::now();
        let mut arrivals = Vec::new();
        while let Some(chunk) = connection.chunk().await.unwrap() {
            let text = String::from_utf8(chunk).unwrap();
            assert_eq!(text, format!("data: {{\"turn\":{}}}\n\n", arrivals.len()), "one event a chunk");
            arrivals.push(started.elapsed());
        }
        assert_eq!(arrivals.len(), 20);
        // Had they been held back they would have come together at the end.
        let spread = arrivals.last().unwrap().saturating_sub(arrivals[0]);
        assert!(spread > Duration::from_millis(1_500), "all within {spread:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_pass_over_http2_one_by_one() {
    let origin = CountingOrigin::scripted(|_| events()).await;
    let gateway = Setup::new(origin.address).routes(STREAM).tls().start().await;
    let mut connection = gateway.connect2().await;
    let request = Request::get("https://gateway.test/events").body(()).unwrap();
    let (answer, _) = connection.begin(request, true).await;
    let mut body = within("the head", answer).await.unwrap().into_body();
    let mut arrivals = Vec::new();
    while let Some(frame) = within("an event", body.data()).await {
        let frame = frame.unwrap();
        body.flow_control().release_capacity(frame.len()).unwrap();
        arrivals.push(Instant::now());
    }
    assert!(arrivals.len() >= 20, "{} frames", arrivals.len());
    let spread = arrivals.last().unwrap().duration_since(arrivals[0]);
    assert!(spread > Duration::from_millis(1_500), "all within {spread:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_stream_ends_it_at_the_origin() {
    let origin = CountingOrigin::scripted(|_| {
        let chunks = (0..1_000).map(|_| (Duration::from_millis(20), Bytes::from_static(b"data: x\n\n"))).collect();
        Answer::Chunks(vec![("Content-Type".into(), "text/event-stream".into())], chunks)
    })
    .await;
    let gateway = Setup::new(origin.address).routes(STREAM).start().await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/events")).await;
    connection.head_of_response().await.unwrap();
    connection.chunk().await.unwrap();
    assert_eq!(origin.open_connections(), 1);
    drop(connection);
    eventually("the origin is let go", || origin.open_connections() == 0).await;
}

async fn grpc() -> (Gateway, CountingOrigin2) {
    let authority = Authority::new();
    let origin = CountingOrigin2::start(authority.sign(&["origin.test"]).server(&["h2"])).await;
    let keys = format!(
        "addresses = [\"https://{}\"]\nprotocol = \"http2\"\ntls = {{ ca_file = \"authority.pem\", sni = \"origin.test\" }}",
        origin.address
    );
    let setup = Setup::bare().upstream("agents", &keys).file("authority.pem", &authority.pem());
    (setup.routes(STREAM).tls().start().await, origin)
}

fn grpc_request() -> Request<()> {
    Request::post("https://gateway.test/agents.v1.Tasks/Watch")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_passes_both_ways_with_its_trailers() {
    let (gateway, origin) = grpc().await;
    let mut connection = gateway.connect2().await;
    let (answer, mut stream) = connection.begin(grpc_request(), false).await;
    // The first message is sent and echoed before the second one exists: nothing waits for the end.
    let message = |byte: u8| Bytes::from([&[0, 0, 0, 0, 4][..], &[byte; 4]].concat());
    stream.send_data(message(1), false).unwrap();
    let mut body = within("the head before the end of the request", answer).await.unwrap().into_body();
    for byte in 1..=5 {
        let mut echoed = Vec::new();
        while echoed.len() < 9 {
            let frame = within("a message", body.data()).await.expect("a frame").unwrap();
            body.flow_control().release_capacity(frame.len()).unwrap();
            echoed.extend_from_slice(&frame);
        }
        assert_eq!(echoed, message(byte));
        if byte < 5 {
            stream.send_data(message(byte + 1), false).unwrap();
        }
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert!(within("the end", body.data()).await.is_none());
    let trailers = within("trailers", body.trailers()).await.unwrap().expect("gRPC ends with trailers");
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    let seen = origin.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body.len(), 45);
    assert_eq!(seen[0].head.headers().get("te").map(http::HeaderValue::as_bytes), Some(&b"trailers"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_grpc_call_harms_no_other() {
    let (gateway, _origin) = grpc().await;
    let mut connection = gateway.connect2().await;
    let (cancelled, mut stream) = connection.begin(grpc_request(), false).await;
    stream.send_data(Bytes::from_static(b"\0\0\0\0\x01a"), false).unwrap();
    stream.send_reset(Reason::CANCEL);
    drop(cancelled);
    let (answer, mut stream) = connection.begin(grpc_request(), false).await;
    let sending = tokio::spawn(async move { send_body(&mut stream, Bytes::from(vec![7; 200_000])).await });
    let (response, trailers) = rampart_tests::http2::read_response(answer).await.unwrap();
    sending.await.unwrap().unwrap();
    assert_eq!(response.body.len(), 200_000);
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_streams_in_bounded_memory() {
    const SIZE: usize = 64 << 20;
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(STREAM).start().await;
    assert_eq!(gateway.get("/warm").await.status, 200);
    let before = rampart_tests::process::resident_bytes(gateway.pid());
    let mut connection = gateway.connect().await;
    let length = SIZE.to_string();
    connection.send(&shape::head("POST", "/uploads/a.bin", &[("Content-Length", &length)])).await;
    let piece = vec![0x41; 1 << 20];
    connection.send(&piece).await;
    eventually("the upload is passed on while it comes", || origin.bytes() > 500_000).await;
    for _ in 1..SIZE / piece.len() {
        connection.send(&piece).await;
    }
    assert_eq!(connection.response().await.status, 200);
    assert_eq!(origin.last().body.len(), SIZE);
    let grown = rampart_tests::process::peak_resident_bytes(gateway.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "{} MiB more for an upload of 64 MiB", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_download_streams_in_bounded_memory() {
    const SIZE: usize = 64 << 20;
    let body = Bytes::from(vec![0x42; SIZE]);
    let origin = CountingOrigin::scripted(move |seen| match seen.target.as_str() {
        "/download" => Answer::json(body.clone()),
        _ => Answer::json("small"),
    })
    .await;
    let gateway = Setup::new(origin.address).start().await;
    assert_eq!(gateway.get("/warm").await.status, 200);
    let before = rampart_tests::process::resident_bytes(gateway.pid());
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/download")).await;
    let head = connection.head_of_response().await.unwrap();
    assert_eq!(head.header("content-length"), Some(SIZE.to_string().as_str()));
    let mut left = SIZE;
    while left > 0 {
        let take = left.min(1 << 20);
        assert!(connection.exactly(take).await.unwrap().iter().all(|byte| *byte == 0x42));
        left -= take;
    }
    let grown = rampart_tests::process::peak_resident_bytes(gateway.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "{} MiB more for a download of 64 MiB", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_route_inspects_its_prefix_and_passes_the_rest() {
    let origin = CountingOrigin::start().await;
    let routes =
        "[[route]]\nname = \"prefix\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\nbody = \"prefix:64KiB\"\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    let early =
        shape::post("/", "text/plain", &[shape::SQL_INJECTION.as_bytes().to_vec(), vec![b' '; 200_000]].concat());
    gateway.ask(&early).await.expect_problem(400, "payload_blocked");
    origin.expect_untouched();
    let body = [vec![b'a'; 200_000], b" fine".to_vec()].concat();
    assert_eq!(gateway.ask(&shape::post("/", "text/plain", &body)).await.status, 200);
    assert!(origin.last().body == body);
    let chunked = shape::post_chunked("/", "text/plain", &body, 50_000);
    assert_eq!(gateway.ask(&chunked).await.status, 200);
    assert!(origin.last().body == body);
}
