//! While Redis is gone, `local` means this gateway's share: the limit by the number of gateways that were alive.

use rampart_tests::redis::Redis;
use rampart_tests::{CountingOrigin, Gateway, Setup};

const RULES: &str = r#"
[[route]]
name = "shared"
match = { path = "/shared" }
upstream = "agents"
quotas = ["shared"]

[quota.shared]
algorithm = "window"
limit = 10
per = "day"

[[route]]
name = "own"
match = { path = "/own" }
upstream = "agents"
quotas = ["own"]

[quota.own]
algorithm = "window"
limit = 10
per = "day"
scope = "instance"
"#;

/// How many of `count` requests pass.
async fn passing(gateway: &Gateway, target: &str, count: u64) -> u64 {
    let mut passed = 0;
    let mut connection = gateway.connect().await;
    for _ in 0..count {
        let response = connection.ask(&rampart_tests::shape::get(target)).await;
        assert!(matches!(response.status, 200 | 429), "{}", response.text());
        passed += u64::from(response.status == 200);
    }
    passed
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gateway_has_its_share_while_redis_is_gone() {
    let (origin, mut redis) = (CountingOrigin::start().await, Redis::start());
    let setup = Setup::new(origin.address).without_inspection().routes(RULES).redis(&crate::quotas::patient(&redis));
    let fleet = setup.start_fleet(2).await;
    assert_eq!(passing(&fleet[0], "/shared", 4).await, 4);
    tokio::task::block_in_place(|| redis.kill());
    // What a gateway let pass while Redis decided counts in its share: together they stay within the limit.
    for (gateway, had) in fleet.iter().zip([4, 0]) {
        gateway.redis_becomes("down").await;
        assert_eq!(gateway.redis().await["gateways"], 2, "as they last counted each other");
        assert_eq!(passing(gateway, "/shared", 8).await, 5 - had, "half of the limit");
        let refused = gateway.get("/shared").await;
        refused.expect_problem(429, "rate_limited");
        assert_eq!(refused.header("ratelimit-policy"), Some("\"shared\";q=5;w=86400"), "the share is what holds now");
        assert_eq!(gateway.decisions("shared", "allowed", "fallback").await, 5 - had);
    }
    tokio::task::block_in_place(|| redis.restart());
    for gateway in &fleet {
        gateway.redis_becomes("up").await;
    }
    // It came back empty, and decides for both together again.
    let passed = passing(&fleet[0], "/shared", 8).await + passing(&fleet[1], "/shared", 8).await;
    assert_eq!(passed, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_the_instance_asks_nobody() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let setup = Setup::new(origin.address).without_inspection().routes(RULES).redis(&crate::quotas::patient(&redis));
    let fleet = setup.start_fleet(2).await;
    for gateway in &fleet {
        assert_eq!(passing(gateway, "/own", 12).await, 10, "each gateway counts for itself");
        assert_eq!(gateway.decisions("own", "allowed", "local").await, 10);
    }
}
