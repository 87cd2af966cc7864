//! Quotas and identity: who is counted together, and that guessing credentials is counted before they are looked at.

use rampart_tests::quota::{retry_after_s, shown};
use rampart_tests::shape;
use rampart_tests::token::{claims, with};
use serde_json::json;

use super::{World, bearing};

const TENANTS: &str = r#"
[quota.tenant]
algorithm = "sliding_log"
limit = 3
per = "60s"
key = "tenant"

[[route]]
name = "by-tenant"
match = { path = "/tenant/**" }
upstream = "agents"
quotas = ["tenant"]
identity = { issuers = ["main"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_one_quota_whoever_asks_for_it() {
    let world = World::of("tenant = \"org\"", TENANTS).await;
    let of = |subject: &str, org: &str| world.key.token(&with(claims(subject), &json!({"org": org})));
    for (turn, (subject, status)) in
        [("alice", 200), ("bob", 200), ("carol", 200), ("alice", 429), ("dave", 429)].into_iter().enumerate()
    {
        let response = world.get("/tenant/a", &of(subject, "acme")).await;
        assert_eq!(response.status, status, "{turn}: {}", response.text());
        assert_eq!(shown(&response, "tenant").unwrap().remaining, 2_u64.saturating_sub(turn as u64), "{turn}");
        if status == 429 {
            response.expect_problem(429, "rate_limited");
            assert!((50..=60).contains(&retry_after_s(&response).unwrap()), "{response:?}");
            let event = world.event(&response).await;
            assert_eq!(event["identity"], format!("jwt:main:{subject}"), "who was turned away is known: {event}");
            assert_eq!(event["verdict"], "limited", "{event}");
        }
    }
    // A token that does not hold takes nothing from the tenant that it names, and another tenant is another quota.
    let forged = with(claims("mallory"), &json!({"org": "globex", "aud": "billing"}));
    for _ in 0..4 {
        world.get("/tenant/a", &world.key.token(&forged)).await.expect_problem(401, "identity_invalid");
    }
    for _ in 0..3 {
        assert_eq!(world.get("/tenant/a", &of("erin", "globex")).await.status, 200);
    }
    assert_eq!(world.get("/tenant/a", &of("erin", "globex")).await.status, 429);
    // A tenant is a claim that was verified, never what a client says of itself.
    let asked = shape::head(
        "GET",
        "/tenant/a?tenant=fresh",
        &[("Authorization", &format!("Bearer {}", of("alice", "acme"))), ("X-Tenant", "fresh")],
    );
    world.gateway.ask(&asked).await.expect_problem(429, "rate_limited");
    assert_eq!(world.origin.requests(), 6);
}

const GUESSING: &str = r#"
[quota.guessing]
algorithm = "sliding_log"
limit = 5
per = "60s"

[[route]]
name = "guarded"
match = { path = "/guarded/**" }
upstream = "agents"
quotas = ["guessing"]
identity = { issuers = ["main"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_counted_before_a_credential_is_looked_at() {
    let world = World::of("", GUESSING).await;
    for turn in 0..5 {
        let response = world.get("/guarded/a", &format!("guess-{turn}")).await;
        response.expect_problem(401, "identity_invalid");
        assert_eq!(shown(&response, "guessing").unwrap().remaining, 4 - turn, "a refusal says what is left");
    }
    let response = world.get("/guarded/a", &world.token("alice")).await;
    response.expect_problem(429, "rate_limited");
    assert_eq!(response.header("www-authenticate"), None);
    world.origin.expect_untouched();
}

const SUBJECTS: &str = r#"
[issuer.second]
issuer = "https://second.test"
audience = "agents"
algorithms = ["ES256"]
public_key_file = "second.pem"

[quota.subject]
algorithm = "sliding_log"
limit = 2
per = "60s"
key = "subject"

[[route]]
name = "by-subject"
match = { path = "/subject/**" }
upstream = "agents"
quotas = ["subject"]
identity = { issuers = ["main", "second"], required = false }
"#;

/// Two issuers may both have an `alice`; they are two callers.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_of_two_issuers_is_two_callers() {
    let second = rampart_tests::SigningKey::es256("second");
    let world = World::with_files("", SUBJECTS, &[("second.pem", &second.public_pem())]).await;
    let theirs = second.token(&with(claims("alice"), &json!({"iss": "https://second.test"})));
    let ours = world.token("alice");
    for token in [&ours, &theirs] {
        for status in [200, 200, 429] {
            assert_eq!(world.gateway.ask(&bearing("/subject/a", token)).await.status, status);
        }
    }
    // Without a name, the address counts in its place; it is no caller's.
    for status in [200, 200, 429] {
        assert_eq!(world.gateway.get("/subject/a").await.status, status);
    }
}

const BANNED: &str = r#"
[ban.guessing]
after = 4
per = "60s"
for = "1m"

[[route]]
name = "guarded"
match = { path = "/**" }
upstream = "agents"
identity = { issuers = ["main"], required = false }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_guessing_is_banned() {
    let world = World::of("", BANNED).await;
    assert_eq!(world.get("/a", &world.token("alice")).await.status, 200);
    for turn in 0..4 {
        world.get("/a", &format!("guess-{turn}")).await.expect_problem(401, "identity_invalid");
    }
    rampart_tests::wait::eventually_some("the ban holds", async || {
        (world.gateway.get("/a").await.status == 403).then_some(())
    })
    .await;
    let banned = world.get("/a", &world.token("alice")).await;
    banned.expect_problem(403, "banned");
    assert!((30..=60).contains(&retry_after_s(&banned).unwrap()), "{banned:?}");
}
