//! What befalls Redis under load: no decision takes longer than one deadline, none fails, and all heals by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rampart_limits::{Actual, Outcome, Quota, Source};
use rampart_store::testing::{Redis as Server, Sentinel};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::oracle::quota;
use crate::{DEADLINE, Gateway, RECOVERY, SLACK, Stalls, eventually, is_allowed};

const WORKERS: usize = 6;

/// One decision.
#[derive(Debug, Clone, Copy)]
struct Made {
    begun: Instant,
    took: Duration,
    outcome: Outcome,
    source: Source,
}

/// Workers that ask about one quota without end.
struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<Made>>>,
    stalls: Stalls,
}

/// All decisions in their order, and how long the machine itself stood still at the worst.
struct Record {
    all: Vec<Made>,
    stall: Duration,
}

impl Load {
    fn start(gateways: &[Arc<Gateway>], quota: &Arc<Quota>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for (index, gateway) in gateways.iter().flat_map(|one| std::iter::repeat_n(one, WORKERS)).enumerate() {
            let (gateway, quota, stop) = (Arc::clone(gateway), Arc::clone(quota), Arc::clone(&stop));
            workers.push(tokio::spawn(async move {
                let mut made = Vec::new();
                let mut number = index as u64;
                while !stop.load(Ordering::Relaxed) {
                    number += 1_000;
                    let begun = Instant::now();
                    let state = gateway.take(&quota, number % 5_000, 1).await.states[0].clone();
                    made.push(Made { begun, took: begun.elapsed(), outcome: state.outcome, source: state.source });
                    sleep(Duration::from_millis(1)).await;
                }
                made
            }));
        }
        Self { stop, workers, stalls: Stalls::watch() }
    }

    async fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for worker in self.workers {
            all.extend(worker.await.unwrap());
        }
        all.sort_by_key(|made| made.begun);
        Record { all, stall: self.stalls.worst() }
    }
}

/// None failed, none took longer than a deadline, few took nearly as long, and Redis decides at the end as it did at
/// the beginning.
fn check(what: &str, record: &Record, at_most_late: usize) {
    let Record { all, stall } = record;
    let longest = all.iter().map(|made| made.took).max().unwrap();
    let late = all.iter().filter(|made| made.took >= DEADLINE).count();
    let alone = all.iter().filter(|made| made.source == Source::Fallback).count();
    eprintln!(
        "{what}: {} decisions, {alone} without Redis, {late} after a deadline, longest {longest:?}, stalls of {stall:?}",
        all.len()
    );
    assert!(all.iter().all(|made| made.outcome == Outcome::Allowed), "{what}");
    assert!(longest <= DEADLINE + SLACK + *stall, "{what}: {longest:?}");
    assert!(late <= at_most_late, "{what}: {late} late");
    assert!(alone > 0, "{what}: Redis was away");
    let (first, last) = (&all[..20], &all[all.len() - 20..]);
    for made in first.iter().chain(last) {
        assert_eq!(made.source, Source::Redis, "{what}");
    }
}

async fn gateways(settings: &str) -> Vec<Arc<Gateway>> {
    Gateway::several_with(DEADLINE, 2, settings).await.into_iter().map(Arc::new).collect()
}

async fn back(gateways: &[Arc<Gateway>]) {
    // Time to notice that it was away.
    sleep(Duration::from_millis(500)).await;
    eventually("Redis is used again", || gateways.iter().all(|gateway| gateway.redis.usable())).await;
    sleep(Duration::from_millis(500)).await;
}

fn generous() -> Arc<Quota> {
    quota("generous", "limit = 1000000\nper = \"1s\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_and_started_again() {
    let mut server = Server::start();
    let gateways = gateways(&server.settings()).await;
    let load = Load::start(&gateways, &generous());
    sleep(Duration::from_millis(500)).await;
    server.kill();
    sleep(Duration::from_secs(1)).await;
    // With nothing in it: no script either (NOSCRIPT).
    server.restart();
    back(&gateways).await;
    check("killed", &load.stop().await, 4 * WORKERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn frozen() {
    let server = Server::start();
    let gateways = gateways(&server.settings()).await;
    let load = Load::start(&gateways, &generous());
    sleep(Duration::from_millis(500)).await;
    server.freeze();
    sleep(Duration::from_millis(1_500)).await;
    server.thaw();
    back(&gateways).await;
    // Each worker may be under way once when it freezes; a busy machine makes a few more late.
    check("frozen", &load.stop().await, 6 * WORKERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn restarted_at_once() {
    let mut server = Server::start();
    let gateways = gateways(&server.settings()).await;
    let load = Load::start(&gateways, &generous());
    sleep(Duration::from_millis(500)).await;
    server.restart();
    back(&gateways).await;
    check("restarted", &load.stop().await, 4 * WORKERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn failed_over_by_sentinels() {
    let mut sentinel = Sentinel::start(1);
    let gateways = gateways(&sentinel.settings()).await;
    let load = Load::start(&gateways, &generous());
    sleep(Duration::from_millis(500)).await;
    sentinel.kill_master();
    back(&gateways).await;
    check("failed over", &load.stop().await, 8 * WORKERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_were_flushed_are_loaded_again() {
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let quota = quota("q", "limit = 1\nper = \"1h\"\nburst = 10");
    for round in 0..4 {
        let settled = gateway.take(&quota, 1, 1).await;
        assert_eq!((settled.states[0].source, settled.states[0].remaining), (Source::Redis, 9 - round));
        server.command(&["SCRIPT", "FLUSH"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_quota_does_what_it_says() {
    let mut server = Server::start();
    let gateways = Gateway::several_with(DEADLINE, 2, &server.settings()).await;
    let of =
        |name: &str, failure: &str| quota(name, &format!("limit = 5\nper = \"1h\"\non_store_failure = \"{failure}\""));
    let (local, allow, deny) = (of("local", "local"), of("allow", "allow"), of("deny", "deny"));
    let shadow = quota("shadow", "limit = 5\nper = \"1h\"\non_store_failure = \"deny\"\nmode = \"shadow\"");
    server.kill();
    eventually("Redis is down", || gateways.iter().all(|gateway| !gateway.redis.usable())).await;
    for gateway in &gateways {
        let begun = Instant::now();
        for round in 0..20 {
            let own = gateway.take(&local, 1, 1).await.states[0].clone();
            // Half of five, rounded up.
            assert_eq!((own.limit, own.source), (3, Source::Fallback));
            assert_eq!(own.outcome == Outcome::Allowed, round < 3, "{round}");
            assert!(is_allowed(&gateway.take(&allow, 1, 1).await));
            let denied = gateway.take(&deny, 1, 1).await;
            let refusal = denied.refused().unwrap();
            assert_eq!((refusal.outcome, refusal.retry_after_s), (Outcome::Unavailable, 1));
            assert_eq!(gateway.take(&shadow, 1, 1).await.states[0].outcome, Outcome::WouldRefuse);
        }
        assert!(begun.elapsed() < DEADLINE, "80 decisions without Redis: {:?}", begun.elapsed());
    }
    // Whoever is refused by one quota is not charged by the other.
    let demand = [&local, &deny].map(|quota| crate::oracle::charge(quota, 2, 1));
    for _ in 0..5 {
        assert!(!is_allowed(&gateways[0].take_all(&demand).await));
    }
    assert_eq!(gateways[0].take(&local, 2, 1).await.states[0].remaining, 2);
    server.restart();
    let begun = Instant::now();
    while gateways[0].take(&local, 3, 1).await.states[0].source != Source::Redis {
        assert!(begun.elapsed() < RECOVERY);
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_spent_his_share_gains_nothing_when_redis_goes_away() {
    let mut server = Server::start();
    let gateways = Gateway::several_with(DEADLINE, 2, &server.settings()).await;
    let rules = [
        "limit = 5\nper = \"1h\"",
        "algorithm = \"sliding_log\"\nlimit = 5\nper = \"1h\"",
        "algorithm = \"window\"\nlimit = 5\nper = \"month\"",
        "algorithm = \"window\"\nlimit = 5\nper = \"month\"\ncount_cache_hits = false",
    ];
    let quotas: Vec<_> = rules.iter().enumerate().map(|(index, rule)| quota(&format!("q{index}"), rule)).collect();
    for quota in &quotas {
        for attempt in 0..5 {
            // Three by the first gateway, two by the second.
            let settled = gateways[attempt % 2].take(quota, 1, 1).await;
            assert!(is_allowed(&settled));
        }
        assert!(!is_allowed(&gateways[0].take(quota, 1, 1).await));
    }
    // What cost nothing in the end is not held against anybody.
    let free = gateways[0].take(&quotas[3], 2, 1).await;
    let hit = Actual { cache_hit: true, ..Actual::default() };
    gateways[0].limits.settle(free.reservation.unwrap(), &hit, crate::now());
    server.kill();
    eventually("Redis is down", || gateways.iter().all(|gateway| !gateway.redis.usable())).await;
    for quota in &quotas {
        let first = gateways[0].take(quota, 1, 1).await.states[0].clone();
        assert_eq!((first.outcome, first.source, first.limit), (Outcome::Refused, Source::Fallback, 3));
        // Half of five, rounded up: one is left of the other's three.
        assert!(is_allowed(&gateways[1].take(quota, 1, 1).await));
        assert!(!is_allowed(&gateways[1].take(quota, 1, 1).await));
    }
    assert_eq!(gateways[0].take(&quotas[3], 2, 1).await.states[0].remaining, 2);
}
