//! Origins behind TLS and HTTP/2, and origins that fail.

use std::time::Duration;

use bytes::Bytes;
use rampart_tests::setup::CATCH_ALL;
use rampart_tests::shape::{self, BODY_SIZES, benign_json};
use rampart_tests::{Answer, Authority, CountingOrigin, CountingOrigin2, Gateway, Setup};

async fn tls_gateway(address: &str, keys: &str, authority: &Authority) -> Gateway {
    Setup::bare()
        .upstream("agents", &format!("addresses = [\"{address}\"]\n{keys}"))
        .file("authority.pem", &authority.pem())
        .routes(CATCH_ALL)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_upstream_is_verified() {
    let authority = Authority::new();
    let origin = CountingOrigin::start_tls(authority.sign(&["origin.test"]).server(&["http/1.1"])).await;
    let address = format!("https://{}", origin.address);
    let tls = |keys: &str| format!("tls = {{ ca_file = \"authority.pem\", {keys} }}");

    let gateway = tls_gateway(&address, &tls("sni = \"origin.test\""), &authority).await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(origin.requests(), 1);

    let wrong_name = tls_gateway(&address, &tls("sni = \"other.test\""), &authority).await;
    wrong_name.get("/").await.expect_problem(502, "upstream_tls");

    let stranger = Authority::new();
    let untrusted = tls_gateway(&address, &tls("sni = \"origin.test\""), &stranger).await;
    untrusted.get("/").await.expect_problem(502, "upstream_tls");

    let system_roots = tls_gateway(&address, "tls = { sni = \"origin.test\" }", &authority).await;
    system_roots.get("/").await.expect_problem(502, "upstream_tls");
    assert_eq!(origin.requests(), 1, "nothing went over a connection that did not verify");

    let unverified = tls_gateway(&address, "tls = { verify = false }", &authority).await;
    assert_eq!(unverified.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_upstream_carries_every_body() {
    let authority = Authority::new();
    let origin = CountingOrigin2::start(authority.sign(&["origin.test"]).server(&["h2"])).await;
    let keys = "protocol = \"http2\"\ntls = { ca_file = \"authority.pem\", sni = \"origin.test\" }";
    let gateway = tls_gateway(&format!("https://{}", origin.address), keys, &authority).await;
    let mut connection = gateway.connect().await;
    for size in BODY_SIZES {
        let body = benign_json(size);
        let kind = if body.is_empty() { "text/plain" } else { "application/json" };
        let response = connection.ask(&shape::post("/echo", kind, &body)).await;
        assert_eq!(response.status, 200, "{size} bytes: {}", response.text());
        assert!(response.body == body, "{size} bytes came back changed");
    }
    let response = connection.ask(&shape::post("/echo", "application/json", shape::SQL_INJECTION.as_bytes())).await;
    response.expect_problem(400, "payload_blocked");
    assert_eq!(origin.seen().len(), BODY_SIZES.len());
    assert_eq!(origin.connections(), 1, "one connection carries all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_what_the_upstream_offers() {
    let authority = Authority::new();
    let certified = authority.sign(&["origin.test"]);
    let keys = "protocol = \"auto\"\ntls = { ca_file = \"authority.pem\", sni = \"origin.test\" }";
    let modern = CountingOrigin2::start(certified.server(&["h2"])).await;
    let gateway = tls_gateway(&format!("https://{}", modern.address), keys, &authority).await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(modern.seen().len(), 1);
    let old = CountingOrigin::start_tls(certified.server(&["http/1.1"])).await;
    let gateway = tls_gateway(&format!("https://{}", old.address), keys, &authority).await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(old.requests(), 1);
}

async fn failing(script: fn() -> Answer, keys: &str) -> (Gateway, CountingOrigin) {
    let origin =
        CountingOrigin::scripted(move |seen| if seen.target == "/good" { Answer::json("good") } else { script() })
            .await;
    let keys = format!("addresses = [\"http://{}\"]\n{keys}", origin.address);
    let gateway = Setup::bare().upstream("agents", &keys).routes(CATCH_ALL).start().await;
    (gateway, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_origin_are_told_apart() {
    let dead = rampart_tests::free_address();
    let gateway = Setup::new(dead).start().await;
    let response = gateway.get("/").await;
    response.expect_problem(502, "upstream_connect");
    assert!(!response.text().contains(&dead.port().to_string()), "the origin's address is nothing for the client");

    let (gateway, _origin) =
        failing(|| Answer::Silence(Duration::from_secs(30)), "deadlines = { read = \"500ms\" }").await;
    gateway.get("/").await.expect_problem(504, "upstream_timeout");
    assert_eq!(gateway.get("/good").await.status, 200);

    let (gateway, _origin) = failing(|| Answer::Close, "").await;
    gateway.get("/").await.expect_problem(502, "upstream_protocol");
    assert_eq!(gateway.get("/good").await.status, 200);

    let (gateway, _origin) = failing(|| Answer::Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()), "").await;
    gateway.get("/").await.expect_problem(502, "upstream_protocol");

    let event_gateway = gateway;
    let response = event_gateway.get("/").await;
    let entry = event_gateway.access(response.header("x-request-id").unwrap()).await;
    assert_eq!(entry["verdict"], "error");
    assert_eq!(entry["status"], 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_sent_is_not_sent_again() {
    let (gateway, origin) = failing(|| Answer::Close, "").await;
    let response = gateway.ask(&shape::post("/", "application/json", b"[1]")).await;
    assert_eq!(response.status, 502);
    assert_eq!(origin.requests(), 1, "a POST is no idempotent method (RFC 9110 section 9.2.2)");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_total_deadline_ends_an_answer_that_drips() {
    let origin = CountingOrigin::scripted(|_| {
        let chunks = (0..100).map(|_| (Duration::from_millis(200), Bytes::from_static(b"x"))).collect();
        Answer::Chunks(vec![("Content-Type".into(), "text/plain".into())], chunks)
    })
    .await;
    let keys = format!("addresses = [\"http://{}\"]\ndeadlines = {{ total = \"1s\" }}", origin.address);
    let gateway = Setup::bare().upstream("agents", &keys).routes(CATCH_ALL).start().await;
    let started = std::time::Instant::now();
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/")).await;
    let answer = connection.try_response().await;
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    // Begun answers cannot become a refusal any more: they must not look complete.
    assert!(answer.is_err() || answer.as_ref().is_ok_and(|response| response.status == 504), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_of_protocols_that_nobody_asked_for_is_not_passed_on() {
    const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes";
    let (gateway, _origin) = failing(|| Answer::Raw(SWITCH.to_vec()), "").await;
    gateway.get("/").await.expect_problem(502, "upstream_protocol");
    assert_eq!(gateway.get("/good").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_without_end_are_ended() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (gateway, _origin) = failing(|| Answer::Raw([&HINT.repeat(11), OK].concat().into_bytes()), "").await;
    gateway.get("/").await.expect_problem(502, "upstream_protocol");
    let (gateway, _origin) = failing(|| Answer::Raw([&HINT.repeat(3), OK].concat().into_bytes()), "").await;
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_early_is_not_passed_off_as_complete() {
    let origin =
        CountingOrigin::scripted(|_| Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this".to_vec()))
            .await;
    let gateway = Setup::new(origin.address).start().await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/")).await;
    let answer = connection.try_response().await;
    assert!(answer.is_err() || answer.as_ref().is_ok_and(|response| response.status == 502), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_bodies_of_the_origin_pass_through() {
    let origin = CountingOrigin::scripted(|seen| match seen.target.as_str() {
        "/204" => Answer::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        "/304" => Answer::Raw(b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec()),
        "/close" => Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end".to_vec()),
        "/418" => Answer::status(418),
        _ => Answer::status(500),
    })
    .await;
    let gateway = Setup::new(origin.address).start().await;
    for (target, status) in [("/204", 204), ("/304", 304), ("/418", 418), ("/500", 500)] {
        assert_eq!(gateway.get(target).await.status, status, "{target}");
    }
    assert_eq!(gateway.get("/close").await.text(), "until the end");
    assert_eq!(gateway.get("/418").await.text(), "ok");
}
