//! Five attempts to sign in pass in any 60 seconds, the sixth does not, whenever it comes: by the shipped rules, on one
//! gateway and on two.

use std::time::{Duration, Instant};

use rampart_tests::process::workspace;
use rampart_tests::quota::{Shown, ask_at, expect_sliding, retry_after_s, shown};
use rampart_tests::redis::Redis;
use rampart_tests::{Answer, CountingOrigin, Gateway, Response, Setup, shape};

use super::{patient, quotas, route};

const PERIOD: Duration = Duration::from_mins(1);
const BODY: &[u8] = br#"{"username":"alice","password":"guess"}"#;

/// An origin that turns every password down.
async fn origin() -> CountingOrigin {
    CountingOrigin::scripted(|_| Answer::status(401)).await
}

/// The rules as they are shipped.
fn shipped(origin: &CountingOrigin) -> Setup {
    let read = |name: &str| std::fs::read_to_string(workspace().join("rules").join(name)).unwrap();
    let setup = Setup::new(origin.address).file("rules/routes.toml", &read("routes.toml"));
    setup.file("rules/quotas.toml", &read("quotas.toml"))
}

fn attempt() -> Vec<u8> {
    shape::post("/auth/login", "application/json", BODY)
}

fn expect_refusal(response: &Response) {
    let problem = response.expect_problem(429, "rate_limited");
    assert_eq!(problem["error"], "The quota \"auth\" is spent", "{problem}");
    assert_eq!(response.header("ratelimit-policy"), Some("\"auth\";q=5;w=60"));
    let wait_s = retry_after_s(response).expect("a refusal says when to come again");
    assert!((1..=60).contains(&wait_s), "{wait_s}");
    assert_eq!(shown(response, "auth"), Some(Shown { remaining: 0, reset_s: wait_s }));
}

/// Seven attempts, each at the next of `gateways`; no more than five reach the origin.
async fn seven_attempts(gateways: &[Gateway], origin: &CountingOrigin) {
    let started = Instant::now();
    let mut asked = Vec::new();
    for (number, gateway) in (0..7).zip(gateways.iter().cycle()) {
        let (mut one, response) = ask_at(&mut gateway.connect().await, &attempt(), started).await;
        if number < 5 {
            assert_eq!(response.status, 401, "attempt {number}: {}", response.text());
            assert_eq!(response.header("ratelimit-policy"), Some("\"auth\";q=5;w=60"));
            let shown = shown(&response, "auth").expect("the answer shows the quota");
            assert_eq!(shown.remaining, 4 - number);
            assert!((40..=60).contains(&shown.reset_s), "{shown:?}");
            assert_eq!(response.header("retry-after"), None);
            // What the upstream makes of the password is no matter of the quota.
            one.status = 200;
        } else {
            expect_refusal(&response);
            let event = gateway.event(response.header("x-request-id").unwrap()).await;
            assert_eq!((&event["verdict"], &event["code"]), (&"limited".into(), &"rate_limited".into()), "{event}");
        }
        asked.push(one);
    }
    assert_eq!(expect_sliding(&asked, 5, PERIOD), 5);
    assert_eq!(origin.requests(), 5, "a refused attempt is not forwarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_attempt_is_refused() {
    let origin = origin().await;
    let gateway = shipped(&origin).tls().start().await;
    seven_attempts(std::slice::from_ref(&gateway), &origin).await;

    // It is about the client, not the connection: over TLS and HTTP/2 he is the same.
    expect_refusal(&gateway.connect_tls().await.ask(&attempt()).await);
    let body = bytes::Bytes::from_static(BODY);
    let over_two = gateway.connect2().await.ask("POST", "/auth/login", "application/json", &body, true).await;
    expect_refusal(&over_two.unwrap().0);

    // Another client, and another route of the same client, have nothing to do with it.
    let mut neighbour = rampart_tests::announce::plain_from("127.0.0.9", gateway.addresses.plain).await;
    assert_eq!(neighbour.ask(&attempt()).await.status, 401);
    let other = gateway.get("/api/v1/agents").await;
    assert_eq!((other.status, other.header("ratelimit")), (401, None), "this route has no quota");

    assert_eq!(gateway.decisions("auth", "allowed", "local").await, 6);
    assert_eq!(gateway.decisions("auth", "refused", "local").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_count_the_attempts_together() {
    let (origin, redis) = (origin().await, Redis::start());
    let fleet = shipped(&origin).redis(&patient(&redis)).start_fleet(2).await;
    seven_attempts(&fleet, &origin).await;
    let counted =
        fleet[0].decisions("auth", "allowed", "redis").await + fleet[1].decisions("auth", "allowed", "redis").await;
    assert_eq!(counted, 5);

    // Both gone, and one back: what was counted is in Redis.
    drop(fleet);
    let fresh = shipped(&origin).redis(&patient(&redis)).start().await;
    fresh.redis_becomes("up").await;
    expect_refusal(&fresh.ask(&attempt()).await);
}

/// The same quota with a shorter period, so that its end can be seen: a sixth attempt passes the moment the first has
/// left the period, neither before nor after.
async fn a_period_slides(fleet: &[Gateway]) {
    const PERIOD: Duration = Duration::from_secs(3);
    let started = Instant::now();
    let mut asked = Vec::new();
    let mut connections = Vec::new();
    for gateway in fleet {
        connections.push(gateway.connect().await);
    }
    let mut turn = 0;
    while started.elapsed() < PERIOD * 2 + PERIOD / 2 {
        let connection = &mut connections[turn % fleet.len()];
        asked.push(ask_at(connection, &shape::get("/login"), started).await.0);
        turn += 1;
        // The first five at some distance, so that they leave one after the other.
        tokio::time::sleep(Duration::from_millis(if turn < 5 { 250 } else { 30 })).await;
    }
    let passed = expect_sliding(&asked, 5, PERIOD);
    assert!((11..=15).contains(&passed), "{passed} of {} in two and a half periods", asked.len());
}

const SHORT: &str = "[quota.login]\nalgorithm = \"sliding_log\"\nlimit = 5\nper = \"3s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn attempts_pass_again_when_others_are_a_period_old() {
    let origin = CountingOrigin::start().await;
    let rules = [&route("login", &["login"]), SHORT].concat();
    let alone = quotas(&origin, &rules).start().await;
    a_period_slides(std::slice::from_ref(&alone)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_at_two_gateways_pass_again_when_others_are_a_period_old() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let rules = [&route("login", &["login"]), SHORT].concat();
    let fleet = quotas(&origin, &rules).redis(&patient(&redis)).start_fleet(2).await;
    a_period_slides(&fleet).await;
    assert_eq!(fleet[0].decisions("login", "allowed", "fallback").await, 0, "Redis decided all along");
}
