//! What the origin is told of the client, and what it is not.

use rampart_tests::shape;
use rampart_tests::{Answer, CountingOrigin, Gateway, Setup};

async fn gateway_and_origin(process: &str) -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).process(process).tls().start().await;
    (gateway, origin)
}

const SPOOFED: &[(&str, &str)] = &[
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-For", "7.7.7.7, 8.8.8.8"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Real-IP", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;proto=https"),
    ("X-Request-Id", "chosen-by-the-client"),
];

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_fields_of_a_stranger_are_overwritten() {
    let (gateway, origin) = gateway_and_origin("").await;
    let response = gateway.ask(&shape::head("GET", "/", SPOOFED)).await;
    assert_eq!(response.status, 200);
    let seen = origin.last();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["gateway.test"]);
    assert_eq!(seen.all("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(seen.all("forwarded"), [""; 0]);
    let id = response.header("x-request-id").unwrap();
    assert_eq!(seen.all("x-request-id"), [id]);
    assert_ne!(id, "chosen-by-the-client");
    assert_eq!(seen.all("host"), ["gateway.test"]);

    assert_eq!(gateway.connect_tls().await.ask(&shape::get("/")).await.status, 200);
    assert_eq!(origin.last().all("x-forwarded-proto"), ["https"]);
    assert_eq!(gateway.connect2().await.get("/").await.unwrap().status, 200);
    assert_eq!(origin.last().all("x-forwarded-proto"), ["https"]);
    assert_eq!(origin.last().all("x-forwarded-host"), ["gateway.test"]);
}

/// WSGI, CGI and PHP servers read `_` in a name as `-`.
#[tokio::test(flavor = "multi_thread")]
async fn forwarding_fields_spelled_otherwise_do_not_go_on() {
    let (gateway, origin) = gateway_and_origin("").await;
    let fields = [
        ("X_Forwarded_For", "6.6.6.6"),
        ("X-Forwarded_Proto", "https"),
        ("X_Real_IP", "6.6.6.6"),
        ("Transfer_Encoding", "chunked"),
        ("Content_Length", "99"),
        ("True-Client-IP", "6.6.6.6"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X_Kept", "yes"),
    ];
    assert_eq!(gateway.ask(&shape::head("GET", "/", &fields)).await.status, 200);
    let seen = origin.last();
    for (name, _) in &fields[..7] {
        assert_eq!(seen.header(name), None, "{name} went on to the origin");
    }
    assert_eq!(seen.header("x_kept"), Some("yes"));
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_fields_of_a_trusted_proxy_are_walked_from_the_right() {
    let (gateway, origin) = gateway_and_origin("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]").await;
    let fields = [("X-Forwarded-For", "1.1.1.1, 203.0.113.9, 10.0.0.7"), ("X-Request-Id", "from-the-edge-1")];
    let response = gateway.ask(&shape::head("GET", "/", &fields)).await;
    let id = response.header("x-request-id").unwrap().to_owned();
    assert_eq!(id, "from-the-edge-1", "a trusted proxy's id is taken over");
    assert_eq!(origin.last().header("x-real-ip"), Some("203.0.113.9"));
    assert_eq!(gateway.access(&id).await["client"], "203.0.113.9");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_fields_end_at_the_gateway_both_ways() {
    let origin = CountingOrigin::scripted(|_| Answer::Full {
        status: 200,
        headers: vec![
            ("Connection".into(), "X-Internal, keep-alive".into()),
            ("X-Internal".into(), "for the gateway only".into()),
            ("Keep-Alive".into(), "timeout=5".into()),
            ("Proxy-Authenticate".into(), "Basic".into()),
        ],
        body: "ok".into(),
    })
    .await;
    let gateway = Setup::new(origin.address).start().await;
    let fields = [
        ("Connection", "X-Secret, keep-alive"),
        ("X-Secret", "for this hop only"),
        ("Keep-Alive", "timeout=9"),
        ("TE", "trailers, gzip"),
        ("Proxy-Authorization", "Basic Zm9v"),
        ("Proxy-Connection", "keep-alive"),
        ("X-Kept", "yes"),
    ];
    let response = gateway.ask(&shape::head("GET", "/", &fields)).await;
    assert_eq!(response.status, 200);
    let seen = origin.last();
    for name in ["x-secret", "keep-alive", "te", "proxy-authorization", "proxy-connection", "upgrade"] {
        assert_eq!(seen.header(name), None, "{name} went on to the origin");
    }
    assert_eq!(seen.header("x-kept"), Some("yes"));
    for name in ["x-internal", "keep-alive", "proxy-authenticate"] {
        assert_eq!(response.header(name), None, "{name} came back to the client");
    }
}

/// Without its coding or its type, the body would be another one to the origin than it was to inspection.
#[tokio::test(flavor = "multi_thread")]
async fn connection_cannot_nominate_what_inspection_read() {
    let (gateway, origin) = gateway_and_origin("").await;
    for nominated in ["Content-Encoding", "Content-Type", "content-language", "Cookie"] {
        let fields = [("Connection", nominated), ("Content-Type", "application/json"), ("Content-Length", "2")];
        let bytes = [shape::head("POST", "/", &fields), b"{}".to_vec()].concat();
        gateway.ask(&bytes).await.expect_problem(400, "framing_invalid");
    }
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_context_is_passed_on_and_what_is_none_is_not() {
    let (gateway, origin) = gateway_and_origin("").await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let fields = [("traceparent", trace), ("tracestate", "vendor=1")];
    assert_eq!(gateway.ask(&shape::head("GET", "/", &fields)).await.status, 200);
    let seen = origin.last();
    let passed = seen.header("traceparent").expect("traceparent is passed on");
    assert_eq!(passed[..35], trace[..35], "the trace id is the same");
    assert_eq!(seen.header("tracestate"), Some("vendor=1"));
    for bad in [
        "00-0000",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        assert_eq!(gateway.ask(&shape::head("GET", "/", &[("traceparent", bad)])).await.status, 200);
        assert_ne!(origin.last().header("traceparent"), Some(bad));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_the_origin_sees_is_the_configured_one() {
    for (host_header, expect) in
        [("preserve", Some("gateway.test")), ("upstream", None), ("inner.example", Some("inner.example"))]
    {
        let origin = CountingOrigin::start().await;
        let keys = format!("addresses = [\"http://{}\"]\nhost_header = \"{host_header}\"", origin.address);
        let gateway = Setup::bare().upstream("agents", &keys).routes(rampart_tests::setup::CATCH_ALL).start().await;
        assert_eq!(gateway.get("/").await.status, 200);
        let address = origin.address.to_string();
        assert_eq!(origin.last().all("host"), [expect.unwrap_or(&address)], "{host_header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_goes_on_with_one_content_length_and_no_transfer_coding() {
    let (gateway, origin) = gateway_and_origin("").await;
    let bytes = shape::post_chunked("/", "application/json", b"[1,2,3]", 2);
    assert_eq!(gateway.ask(&bytes).await.status, 200);
    let seen = origin.last();
    assert_eq!(seen.all("content-length"), ["7"]);
    assert_eq!(seen.all("transfer-encoding"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_request_without_a_host_goes_on_with_the_origins() {
    let (gateway, origin) = gateway_and_origin("").await;
    assert_eq!(gateway.ask(b"GET / HTTP/1.0\r\nX-Forwarded-Host: evil.example\r\n\r\n").await.status, 200);
    let seen = origin.last();
    assert_eq!(seen.all("host"), [origin.address.to_string()]);
    assert_eq!(seen.all("x-forwarded-host"), [""; 0]);
}
