//! The memory for keys: its bound, what gives way, and what a new key gets when nothing does.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is wrong may end at once"
)]

mod oracle;

use std::sync::Arc;

use oracle::{Numbers, START, charge, key, quota};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rampart_limits::{Limits, LimitsConfig, Metrics, Micros, Outcome, Quota, QuotaState};

const MEMORY: usize = 1 << 20;

struct Gateway {
    limits: Limits,
    registry: Registry,
}

impl Gateway {
    fn new(quotas: &[Arc<Quota>]) -> Self {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let limits = Limits::new(&LimitsConfig { memory_bytes: MEMORY }, metrics);
        limits.reconcile(quotas, &[]);
        Self { limits, registry }
    }

    fn take(&self, quota: &Arc<Quota>, number: u64, now: u64) -> QuotaState {
        let settled = self.limits.take(&[charge(quota, number, 1)], Micros(now));
        if number.is_multiple_of(64) {
            assert!(self.limits.occupancy().bytes <= MEMORY, "the bound");
        }
        settled.states[0].clone()
    }

    /// The value of the metric whose line begins like this.
    fn metric(&self, begin: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(begin));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("{begin} in {text}"))
    }
}

#[test]
fn a_flood_evicts_idle_keys_and_takes_no_more_than_the_bound() {
    const REQUESTS: u64 = 100_000;
    for toml in [
        "limit = 100\nper = \"60s\"",
        "algorithm = \"sliding_log\"\nlimit = 5\nper = \"600ms\"",
        "algorithm = \"window\"\nlimit = 5\nper = \"600ms\"",
    ] {
        let quota = quota("q", toml);
        let gateway = Gateway::new(std::slice::from_ref(&quota));
        // 20,000 requests in a second: 12,000 keys are live at any time, of 100,000 that come.
        for number in 0..REQUESTS {
            let state = gateway.take(&quota, number, START + number * 50);
            assert_eq!(state.outcome, Outcome::Allowed, "{toml}: {number}");
        }
        assert!(gateway.metric("rampart_quota_evictions_total ") > 75_000);
        let keys = gateway.limits.occupancy().keys as u64;
        assert_eq!(gateway.metric("rampart_quota_keys "), keys);
        assert_eq!(gateway.metric("rampart_quota_keys_bytes "), gateway.limits.occupancy().bytes as u64);
        assert!(
            gateway.metric(
                "rampart_quota_decisions_total{quota=\"q\",mode=\"enforce\",outcome=\"allowed\",source=\"local\"} "
            ) == REQUESTS
        );
    }
}

#[test]
fn decisions_are_counted_by_route() {
    let quota = quota("q", "limit = 2\nper = \"60s\"");
    let gateway = Gateway::new(std::slice::from_ref(&quota));
    for _ in 0..5 {
        let settled = gateway.limits.take(&[charge(&quota, 1, 1)], Micros(START));
        gateway.limits.count_route(&Arc::from("login"), &settled);
    }
    let of = |outcome: &str| {
        let labels = format!("{{quota=\"q\",route=\"login\",mode=\"enforce\",outcome=\"{outcome}\"}} ");
        gateway.metric(&format!("rampart_quota_route_decisions_total{labels}"))
    };
    assert_eq!([of("allowed"), of("refused")], [2, 3]);
}

#[test]
fn live_keys_are_never_forgotten_whatever_comes() {
    const HONEST: u64 = 500;
    for toml in [
        "limit = 5\nper = \"1h\"",
        "algorithm = \"sliding_log\"\nlimit = 5\nper = \"1h\"",
        "algorithm = \"window\"\nlimit = 5\nper = \"day\"",
    ] {
        let quota = quota("q", toml);
        let gateway = Gateway::new(std::slice::from_ref(&quota));
        for number in 0..HONEST {
            for _ in 0..3 {
                assert_eq!(gateway.take(&quota, number, START).outcome, Outcome::Allowed);
            }
        }
        for number in HONEST..100_000 {
            gateway.take(&quota, number, START + number);
        }
        // What was taken is still taken: two more, and not a third.
        for number in 0..HONEST {
            let outcomes = [(); 3].map(|()| gateway.take(&quota, number, START + 100_000).outcome);
            assert_eq!(outcomes, [Outcome::Allowed, Outcome::Allowed, Outcome::Refused], "{toml}");
        }
    }
}

#[test]
fn keys_that_find_no_room_are_refused_or_share_a_bucket() {
    for (at_bound, expect) in [("deny", Outcome::AtBound), ("shared", Outcome::Refused)] {
        let toml = format!("algorithm = \"window\"\nlimit = 50\nper = \"day\"\nat_bound = \"{at_bound}\"");
        let quota = quota("q", &toml);
        let gateway = Gateway::new(std::slice::from_ref(&quota));
        let mut admitted = 0;
        for number in 0..60_000 {
            admitted += u64::from(gateway.take(&quota, number, START).outcome == Outcome::Allowed);
        }
        let keys = gateway.limits.occupancy().keys as u64;
        // Those that have an entry of their own, and 50 in the bucket of the others.
        let shared = if at_bound == "shared" { 50 - 1 } else { 0 };
        assert_eq!(admitted, keys + shared, "{at_bound}");
        assert!(keys > 10_000);
        let refused = gateway.take(&quota, 99_999, START);
        assert_eq!(refused.outcome, expect);
        assert!(refused.retry_after_s >= 1);
        assert_eq!(
            gateway.metric("rampart_quota_at_bound_total{quota=\"q\"} "),
            60_001 - keys + u64::from(at_bound == "shared")
        );
        // The next day each of them has its own again.
        let tomorrow = START + 86_400 * Micros::SECOND;
        for number in 0..1_000 {
            assert_eq!(gateway.take(&quota, 200_000 + number, tomorrow).outcome, Outcome::Allowed);
        }
    }
}

#[test]
fn a_flood_of_one_quota_leaves_sliding_logs_their_moments() {
    let wide = quota("wide", "algorithm = \"window\"\nlimit = 5\nper = \"day\"");
    let login = quota("login", "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"");
    let gateway = Gateway::new(&[Arc::clone(&wide), Arc::clone(&login)]);
    assert_eq!(gateway.take(&login, 1, START).outcome, Outcome::Allowed);
    for number in 0..60_000 {
        gateway.take(&wide, number, START);
    }
    let outcomes: Vec<Outcome> = (0..5).map(|_| gateway.take(&login, 1, START).outcome).collect();
    assert_eq!(outcomes[..4], [Outcome::Allowed; 4]);
    assert_eq!(outcomes[4], Outcome::Refused);
}

#[test]
fn requests_in_flight_are_never_evicted() {
    let flight = quota("flight", "concurrency = 2\nat_bound = \"deny\"");
    let gateway = Gateway::new(std::slice::from_ref(&flight));
    let mut held = Vec::new();
    for number in 0..60_000 {
        held.extend(gateway.limits.take(&[charge(&flight, number, 1)], Micros(START)).reservation);
    }
    assert_eq!(held.len(), gateway.limits.occupancy().keys);
    let later = Micros(START + 1_000_000 * Micros::SECOND);
    assert_eq!(gateway.limits.peek(&flight, key(0), later).remaining, 1);
    drop(held);
    assert_eq!(gateway.limits.occupancy().keys, 0);
    assert_eq!(gateway.metric("rampart_quota_keys "), 0);
}

/// Four threads, few shards' worth of memory, keys that come and go: no wrong total, no dead lock.
#[test]
fn threads_at_the_bound() {
    let one = quota("one", "limit = 3\nper = \"1s\"\nat_bound = \"deny\"");
    let two = quota("two", "algorithm = \"sliding_log\"\nlimit = 2\nper = \"500ms\"");
    let gateway = Gateway::new(&[Arc::clone(&one), Arc::clone(&two)]);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (limits, one, two) = (&gateway.limits, &one, &two);
            scope.spawn(move || {
                let mut numbers = Numbers(thread + 1);
                for index in 0..50_000 {
                    let demand = [charge(one, numbers.below(100_000), 1), charge(two, numbers.below(100_000), 2)];
                    drop(limits.take(&demand, Micros(START + index * 20)));
                }
            });
        }
    });
    let occupancy = gateway.limits.occupancy();
    assert!(occupancy.bytes <= MEMORY);
    assert_eq!(gateway.metric("rampart_quota_keys "), occupancy.keys as u64);
    assert_eq!(gateway.metric("rampart_quota_keys_bytes "), occupancy.bytes as u64);
}
