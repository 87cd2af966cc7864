//! Redis is killed, frozen, restarted, failed over and resharded while clients ask on: each quota does what it declares
//! for that time, the outage costs one deadline and not one for each request, and afterwards Redis decides again, with
//! nobody's help.
//!
//! Three routes differ by their quota's `on_store_failure` alone. No quota is spent, so under `local` and `allow` every
//! request has to be answered by the origin, whatever befalls Redis.

mod cluster;
mod sentinel;
mod shares;

use std::time::Duration;

use rampart_tests::redis::Redis;
use rampart_tests::wait::eventually_some;
use rampart_tests::{Asked, CountingOrigin, Gateway, Load, Setup, shape};

/// Routes by the name of their mode.
const MODES: [&str; 3] = ["local", "allow", "deny"];

/// How long one command may take here: long enough that a loaded machine keeps it while Redis is well, and far from the
/// time of any other request.
const DEADLINE: Duration = Duration::from_millis(400);

/// Clients for each route.
const CLIENTS: usize = 4;

fn rules() -> String {
    let of = |mode: &str| {
        format!(
            "[[route]]\nname = \"{mode}\"\nmatch = {{ path = \"/{mode}\" }}\nupstream = \"agents\"\nquotas = [\"{mode}\"]\n\
             [quota.{mode}]\nalgorithm = \"window\"\nlimit = 1_000_000\nper = \"day\"\non_store_failure = \"{mode}\"\n"
        )
    };
    MODES.map(of).concat()
}

fn setup(origin: &CountingOrigin, redis: &str) -> Setup {
    let settings = format!("{redis}command_deadline = \"{}ms\"\n", DEADLINE.as_millis());
    Setup::new(origin.address).without_inspection().routes(&rules()).redis(&settings)
}

/// Clients of every mode.
struct Storm {
    loads: Vec<Load>,
}

impl Storm {
    fn start(gateway: &Gateway) -> Self {
        let load = |mode: &'static str| {
            let ask = move |_: &str| shape::get(&format!("/{mode}"));
            Load::start(gateway.addresses.plain, CLIENTS, Duration::from_millis(10), ask)
        };
        Self { loads: MODES.map(load).into() }
    }

    /// Ends it: what became of every request, by mode as in [`MODES`].
    async fn finish(self) -> [Vec<Asked>; 3] {
        let mut all = Vec::new();
        for load in self.loads {
            all.push(load.finish().await);
        }
        all.try_into().unwrap_or_else(|_| panic!("three loads"))
    }
}

/// Requests that waited for Redis in vain, for the whole deadline.
async fn missed(gateway: &Gateway) -> u64 {
    gateway.metric(r#"rampart_redis_commands_total{command="take",outcome="deadline"}"#).await
}

/// The most that may miss it in an outage that nobody is told of: each client had one request under way then, and each
/// connection of the pool finds out for itself. From then on nobody waits.
const MISSED_AT_MOST: u64 = 2 * (MODES.len() * CLIENTS) as u64;

/// What has to hold of every outage: its modes were kept. How many requests the quota that denies refused.
fn expect_modes(what: &str, [local, allow, deny]: &[Vec<Asked>; 3]) -> usize {
    for (mode, asked) in [("local", local), ("allow", allow)] {
        let failed: Vec<&Asked> = asked.iter().filter(|asked| !asked.succeeded()).collect();
        assert!(failed.is_empty(), "{what}: {mode} failed {} of {}: {failed:?}", failed.len(), asked.len());
    }
    for asked in deny {
        let as_declared = asked.status == 200 || (asked.status == 503 && asked.retry_after_s == Some(1));
        assert!(as_declared, "{what}: {asked:?}");
    }
    let denied = deny.iter().filter(|asked| asked.status == 503).count();
    let counts = [local, allow, deny].map(Vec::len);
    let slowest = [local, allow, deny].map(|asked| asked.iter().map(|asked| asked.took).max().unwrap_or_default());
    eprintln!("{what}: {counts:?} requests by {MODES:?}, {denied} denied, slowest {slowest:?}");
    denied
}

/// Everything that a client, `/ready` and `/metrics` see once Redis decides again.
async fn expect_recovery(gateway: &Gateway) {
    gateway.redis_becomes("up").await;
    let before = gateway.decisions("deny", "allowed", "redis").await;
    eventually_some("Redis decides again", async || {
        let served = gateway.get("/deny").await.status == 200;
        (served && gateway.decisions("deny", "allowed", "redis").await > before).then_some(())
    })
    .await;
    assert_eq!(gateway.metric("rampart_redis_up").await, 1);
    let closed = async || (gateway.metric("rampart_redis_breaker_open").await == 0).then_some(());
    eventually_some("every connection of the pool is in use again", closed).await;
}

async fn expect_outage_is_seen(gateway: &Gateway) {
    gateway.redis_becomes("down").await;
    let ready = gateway.probe("/ready").await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"ready".into()), "what Redis lacks stops no traffic");
    assert_eq!(gateway.metric("rampart_redis_up").await, 0);
    let refused = gateway.get("/deny").await;
    refused.expect_problem(503, "limit_unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    for mode in ["local", "allow"] {
        let before = gateway.decisions(mode, "allowed", "fallback").await;
        let served = gateway.get(&format!("/{mode}")).await;
        assert_eq!(served.status, 200, "{}", served.text());
        assert!(gateway.decisions(mode, "allowed", "fallback").await > before);
    }
    assert!(gateway.decisions("deny", "unavailable", "fallback").await > 0);
    assert!(gateway.metric_sum("rampart_redis_breaker_trips_total").await > 0);
}

const A_WHILE: Duration = Duration::from_millis(700);

/// A gateway on one Redis, under load, while `outage` begins and `end` ends it.
async fn outage(what: &str, begin: impl FnOnce(&mut Redis), end: impl FnOnce(&mut Redis)) -> u64 {
    let (origin, mut redis) = (CountingOrigin::start().await, Redis::start());
    let gateway = setup(&origin, &redis.settings()).start().await;
    gateway.redis_becomes("up").await;
    let storm = Storm::start(&gateway);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(gateway.decisions("deny", "unavailable", "fallback").await, 0, "{what}: all is well before");
    tokio::task::block_in_place(|| begin(&mut redis));
    expect_outage_is_seen(&gateway).await;
    tokio::time::sleep(A_WHILE).await;
    tokio::task::block_in_place(|| end(&mut redis));
    expect_recovery(&gateway).await;
    tokio::time::sleep(A_WHILE).await;
    let asked = storm.finish().await;
    assert!(expect_modes(what, &asked) > 0, "{what}: nobody met the outage");
    let last = asked[2].last().expect("requests");
    assert_eq!(last.status, 200, "{what}: the last one was served");
    let missed = missed(&gateway).await;
    eprintln!("{what}: {missed} requests waited for the whole deadline");
    missed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_comes_back_empty() {
    // A connection that ended needs no deadline to be seen.
    let missed = outage("killed", Redis::kill, Redis::restart).await;
    assert!(missed <= MISSED_AT_MOST, "{missed} requests waited for a Redis that was gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_costs_one_deadline() {
    let missed = outage("frozen", |redis| redis.freeze(), |redis| redis.thaw()).await;
    assert!((1..=MISSED_AT_MOST).contains(&missed), "{missed} requests waited for a frozen Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_restarts_under_load_is_used_again() {
    let (origin, mut redis) = (CountingOrigin::start().await, Redis::start());
    let gateway = setup(&origin, &redis.settings()).start().await;
    gateway.redis_becomes("up").await;
    let storm = Storm::start(&gateway);
    for _ in 0..3 {
        tokio::time::sleep(A_WHILE).await;
        // Without its scripts and its counts, as after a crash.
        tokio::task::block_in_place(|| redis.restart());
        expect_recovery(&gateway).await;
    }
    expect_modes("restarted thrice", &storm.finish().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_redis_and_finds_it_later() {
    let (origin, mut redis) = (CountingOrigin::start().await, Redis::start());
    tokio::task::block_in_place(|| redis.kill());
    let gateway = setup(&origin, &redis.settings()).start().await;
    for mode in ["local", "allow"] {
        assert_eq!(gateway.get(&format!("/{mode}")).await.status, 200);
    }
    gateway.get("/deny").await.expect_problem(503, "limit_unavailable");
    assert_ne!(gateway.redis().await["status"], "up");
    tokio::task::block_in_place(|| redis.restart());
    expect_recovery(&gateway).await;
}
