//! What the upstream learns of the caller: from the gateway alone, whatever the client says, however the request travels.

use bytes::Bytes;
use http::Request;
use rampart_tests::http2::{read_response, send_body};
use rampart_tests::token::{claims, with};
use rampart_tests::{Seen, shape};
use serde_json::{Value, json};

use super::World;

/// The spellings that CGI, WSGI, Rack, PHP and their like make one name of.
const FORGED: [(&str, &str); 9] = [
    ("X-User", "root"),
    ("x-user", "root2"),
    ("X_User", "root3"),
    ("X.User", "root4"),
    ("X_USER", "root5"),
    ("X-Tenant", "other"),
    ("X_Scopes", "admin"),
    ("X-Role", "admin"),
    ("X_Role", "admin"),
];

/// What the origin is told under each of these names, in any spelling.
fn told(seen: &Seen, name: &str) -> Vec<String> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '.'], "-");
    let named = seen.headers.iter().filter(|(have, _)| plain(have) == name);
    named.map(|(have, value)| format!("{have}: {value}").to_ascii_lowercase()).collect()
}

fn expect_told(seen: &Seen, role: Option<&str>, what: &str) {
    assert_eq!(told(seen, "x-user"), ["x-user: alice"], "{what}");
    assert_eq!(told(seen, "x-tenant"), ["x-tenant: main"], "{what}");
    assert_eq!(told(seen, "x-scopes"), ["x-scopes: agents:read agents:write"], "{what}");
    assert_eq!(told(seen, "x-via"), ["x-via: jwt:main"], "{what}");
    let role: Vec<String> = role.iter().map(|role| format!("x-role: {role}")).collect();
    assert_eq!(told(seen, "x-role"), role, "{what}");
}

fn token(world: &World, members: &Value) -> String {
    let scoped = with(claims("alice"), &json!({"scope": "agents:write agents:read"}));
    world.key.token(&with(scoped, members))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_gateway_says_who_calls() {
    let world = World::start().await;
    for (role, expect) in [
        (json!({"role": "editor"}), Some("editor")),
        (json!({"role": ["editor", "author"]}), Some("editor,author")),
        (json!({"role": 7}), Some("7")),
        (json!({}), None),
        (json!({"role": null}), None),
    ] {
        let bearer = format!("Bearer {}", token(&world, &role));
        let fields = [&FORGED[..], &[("Authorization", bearer.as_str())]].concat();
        let response = world.gateway.ask(&shape::head("GET", "/told/a", &fields)).await;
        assert_eq!(response.status, 200, "{role}: {}", response.text());
        let seen = world.origin.last();
        expect_told(&seen, expect, &role.to_string());
        assert_eq!(seen.header("authorization"), Some(bearer.as_str()), "a token is kept");
    }
    // Nobody is nobody, also where nobody is asked.
    assert_eq!(world.gateway.ask(&shape::head("GET", "/optional/a", &FORGED)).await.status, 200);
    let seen = world.origin.last();
    assert_eq!((told(&seen, "x-user"), told(&seen, "x-tenant")), (vec![], vec![]));
}

/// What a client would have removed from the request by calling it a field of this connection stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_have_the_identity_removed() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", token(&world, &json!({})));
    for nominated in ["X-User", "x-user, X-Tenant", "close, X-User", "X_User"] {
        let fields = [("Connection", nominated), ("X-User", "root"), ("Authorization", bearer.as_str())];
        let response = world.gateway.ask(&shape::head("GET", "/told/a", &fields)).await;
        if response.status == 200 {
            expect_told(&world.origin.last(), None, nominated);
        } else {
            assert_eq!(response.status, 400, "{nominated}: {}", response.text());
        }
    }
    // Nor does it get in by taking the credential off on the way: what was checked is what arrives.
    let fields = [("Connection", "Authorization"), ("Authorization", bearer.as_str())];
    let response = world.gateway.ask(&shape::head("GET", "/told/a", &fields)).await;
    if response.status == 200 {
        expect_told(&world.origin.last(), None, "Connection: Authorization");
    } else {
        assert!(matches!(response.status, 400 | 401), "{}", response.text());
    }
}

/// A value that would be read as something else is not sent, and the caller not taken for one without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_no_field_value_is_refused() {
    let world = World::start().await;
    for role in [
        json!("editor\r\nX-User: root"),
        json!(" editor"),
        json!({"name": "editor"}),
        json!(["editor", "a,b"]),
        json!(["editor", ["nested"]]),
        json!("e".repeat(5_000)),
    ] {
        let response = world.get("/told/a", &token(&world, &json!({"role": role}))).await;
        response.expect_problem(401, "identity_invalid");
        assert_eq!(world.event(&response).await["access"]["reason"], "claim", "{role}");
    }
    world.origin.expect_untouched();
}

/// Every way that a body takes through the gateway has its own code; the head is the same on all of them.
#[tokio::test(flavor = "multi_thread")]
async fn with_every_size_of_body() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", token(&world, &json!({"role": "editor"})));
    for size in [0, 1, 65_535, 65_537, 131_073, 1 << 20] {
        let body = shape::benign_json(size);
        let length = size.to_string();
        let common = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        let declared = [&FORGED[..], &common, &[("Content-Length", length.as_str())]].concat();
        let chunked = [&FORGED[..], &common, &[("Transfer-Encoding", "chunked")]].concat();
        for (how, fields, body) in
            [("declared", declared, body.to_vec()), ("chunked", chunked, shape::chunked(&body, 10_000))]
        {
            let request = [shape::head("POST", "/told/a", &fields), body].concat();
            let response = world.gateway.ask(&request).await;
            assert_eq!(response.status, 200, "{size} {how}: {}", response.text());
            let seen = world.origin.last();
            expect_told(&seen, Some("editor"), &format!("{size} {how}"));
            assert_eq!(seen.body.len(), size, "{how}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_2() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", token(&world, &json!({"role": "editor"})));
    let mut connection = world.gateway.connect2().await;
    for size in [0, 100_000] {
        let mut request = Request::builder()
            .method("POST")
            .uri("https://gateway.test/told/a")
            .header("content-type", "application/json")
            .header("authorization", &bearer);
        for (name, value) in FORGED {
            request = request.header(name, value);
        }
        let body = shape::benign_json(size);
        let (answer, mut stream) = connection.begin(request.body(()).unwrap(), size == 0).await;
        if size > 0 {
            send_body(&mut stream, Bytes::clone(&body)).await.unwrap();
        }
        let (response, _) = read_response(answer).await.unwrap();
        assert_eq!(response.status, 200, "{size}: {}", response.text());
        expect_told(&world.origin.last(), Some("editor"), &format!("{size} over HTTP/2"));
    }
}

const SECRETIVE: &str = r#"
[[route]]
name = "secretive"
match = { path = "/**" }
upstream = "agents"
identity = { issuers = ["main"], keep_credentials = false, forward = { "X-User" = "subject" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_out_where_the_upstream_is_not_to_see_it() {
    let places = "token = [\"header:authorization\", \"cookie:session\"]";
    let world = World::of(places, SECRETIVE).await;
    let token = world.token("alice");
    let cookie = format!("theme=dark; session={token}; lang=en");
    let bearer = format!("Bearer {token}");
    for fields in [vec![("Authorization", bearer.as_str())], vec![("Cookie", &cookie)]] {
        let response = world.gateway.ask(&shape::head("GET", "/a", &fields)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let seen = world.origin.last();
        assert_eq!(seen.header("x-user"), Some("alice"));
        assert!(!format!("{:?}", seen.headers).contains(&token), "{seen:?}");
    }
    assert_eq!(world.origin.last().header("cookie"), Some("theme=dark; lang=en"), "other cookies stay");
}
