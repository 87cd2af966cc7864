//! Which tokens open a protected route, and which do not, whatever is wrong with them.

use std::time::Duration;

use rampart_tests::token::{ISSUER, claims, encode, now_s, unsigned, with};
use rampart_tests::{SigningKey, shape};
use serde_json::{Value, json};

use super::{ROUTES, World, bearing, challenges};

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_route_takes_known_callers_only() {
    let world = World::start().await;
    let nobody = world.gateway.get("/protected/a").await;
    nobody.expect_problem(401, "identity_missing");
    // RFC 6750 section 3.1: where there was no credential, no error is named.
    assert_eq!(challenges(&nobody), ["Bearer realm=\"rampart\""]);
    let over_two = world.gateway.connect2().await.get("/protected/a").await.unwrap();
    over_two.expect_problem(401, "identity_missing");
    // Another scheme is none of ours.
    let basic = shape::head("GET", "/protected/a", &[("Authorization", "Basic YWxpY2U6aHVudGVyMg==")]);
    world.gateway.ask(&basic).await.expect_problem(401, "identity_missing");
    world.origin.expect_untouched();

    let token = world.token("alice");
    let mut connection = world.gateway.connect().await;
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        let request = shape::head("GET", "/protected/a", &[("Authorization", &format!("{scheme} {token}"))]);
        assert_eq!(connection.ask(&request).await.status, 200, "{scheme:?}");
    }
    let body = shape::post("/protected/a", "application/json", b"{}");
    connection.ask(&body).await.expect_problem(401, "identity_missing");
    assert_eq!(world.gateway.get("/open/a").await.status, 200);
    assert_eq!(world.origin.requests(), 5);
}

/// The answer is there before a byte of the body is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_get_to_send_a_body() {
    let world = World::start().await;
    for fields in [
        vec![("Content-Length", "1000000"), ("Content-Type", "application/json")],
        vec![("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")],
        vec![("Content-Length", "1000000"), ("Content-Type", "application/json"), ("Expect", "100-continue")],
    ] {
        let mut connection = world.gateway.connect().await;
        connection.send(&shape::head("POST", "/protected/a", &fields)).await;
        let first = connection.any_response().await.unwrap();
        first.expect_problem(401, "identity_missing");
        connection.expect_close(Duration::from_secs(5)).await;
    }
    world.origin.expect_untouched();
}

/// What a forger, a careless client or a clock may come up with: (what, the token, the reason in the record).
fn negatives(world: &World) -> Vec<(&'static str, String, &'static str)> {
    let key = &world.key;
    let good = claims("alice");
    let stranger = SigningKey::es256("first");
    let plain = key.header();
    let signed_by = |members: Value| key.token(&with(good.clone(), &members));
    let headed = |members: Value| key.token_with(&with(plain.clone(), &members), &good);
    let whole = key.token(&good);
    let parts: Vec<&str> = whole.split('.').collect();
    let bob = encode(claims("bob").to_string());
    let pem = SigningKey::hs256("first", key.public_pem().as_bytes());
    let jwk = SigningKey::hs256("first", key.jwk().to_string().as_bytes());
    let now = now_s();
    vec![
        ("expired", signed_by(json!({"exp": now - 31})), "expired"),
        ("no exp", signed_by(json!({"exp": null})), "claim"),
        ("exp is text", signed_by(json!({"exp": (now + 60).to_string()})), "claim"),
        ("not yet", signed_by(json!({"nbf": now + 300})), "not_yet"),
        ("another audience", signed_by(json!({"aud": "billing"})), "audience"),
        ("no audience", signed_by(json!({"aud": null})), "audience"),
        ("the audience as a part", signed_by(json!({"aud": "agents-of-others"})), "audience"),
        ("another issuer", signed_by(json!({"iss": "https://evil.test"})), "issuer"),
        ("the issuer in another spelling", signed_by(json!({"iss": format!("{ISSUER}/")})), "issuer"),
        ("no issuer", signed_by(json!({"iss": null})), "issuer"),
        ("no subject", signed_by(json!({"sub": null})), "claim"),
        ("a subject that ends a line", signed_by(json!({"sub": "alice\r\nX-Role: admin"})), "claim"),
        ("a subject that looks like another", signed_by(json!({"sub": "alice\u{200b}"})), "claim"),
        ("none", unsigned("none", &good), "algorithm"),
        ("None", unsigned("None", &good), "algorithm"),
        ("NONE", unsigned("NONE", &good), "algorithm"),
        ("none with a signature", headed(json!({"alg": "none"})), "algorithm"),
        ("an empty algorithm", headed(json!({"alg": ""})), "algorithm"),
        ("HS256 with the public key as the secret", pem.token(&good), "algorithm"),
        ("HS256 with the JWK as the secret", jwk.token(&good), "algorithm"),
        ("another algorithm named", headed(json!({"alg": "ES384"})), "algorithm"),
        ("a stranger's key under our id", stranger.token(&good), "bad_signature"),
        ("its own key in the header", headed_by(&stranger, &good, &json!({"jwk": stranger.jwk()})), "bad_signature"),
        ("where its key is", headed(json!({"jku": "https://evil.test/jwks.json"})), "header"),
        ("where its certificate is", headed(json!({"x5u": "https://evil.test/x.pem"})), "header"),
        ("a critical extension", headed(json!({"crit": ["exp"]})), "header"),
        ("a payload that is not encoded", headed(json!({"b64": false})), "header"),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), "bad_signature"),
        ("two parts", format!("{}.{}", parts[0], parts[1]), "malformed"),
        ("four parts", format!("{whole}.{}", parts[2]), "malformed"),
        ("another payload", format!("{}.{bob}.{}", parts[0], parts[2]), "bad_signature"),
        ("a signature of zeros", format!("{}.{}.{}", parts[0], parts[1], encode([0; 64])), "bad_signature"),
        ("padded", format!("{whole}=="), "malformed"),
        ("no token", "hunter2".to_owned(), "malformed"),
        ("an API key where none are taken", format!("rk_{}", "A".repeat(60)), "malformed"),
        ("no JSON", format!("{}.{}.{}", encode("alice"), parts[1], parts[2]), "malformed"),
        ("a member twice", twice(key), "malformed"),
    ]
}

/// What may have been genuine once has a code that bans do not count.
fn code_of(reason: &str) -> &'static str {
    if matches!(reason, "expired" | "not_yet" | "unknown_key") { "identity_expired" } else { "identity_invalid" }
}

fn headed_by(key: &SigningKey, claims: &Value, members: &Value) -> String {
    key.token_with(&with(key.header(), members), claims)
}

/// Well signed, with two subjects: which one counts depends on the reader.
fn twice(key: &SigningKey) -> String {
    let claims = claims("alice").to_string().replacen('{', "{\"sub\":\"admin\",", 1);
    key.token_of(&key.header().to_string(), &claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_do_not_hold_are_refused_and_it_is_recorded_why() {
    let world = World::start().await;
    // The keys are known from here on.
    assert_eq!(world.get("/optional/a", &world.token("alice")).await.status, 200);
    let reached = world.origin.requests();
    for (what, token, reason) in negatives(&world) {
        for target in ["/protected/a", "/optional/a"] {
            let response = world.get(target, &token).await;
            assert_eq!(response.status, 401, "{what}: {}", response.text());
            let code = code_of(reason);
            response.expect_problem(401, code);
            let challenge = challenges(&response);
            assert!(
                challenge[0].starts_with("Bearer realm=\"rampart\", error=\"invalid_token\""),
                "{what}: {challenge:?}"
            );
            let says_expired = challenge[0].contains("expired");
            assert_eq!(says_expired, reason == "expired", "{what}: {challenge:?}");
            // The client is not told which check failed, but for a time that is over; the record says it.
            assert!(reason == "expired" || !response.text().contains(reason), "{what}: {}", response.text());
            let event = world.event(&response).await;
            assert_eq!(event["access"]["kind"], "refused", "{what}: {event}");
            assert_eq!(event["access"]["reason"], reason, "{what}: {event}");
            assert_eq!(event["code"], code, "{what}: {event}");
            assert_eq!(event["identity"], Value::Null, "{what}: a claim that was not proved is no identity: {event}");
            assert!(!event.to_string().contains(&token), "{what}: {event}");
        }
    }
    assert_eq!(world.origin.requests(), reached, "none of them reached the upstream");
    // And the good one still is.
    assert_eq!(world.get("/protected/a", &world.token("alice")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_leeway_clocks_may_differ() {
    let world = World::start().await;
    let now = now_s();
    for (what, members, status) in [
        ("expired 20 seconds ago", json!({"exp": now - 20}), 200),
        ("expired 40 seconds ago", json!({"exp": now - 40}), 401),
        ("good in 20 seconds", json!({"nbf": now + 20}), 200),
        ("good in 60 seconds", json!({"nbf": now + 60}), 401),
    ] {
        let token = world.key.token(&with(claims("alice"), &members));
        assert_eq!(world.get("/protected/a", &token).await.status, status, "{what}");
    }
}

/// A token that was good, and is remembered as such, ceases to be at its `exp`.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_good_before_expires_all_the_same() {
    let world = World::of("leeway = \"0s\"", ROUTES).await;
    let ends = now_s() + 4;
    let token = world.key.token(&with(claims("alice"), &json!({"exp": ends})));
    let mut connection = world.gateway.connect().await;
    let mut good = 0;
    let refused = loop {
        let before = now_s();
        let response = connection.ask(&bearing("/protected/a", &token)).await;
        if response.status != 200 {
            break response;
        }
        assert!(before < ends, "taken although it has expired");
        good += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(now_s() >= ends, "refused although it has not expired: {}", refused.text());
    assert!(good > 1, "it was taken {good} times");
    assert!(challenges(&refused)[0].contains("expired"), "{refused:?}");
    assert_eq!(world.event(&refused).await["access"]["reason"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_credential_is_none() {
    let world = World::start().await;
    let (alice, bob) = (world.token("alice"), world.token("bob"));
    let fields = [("Authorization", format!("Bearer {alice}")), ("Authorization", format!("Bearer {bob}"))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = world.gateway.ask(&shape::head("GET", "/protected/a", &fields)).await;
    response.expect_problem(401, "identity_invalid");
    assert_eq!(challenges(&response), ["Bearer realm=\"rampart\", error=\"invalid_request\""]);
    assert_eq!(world.event(&response).await["access"]["reason"], "ambiguous");
    world.origin.expect_untouched();
}

/// A client that is late with its next token is not locked out with it; one that forges is.
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_counts_forged_tokens_and_none_that_were_good_once() {
    let rules = format!("[ban.guessers]\nafter = 3\nper = \"60s\"\nfor = \"10m\"\n{ROUTES}");
    let world = World::of("", &rules).await;
    let late = with(claims("alice"), &json!({"exp": now_s() - 31}));
    for number in 0..6 {
        let token = world.key.token(&with(late.clone(), &json!({"jti": number})));
        world.get("/protected/a", &token).await.expect_problem(401, "identity_expired");
    }
    assert_eq!(world.get("/protected/a", &world.token("alice")).await.status, 200);
    let stranger = SigningKey::es256("first");
    for _ in 0..3 {
        world.get("/protected/a", &stranger.token(&claims("alice"))).await.expect_problem(401, "identity_invalid");
    }
    world.get("/protected/a", &world.token("alice")).await.expect_problem(403, "banned");
}
