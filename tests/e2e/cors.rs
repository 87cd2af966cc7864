//! Pages of other origins: their preflights are answered here, their answers carry leave or none, and the upstream's own
//! word on it does not count.

use http::Request;
use rampart_tests::http2::read_response;
use rampart_tests::setup::CATCH_ALL;
use rampart_tests::shape::{self, SQL_INJECTION};
use rampart_tests::{Answer, CountingOrigin, Gateway, Response, Setup, free_address};

const APP: &str = "https://app.example.com";

const ROUTES: &str = r#"
[cors.web]
origins = ["https://app.example.com", "https://*.preview.example.com", "http://localhost:3000"]
methods = ["GET", "PUT", "DELETE"]
headers = ["Authorization", "Content-Type"]
expose = ["X-Total"]
credentials = true
max_age = "30m"

[cors.strict]
origins = ["https://app.example.com"]
enforce = true

[cors.any]
origins = ["*"]

[quota.one]
algorithm = "sliding_log"
limit = 1
per = "60s"

[[route]]
name = "api"
match = { path = "/api/**" }
upstream = "agents"
cors = "web"

[[route]]
name = "listed"
match = { path = "/listed", methods = ["PUT"] }
upstream = "agents"
cors = "web"

[[route]]
name = "listed-without"
match = { path = "/listed-without", methods = ["PUT"] }
upstream = "agents"

[[route]]
name = "protected"
match = { path = "/protected" }
upstream = "agents"
cors = "web"
identity = { api_keys = true }

[[route]]
name = "limited"
match = { path = "/limited" }
upstream = "agents"
cors = "web"
quotas = ["one"]

[[route]]
name = "gone"
match = { path = "/gone" }
upstream = "gone"
cors = "web"

[[route]]
name = "strict"
match = { path = "/strict" }
upstream = "agents"
cors = "strict"

[[route]]
name = "any"
match = { path = "/any" }
upstream = "agents"
cors = "any"

[[route]]
name = "plain"
match = { path = "/plain" }
upstream = "agents"
"#;

/// An origin with a policy of its own, which is not to be heard.
async fn opinionated() -> CountingOrigin {
    let headers = [
        ("Content-Type", "application/json"),
        ("Access-Control-Allow-Origin", "https://evil.test"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "Set-Cookie"),
        ("Access-Control-Allow-Methods", "*"),
        ("Vary", "Accept-Encoding"),
        ("X-Total", "7"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    CountingOrigin::scripted(move |_| Answer::Full { status: 200, headers: headers.clone(), body: "{}".into() }).await
}

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = opinionated().await;
    let gateway = Setup::bare()
        .upstream("agents", &format!("addresses = [\"http://{}\"]", origin.address))
        .upstream("gone", &format!("addresses = [\"http://{}\"]", free_address()))
        .routes(ROUTES)
        .tls()
        .start()
        .await;
    (gateway, origin)
}

fn preflight(target: &str, origin: &str, method: &str) -> Vec<u8> {
    let fields = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    ];
    shape::head("OPTIONS", target, &fields)
}

/// Every CORS field of an answer, sorted, and what it varies by.
fn leave(response: &Response) -> (Vec<String>, Vec<String>) {
    let named = |name: &'static str| {
        response.headers.iter().filter(move |(have, _)| have.to_ascii_lowercase().starts_with(name))
    };
    let mut fields: Vec<String> =
        named("access-control-").map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase())).collect();
    fields.sort();
    let mut vary: Vec<String> =
        named("vary").flat_map(|(_, value)| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    vary.sort();
    (fields, vary)
}

/// What an answer to an allowed origin carries.
fn with_leave(origin: &str) -> Vec<String> {
    vec![
        "access-control-allow-credentials: true".to_owned(),
        format!("access-control-allow-origin: {origin}"),
        "access-control-expose-headers: X-Total".to_ascii_lowercase(),
    ]
}

fn lower(fields: Vec<String>) -> Vec<String> {
    fields.into_iter().map(|field| field.to_ascii_lowercase()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_without_the_upstream() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for (target, method) in
        [("/api/agents", "PUT"), ("/api/agents", "DELETE"), ("/listed", "PUT"), ("/protected", "GET")]
    {
        let answer = connection.ask(&preflight(target, APP, method)).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{target} {method}");
        let (fields, vary) = leave(&answer);
        assert_eq!(
            lower(fields),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: authorization, content-type",
                "access-control-allow-methods: delete, get, put",
                "access-control-allow-origin: https://app.example.com",
                "access-control-max-age: 1800",
            ],
            "{target} {method}"
        );
        for name in ["origin", "access-control-request-method", "access-control-request-headers"] {
            assert!(vary.iter().any(|have| have == name), "{target}: {vary:?}");
        }
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    }
    let over_two = Request::builder()
        .method("OPTIONS")
        .uri("https://gateway.test/api/agents")
        .header("origin", APP)
        .header("access-control-request-method", "PUT");
    let (answer, _) = gateway.connect2().await.begin(over_two.body(()).unwrap(), true).await;
    let (answer, _) = read_response(answer).await.unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(APP)));
    origin.expect_untouched();
    assert_eq!(gateway.metric(r#"rampart_cors_decisions_total{outcome="preflight"}"#).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_preflight_of_a_route_with_a_policy_is_a_request() {
    let (gateway, origin) = gateway_and_origin().await;
    let ask = async |target: &str, fields: &[(&str, &str)]| gateway.ask(&shape::head("OPTIONS", target, fields)).await;
    let asks = ("Access-Control-Request-Method", "PUT");
    // Routes without a policy and OPTIONS of other kinds are the upstream's.
    assert_eq!(ask("/plain", &[("Origin", APP), asks]).await.status, 200);
    assert_eq!(ask("/api/a", &[]).await.status, 200);
    assert_eq!(ask("/api/a", &[("Origin", APP)]).await.status, 200);
    assert_eq!(ask("/api/a", &[asks]).await.status, 200);
    assert_eq!(origin.requests(), 4);
    // A place that does not take OPTIONS takes none.
    for (target, fields) in [
        ("/listed", vec![]),
        ("/listed", vec![("Origin", APP)]),
        ("/listed", vec![("Origin", APP), ("Access-Control-Request-Method", "DELETE")]),
        ("/listed-without", vec![("Origin", APP), asks]),
    ] {
        let refused = ask(target, &fields).await;
        refused.expect_problem(405, "method_not_allowed");
        assert_eq!(leave(&refused).0, Vec::<String>::new(), "{target} {fields:?}");
    }
    // The preflight of a protected route needs no key; the request itself does.
    assert_eq!(ask("/protected", &[("Origin", APP), ("Access-Control-Request-Method", "GET")]).await.status, 204);
    ask("/protected", &[("Origin", APP)]).await.expect_problem(401, "identity_missing");
    assert_eq!(origin.requests(), 4);
}

/// Origins that are none of those that are configured, however near they come.
const STRANGERS: [&str; 16] = [
    "https://evil.test",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://app.example.com.evil.test",
    "https://evilapp.example.com",
    "https://app.example.com/",
    "https://APP.example.com",
    "https://preview.example.com",
    "https://evil-preview.example.com",
    "https://a.preview.example.com.evil.test",
    "https://a.preview.example.com:444",
    "https://.preview.example.com",
    "http://localhost",
    "null",
    "*",
];

#[tokio::test(flavor = "multi_thread")]
async fn only_configured_origins_get_leave() {
    let (gateway, origin) = gateway_and_origin().await;
    let mut connection = gateway.connect().await;
    for allowed in [APP, "https://a.preview.example.com", "https://b.a.preview.example.com", "http://localhost:3000"] {
        let answer = connection.ask(&shape::head("GET", "/api/a", &[("Origin", allowed)])).await;
        assert_eq!(answer.status, 200);
        let (fields, vary) = leave(&answer);
        assert_eq!(lower(fields), with_leave(allowed), "the gateway's word alone");
        assert_eq!(vary, ["accept-encoding", "origin"], "the upstream's reasons stay");
        assert_eq!(connection.ask(&preflight("/api/a", allowed, "PUT")).await.status, 204);
    }
    for stranger in STRANGERS {
        let answer = connection.ask(&shape::head("GET", "/api/a", &[("Origin", stranger)])).await;
        assert_eq!(answer.status, 200, "{stranger}: who is no browser needs no leave");
        let (fields, vary) = leave(&answer);
        assert_eq!(fields, Vec::<String>::new(), "{stranger}");
        assert_eq!(vary, ["accept-encoding", "origin"], "{stranger}");

        let refused = connection.ask(&preflight("/api/a", stranger, "PUT")).await;
        refused.expect_problem(403, "cors_refused");
        let (fields, vary) = leave(&refused);
        assert_eq!(fields, Vec::<String>::new(), "{stranger}");
        assert!(vary.contains(&"origin".to_owned()), "{stranger}: {vary:?}");
        let event = gateway.event(refused.header("x-request-id").unwrap()).await;
        assert_eq!((&event["code"], &event["verdict"]), (&"cors_refused".into(), &"refused".into()), "{event}");
    }
    // Two are nobody (and no browser), and without any the answer still must not be kept for others.
    let two = connection.ask(&shape::head("GET", "/api/a", &[("Origin", APP), ("Origin", APP)])).await;
    two.expect_problem(400, "malformed_content");
    assert_eq!(leave(&two), (vec![], vec!["origin".to_owned()]));
    let none = connection.ask(&shape::get("/api/a")).await;
    assert_eq!(leave(&none), (vec![], vec!["accept-encoding".to_owned(), "origin".to_owned()]));
    assert_eq!(origin.requests(), 4 + STRANGERS.len() + 1);
    assert_eq!(
        gateway.metric(r#"rampart_cors_decisions_total{outcome="preflight_refused"}"#).await,
        STRANGERS.len() as u64
    );
}

/// A page that may not read why it was refused shows its user nothing but a failed request.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_leave_too() {
    let (gateway, _origin) = gateway_and_origin().await;
    let from_app = |method: &str, target: &str, more: &[(&str, &str)]| {
        shape::head(method, target, &[&[("Origin", APP)], more].concat())
    };
    let attack = SQL_INJECTION.len().to_string();
    let json = [("Content-Type", "application/json"), ("Content-Length", attack.as_str())];
    let injection = [from_app("POST", "/api/a", &json), SQL_INJECTION.as_bytes().to_vec()].concat();
    gateway.ask(&from_app("GET", "/limited", &[])).await;
    for (what, request, status, code) in [
        ("no key", from_app("GET", "/protected", &[]), 401, "identity_missing"),
        ("a key that does not hold", from_app("GET", "/protected", &[("X-Api-Key", "rk_x")]), 401, "identity_invalid"),
        ("a quota that is spent", from_app("GET", "/limited", &[]), 429, "rate_limited"),
        ("an attack", injection, 400, "payload_blocked"),
        (
            "a body that is too large",
            from_app("POST", "/api/a", &[("Content-Length", "99999999999")]),
            413,
            "body_too_large",
        ),
        ("an upstream that is gone", from_app("GET", "/gone", &[]), 502, "upstream_connect"),
    ] {
        let refused = gateway.ask(&request).await;
        assert_eq!(refused.status, status, "{what}: {}", refused.text());
        assert_eq!(refused.json()["code"], code, "{what}");
        let (fields, vary) = leave(&refused);
        assert_eq!(lower(fields), with_leave(APP), "{what}");
        assert!(vary.contains(&"origin".to_owned()), "{what}: {vary:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_enforced_other_origins_do_not_get_through() {
    let (gateway, origin) = gateway_and_origin().await;
    let ask = async |fields: &[(&str, &str)]| gateway.ask(&shape::head("POST", "/strict", fields)).await;
    let length = ("Content-Length", "0");
    for fields in [vec![length], vec![("Origin", APP), length], vec![("Origin", "http://gateway.test"), length]] {
        assert_eq!(ask(&fields).await.status, 200, "{fields:?}");
    }
    let reached = origin.requests();
    for stranger in ["https://evil.test", "null", "https://gateway.test.evil.test", "https://gateway.test:8443"] {
        let refused = ask(&[("Origin", stranger), length]).await;
        refused.expect_problem(403, "cors_refused");
        assert_eq!(leave(&refused), (vec![], vec!["origin".to_owned()]), "{stranger}");
    }
    ask(&[("Origin", APP), ("Origin", "https://evil.test"), length]).await.expect_problem(403, "cors_refused");
    assert_eq!(origin.requests(), reached);
    assert_eq!(gateway.metric(r#"rampart_cors_decisions_total{outcome="refused"}"#).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_origin_is_a_star_and_never_a_credential() {
    let (gateway, _origin) = gateway_and_origin().await;
    for origin in ["https://evil.test", APP, "null"] {
        let answer = gateway.ask(&shape::head("GET", "/any", &[("Origin", origin)])).await;
        assert_eq!(leave(&answer).0, ["access-control-allow-origin: *"], "{origin}");
    }
}

/// Without a policy the gateway has no word in it.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_the_upstream_speaks_for_itself() {
    let origin = opinionated().await;
    let gateway = Setup::new(origin.address).routes(CATCH_ALL).start().await;
    let answer = gateway.ask(&shape::head("GET", "/", &[("Origin", APP)])).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://evil.test"));
    assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
}
