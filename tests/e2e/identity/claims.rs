//! What a known caller has to be allowed, and where a token may stand.

use rampart_tests::shape;
use rampart_tests::token::{claims, with};
use serde_json::{Value, json};

use super::{World, challenges};

#[tokio::test(flavor = "multi_thread")]
async fn scopes_and_claims_open_routes() {
    let world = World::start().await;
    for (target, members, status) in [
        ("/scoped/a", json!({"scope": "agents:read agents:write"}), 200),
        ("/scoped/a", json!({"scope": "x agents:write  agents:read"}), 200),
        ("/scoped/a", json!({"scope": ["agents:write", "agents:read"]}), 200),
        ("/scoped/a", json!({"scope": "agents:read"}), 403),
        ("/scoped/a", json!({"scope": "agents:read agents:writer"}), 403),
        ("/scoped/a", json!({"scope": "agents:read AGENTS:WRITE"}), 403),
        ("/scoped/a", json!({"scope": "agents:read,agents:write"}), 403),
        ("/scoped/a", json!({"scope": ""}), 403),
        ("/scoped/a", json!({"scope": null}), 403),
        // A claim of another name grants nothing.
        ("/scoped/a", json!({"scopes": "agents:read agents:write", "permissions": ["agents:read"]}), 403),
        ("/any-scope/a", json!({"scope": "agents:admin"}), 200),
        ("/any-scope/a", json!({"scope": "agents:read x"}), 200),
        ("/any-scope/a", json!({"scope": "agents"}), 403),
        ("/claimed/a", json!({"role": "admin", "email_verified": true, "realm": {"level": 3}}), 200),
        ("/claimed/a", json!({"role": ["user", "owner"], "email_verified": true, "realm": {"level": 3}}), 200),
        ("/claimed/a", json!({"role": "user", "email_verified": true, "realm": {"level": 3}}), 403),
        ("/claimed/a", json!({"role": "Admin", "email_verified": true, "realm": {"level": 3}}), 403),
        ("/claimed/a", json!({"role": "admin owner", "email_verified": true, "realm": {"level": 3}}), 403),
        ("/claimed/a", json!({"role": "admin", "email_verified": "true", "realm": {"level": 3}}), 403),
        ("/claimed/a", json!({"role": "admin", "email_verified": 1, "realm": {"level": 3}}), 403),
        ("/claimed/a", json!({"role": "admin", "realm": {"level": 3}}), 403),
        ("/claimed/a", json!({"role": "admin", "email_verified": true, "realm": {"level": "3"}}), 403),
        ("/claimed/a", json!({"role": "admin", "email_verified": true, "realm/level": 3, "level": 3}), 403),
    ] {
        let reached = world.origin.requests();
        let response = world.get(target, &world.key.token(&with(claims("alice"), &members))).await;
        assert_eq!(response.status, status, "{target} with {members}: {}", response.text());
        assert_eq!(world.origin.requests() - reached, usize::from(status == 200), "{target} with {members}");
        if status == 403 {
            response.expect_problem(403, "identity_forbidden");
            let challenge = challenges(&response);
            assert!(challenge[0].contains("error=\"insufficient_scope\""), "{challenge:?}");
            let names = challenge[0].contains("scope=\"agents:read agents:write\"");
            assert_eq!(names, target == "/scoped/a", "{challenge:?}");
            let event = world.event(&response).await;
            assert_eq!(event["identity"], "jwt:main:alice", "who was refused is known: {event}");
            let reason = if target == "/claimed/a" { "forbidden" } else { "scope" };
            let access = json!({"kind": "refused", "via": "jwt:main", "reason": reason});
            assert_eq!(event["access"], access, "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_is_anonymous_where_that_is_allowed() {
    let world = World::start().await;
    let anonymous = world.gateway.get("/optional/a").await;
    assert_eq!(anonymous.status, 200);
    assert_eq!((world.origin.last().header("x-user"), world.origin.last().header("x-tenant")), (None, None));
    let access = world.gateway.access(anonymous.header("x-request-id").unwrap()).await;
    assert_eq!(access["identity"], Value::Null, "{access}");
    assert_eq!(world.get("/optional/a", &world.token("alice")).await.status, 200);
    let seen = world.origin.last();
    assert_eq!((seen.header("x-user"), seen.header("x-tenant")), (Some("alice"), Some("main")));
}

const PLACES: &str = r#"
[[route]]
name = "places"
match = { path = "/**" }
upstream = "agents"
identity = { issuers = ["main"], forward = { "X-User" = "subject" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_stands_where_its_issuer_puts_it() {
    let world = World::of("token = [\"cookie:session\", \"header:x-token\"]", PLACES).await;
    let (alice, bob) = (world.token("alice"), world.token("bob"));
    let bearer = format!("Bearer {alice}");
    let cookie = |token: &str| format!("a=1; session={token}; b=2");
    let ask = async |fields: &[(&str, &str)]| world.gateway.ask(&shape::head("GET", "/a", fields)).await;
    assert_eq!(ask(&[("Cookie", &cookie(&alice))]).await.status, 200);
    assert_eq!(world.origin.last().header("x-user"), Some("alice"));
    assert_eq!(ask(&[("X-Token", &alice)]).await.status, 200);
    assert_eq!(ask(&[("X-Token", &bearer)]).await.status, 200);
    // The same in both places is one credential; two are none.
    assert_eq!(ask(&[("X-Token", &alice), ("Cookie", &cookie(&alice))]).await.status, 200);
    ask(&[("X-Token", &bob), ("Cookie", &cookie(&alice))]).await.expect_problem(401, "identity_invalid");
    ask(&[("Cookie", &cookie(&alice)), ("Cookie", &cookie(&bob))]).await.expect_problem(401, "identity_invalid");
    // A place that is not named holds none; a cookie that a sign-out emptied is none.
    ask(&[("Authorization", &bearer)]).await.expect_problem(401, "identity_missing");
    ask(&[("Cookie", "session=")]).await.expect_problem(401, "identity_missing");
    ask(&[("Cookie", &format!("Session={alice}"))]).await.expect_problem(401, "identity_missing");
    ask(&[("X_Token", &alice)]).await.expect_problem(401, "identity_missing");
}
