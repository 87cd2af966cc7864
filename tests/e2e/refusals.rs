//! Every refusal is a problem document (RFC 9457) with a stable code; and the wording that clients rely on.

use rampart_tests::shape::{self, SQL_INJECTION, deep_json};
use rampart_tests::{CountingOrigin, Gateway, Setup};

const JSON: &str = "application/json";

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).start().await;
    (gateway, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_injection_in_a_title_is_refused_in_the_agreed_words() {
    let (gateway, origin) = gateway_and_origin().await;
    let response = gateway.ask(&shape::post("/api/v1/tasks", JSON, SQL_INJECTION.as_bytes())).await;
    let problem = response.expect_problem(400, "payload_blocked");
    assert_eq!(problem["title"], "Request blocked");
    assert_eq!(problem["error"], "Potential SQL injection detected in root.title");
    assert_eq!(problem["detail"], "Request blocked for security reasons");
    for secret in ["sqli", "score", "paranoia", "DROP TABLE"] {
        assert!(!response.text().contains(secret), "{secret} is nothing for the client: {}", response.text());
    }
    origin.expect_untouched();

    let event = gateway.event(response.header("x-request-id").unwrap()).await;
    assert_eq!(event["verdict"], "block");
    assert_eq!(event["status"], 400);
    assert_eq!(event["method"], "POST");
    assert_eq!(event["path"], "/api/v1/tasks");
    assert_eq!(event["route"], "all");
    assert_eq!(event["client"], "127.0.0.1");
    assert_eq!(event["snapshot"], gateway.digest().await);
    assert!(event["score"].as_u64().unwrap() > 0, "{event}");
    let first = &event["matches"][0];
    assert_eq!(first["category"], "sqli", "{event}");
    assert_eq!(first["target"], "root.title", "{event}");
    assert_eq!(first["message"], "Potential SQL injection detected in root.title", "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_in_every_place_are_refused_and_good_neighbours_pass() {
    let (gateway, origin) = gateway_and_origin().await;
    let refused = [
        shape::get("/search?q=1%27%20UNION%20SELECT%20password%20FROM%20users--"),
        shape::get("/search?q=%3Cscript%3Ealert(1)%3C/script%3E"),
        shape::get("/files?name=../../../../etc/passwd"),
        shape::get("/files?name=..%5c..%5c..%5cwindows%5cwin.ini"),
        shape::post("/api/v1/tasks", JSON, br#"{"cmd": "; cat /etc/passwd"}"#),
        shape::post("/login", "application/x-www-form-urlencoded", b"user=admin%27+OR+%271%27%3D%271%27--&password=x"),
        shape::head("GET", "/", &[("Cookie", "id=1' UNION SELECT password FROM users--")]),
        shape::post("/api/v1/tasks", JSON, br#"{"a":{"b":[{"c":"<script>alert(document.cookie)</script>"}]}}"#),
    ];
    for bytes in refused {
        let response = gateway.ask(&bytes).await;
        assert_eq!(response.status, 400, "{}", String::from_utf8_lossy(&bytes));
        response.expect_problem(400, "payload_blocked");
    }
    origin.expect_untouched();

    let passed = [
        shape::get("/search?q=select+a+table+for+the+union+dinner"),
        shape::get("/files?name=report.2026.pdf"),
        shape::post("/api/v1/tasks", JSON, br#"{"title": "O'Brien's notes -- drop by the table"}"#),
        shape::post("/login", "application/x-www-form-urlencoded", b"user=dana&password=correct+horse+battery"),
        shape::head("GET", "/", &[("Cookie", "session=8f14e45fceea167a; theme=dark")]),
    ];
    for bytes in &passed {
        let response = gateway.ask(bytes).await;
        assert_eq!(response.status, 200, "{}: {}", String::from_utf8_lossy(bytes), response.text());
    }
    assert_eq!(origin.requests(), passed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn traversal_in_the_path_is_refused_however_it_is_written() {
    let (gateway, origin) = gateway_and_origin().await;
    for target in [
        "/files/..%2f..%2fetc%2fpasswd",
        "/files/..%252f..%252fetc",
        "/files/%2e%2e%5c%2e%2e%5cwindows",
        "/files/..\\..\\windows",
        "/a%00b",
        "/a;jsessionid=1/b",
        "/a//b",
        "/%zz",
    ] {
        let response = gateway.get(target).await;
        assert_eq!(response.status, 400, "{target}: {}", response.text());
        // What is odd as a path may be an attack besides; then the graver word is said.
        let code = response.json()["code"].as_str().unwrap().to_owned();
        assert!(matches!(&*code, "path_refused" | "payload_blocked"), "{target}: {code}");
        response.expect_problem(400, &code);
    }
    origin.expect_untouched();
    // Dot segments alone are normalised, not refused (RFC 3986 section 5.2.4).
    assert_eq!(gateway.get("/files/./b/./%7Ec").await.status, 200);
    assert_eq!(origin.last().target, "/files/b/~c");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_limits_are_refused_by_name() {
    let (gateway, origin) = gateway_and_origin().await;
    let long_string = format!("{{\"a\":\"{}\"}}", "x".repeat(10_001));
    let long_array = format!("[{}1]", "1,".repeat(1_000));
    let refused = [deep_json(11), long_string.clone().into_bytes(), long_array.into_bytes()];
    for body in &refused {
        let response = gateway.ask(&shape::post("/api/v1/tasks", JSON, body)).await;
        response.expect_problem(400, "content_limit");
    }
    origin.expect_untouched();
    let exact_string = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    let exact_array = format!("[{}1]", "1,".repeat(999));
    for body in [deep_json(10), exact_string.into_bytes(), exact_array.into_bytes()] {
        let response = gateway.ask(&shape::post("/api/v1/tasks", JSON, &body)).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_content_is_refused() {
    let (gateway, origin) = gateway_and_origin().await;
    for (content_type, body) in [
        (JSON, &b"{\"a\":"[..]),
        (JSON, b"{'a':1}"),
        (JSON, b"[1] trailing"),
        (JSON, b"{\"a\":1,\"a\":2}"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nnever ended"),
        ("multipart/form-data", b"--x--\r\n"),
    ] {
        let response = gateway.ask(&shape::post("/api/v1/tasks", content_type, body)).await;
        let shown = String::from_utf8_lossy(body).into_owned();
        assert_eq!(response.status, 400, "{content_type} {shown}: {}", response.text());
        response.expect_problem(400, "malformed_content");
    }
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_content_encodings_are_refused() {
    let (gateway, origin) = gateway_and_origin().await;
    let fields = [("Content-Type", JSON), ("Content-Encoding", "rot13"), ("Content-Length", "2")];
    let mut bytes = shape::head("POST", "/api/v1/tasks", &fields);
    bytes.extend_from_slice(b"{}");
    gateway.ask(&bytes).await.expect_problem(415, "content_encoding_unsupported");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_methods_and_hosts_are_refused_with_their_codes() {
    let origin = CountingOrigin::start().await;
    let routes = "[[route]]\nname = \"read\"\nmatch = { path = \"/things/**\", methods = [\"GET\"] }\nupstream = \"agents\"\n\
                  [[route]]\nname = \"write\"\nmatch = { path = \"/things/**\", methods = [\"PUT\"] }\nupstream = \"agents\"\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    gateway.get("/nothing").await.expect_problem(404, "route_not_found");
    let response = gateway.ask(&shape::post("/things/1", "text/plain", b"x")).await;
    response.expect_problem(405, "method_not_allowed");
    let allow = response.header("allow").expect("405 carries Allow (RFC 9110 section 15.5.6)");
    for method in ["GET", "HEAD", "PUT"] {
        assert!(allow.split(',').any(|one| one.trim() == method), "{allow}");
    }
    // No Host, an empty one, two: RFC 9112 section 3.2.
    for bytes in [
        &b"GET /things/1 HTTP/1.1\r\n\r\n"[..],
        b"GET /things/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /things/1 HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /things/1 HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ] {
        let response = gateway.ask(bytes).await;
        assert_eq!(response.status, 400, "{}: {}", String::from_utf8_lossy(bytes), response.text());
    }
    let fields = [("Content-Length", "1"), ("Expect", "a-miracle")];
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("PUT", "/things/1", &fields)).await;
    connection.response().await.expect_problem(417, "expectation_failed");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_headers_that_are_too_long_are_refused() {
    let (gateway, origin) = gateway_and_origin().await;
    let target = format!("/{}", "a".repeat(17_000));
    gateway.get(&target).await.expect_problem(414, "uri_too_long");
    let long = "b".repeat(20_000);
    gateway.ask(&shape::head("GET", "/", &[("X-Long", &long)])).await.expect_problem(431, "headers_too_large");
    let names: Vec<String> = (0..120).map(|turn| format!("X-Many-{turn}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "c")).collect();
    gateway.ask(&shape::head("GET", "/", &fields)).await.expect_problem(431, "headers_too_large");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn detect_mode_lets_pass_and_says_what_it_would_have_done() {
    let origin = CountingOrigin::start().await;
    let routes = "[profile.watch]\nextends = \"default\"\nmode = \"detect\"\n\n\
                  [[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\ninspection = \"watch\"\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    let response = gateway.ask(&shape::post("/api/v1/tasks", JSON, SQL_INJECTION.as_bytes())).await;
    assert_eq!(response.status, 200);
    assert_eq!(origin.requests(), 1);
    let event = gateway.event(response.header("x-request-id").unwrap()).await;
    assert_eq!(event["verdict"], "would_block");
    assert_eq!(event["matches"][0]["target"], "root.title");
    // What protects the process still refuses.
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("POST", "/", &[("Content-Length", "10485761")])).await;
    connection.response().await.expect_problem(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_location_stays_hidden() {
    let origin = CountingOrigin::start().await;
    let routes = "[profile.quiet]\nextends = \"default\"\ndisclose_location = false\n\n\
                  [[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\ninspection = \"quiet\"\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    let response = gateway.ask(&shape::post("/api/v1/tasks", JSON, SQL_INJECTION.as_bytes())).await;
    response.expect_problem(400, "payload_blocked");
    assert!(!response.text().contains("root.title"), "{}", response.text());
    let event = gateway.event(response.header("x-request-id").unwrap()).await;
    assert_eq!(event["matches"][0]["target"], "root.title");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusion_opens_exactly_what_it_names() {
    let origin = CountingOrigin::start().await;
    let routes = "[[route]]\nname = \"tasks\"\nmatch = { path = \"/api/v1/tasks\" }\nupstream = \"agents\"\n\
                  [[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n\n\
                  [[exclusion]]\nreason = \"descriptions hold code samples\"\nroute = \"tasks\"\n\
                  rules = { category = [\"sqli\"] }\ntargets = [\"json:$.description\"]\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    let body = SQL_INJECTION.replace("title", "description");
    assert_eq!(gateway.ask(&shape::post("/api/v1/tasks", JSON, body.as_bytes())).await.status, 200);
    gateway.ask(&shape::post("/other", JSON, body.as_bytes())).await.expect_problem(400, "payload_blocked");
    let title = shape::post("/api/v1/tasks", JSON, SQL_INJECTION.as_bytes());
    gateway.ask(&title).await.expect_problem(400, "payload_blocked");
    assert_eq!(origin.requests(), 1);
}
