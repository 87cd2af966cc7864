//! Each algorithm against the slow and obvious way to count.

#![expect(clippy::expect_used, reason = "a test that is wrong may end at once")]

mod oracle;

use std::collections::HashMap;
use std::sync::Arc;

use oracle::{History, Numbers, START, charge, key, quota};
use proptest::prelude::*;
use rampart_limits::{Actual, Limits, LimitsConfig, Metrics, Micros, Outcome, Quota, Settled};

fn limits() -> Limits {
    Limits::new(&LimitsConfig::default(), Metrics::default())
}

/// The quotas that are compared: rates that are whole and that are not, bursts of all kinds, all windows.
const QUOTAS: [&str; 16] = [
    "limit = 5\nper = \"60s\"",
    "limit = 7\nper = \"60s\"",
    "limit = 1\nper = \"1s\"",
    "limit = 1000\nper = \"1s\"\nburst = 3",
    "limit = 3\nper = \"7ms\"\nburst = 10",
    "limit = 999999999989\nper = \"1s\"\nburst = 4",
    "limit = 10\nper = \"10s\"\nburst = 1",
    "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"",
    "algorithm = \"sliding_log\"\nlimit = 1\nper = \"1ms\"",
    "algorithm = \"sliding_log\"\nlimit = 40\nper = \"10s\"",
    "algorithm = \"window\"\nlimit = 5\nper = \"60s\"",
    "algorithm = \"window\"\nlimit = 3\nper = \"7ms\"",
    "algorithm = \"window\"\nlimit = 4\nper = \"hour\"",
    "algorithm = \"window\"\nlimit = 4\nper = \"day\"",
    "algorithm = \"window\"\nlimit = 4\nper = \"month\"",
    "concurrency = 4",
];

/// A step: which key, how much later in a fraction of the quota's own time, what it costs.
fn steps() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let step = (
        0..3_u64,
        prop_oneof![Just(0_u64), 0..40_u64, 0..4_000_u64, (1..5_u64).prop_map(|half| half * 500)],
        prop_oneof![8 => Just(1_u64), 2 => 0..6_u64],
    );
    proptest::collection::vec(step, 1..120)
}

/// A thousandth of the time in which the quota gives its units.
fn grain_us(quota: &Quota) -> u64 {
    (quota.rule.window_s().unwrap_or(1) * 1_000).max(1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn no_decision_differs_from_the_oracle(which in 0..QUOTAS.len(), jitter in prop_oneof![Just(0), 0..1_000_000_000_000_u64], steps in steps()) {
        let quota = quota("q", QUOTAS[which]);
        let limits = limits();
        let mut histories: HashMap<u64, History> = HashMap::new();
        let (mut mark, mut now) = (START + jitter, START + jitter);
        for (index, (number, step, cost)) in steps.into_iter().enumerate() {
            // Some steps end right on a boundary, some a microsecond before it or behind.
            mark += step * grain_us(&quota);
            now = now.max(mark + index as u64 % 3 - 1);
            let settled = limits.take(&[charge(&quota, number, cost)], Micros(now));
            // What is in flight stays in flight here.
            std::mem::forget(settled.reservation);
            let judged = histories.entry(number).or_default().judge(&settled.states[0], cost, now);
            prop_assert!(judged.is_ok(), "{:?}: {}", quota.rule, judged.unwrap_err());
        }
    }

    /// With units added and given back after the fact, the bucket is followed as a level that rises with time.
    #[test]
    fn a_rate_that_is_corrected_follows_the_level(
        limit in 1..2_000_u64, burst in 1..50_u64, period_ms in 1..100_000_u64,
        steps in proptest::collection::vec((0..200_000_u64, 1..8_u64, 0..30_u64), 1..80),
    ) {
        let toml = format!("limit = {limit}\nper = \"{period_ms}ms\"\nburst = {burst}\ncost = \"response_bytes\"");
        let quota = quota("q", &toml);
        let limits = limits();
        let period = i128::from(period_ms) * 1_000;
        let (mut level, mut now) = (i128::from(burst) * period, START);
        for (step, cost, actual) in steps {
            now += step;
            level = (level + i128::from(limit) * i128::from(step)).min(i128::from(burst) * period);
            let settled = limits.take(&[charge(&quota, 1, cost)], Micros(now));
            let expect = level >= i128::from(cost) * period;
            prop_assert_eq!(settled.states[0].outcome == Outcome::Allowed, expect, "{:?} {}", settled, level);
            let Some(reservation) = settled.reservation else { continue };
            level = (level - i128::from(actual) * period).min(i128::from(burst) * period);
            limits.settle(reservation, &Actual { response_bytes: Some(actual), ..Actual::default() }, Micros(now));
            let state = limits.peek(&quota, key(1), Micros(now));
            prop_assert_eq!(i128::from(state.remaining), level.max(0) / period);
        }
    }
}

#[test]
fn the_sixth_login_in_any_minute_is_refused_whenever_it_comes() {
    let quota = quota("auth", "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"");
    let limits = limits();
    let take = |second: u64, micros: u64| {
        let now = Micros(START + second * Micros::SECOND + micros);
        let state = limits.take(&[charge(&quota, 1, 1)], now).states[0].clone();
        (state.outcome, state.remaining, state.reset_s, state.retry_after_s)
    };
    assert_eq!(take(0, 0), (Outcome::Allowed, 4, 60, 0));
    assert_eq!(take(10, 0), (Outcome::Allowed, 3, 50, 0));
    assert_eq!(take(20, 0), (Outcome::Allowed, 2, 40, 0));
    assert_eq!(take(59, 0), (Outcome::Allowed, 1, 1, 0));
    assert_eq!(take(59, 1), (Outcome::Allowed, 0, 1, 0));
    for (second, micros) in [(59, 2), (59, 500_000), (59, 999_999)] {
        assert_eq!(take(second, micros), (Outcome::Refused, 0, 1, 1));
    }
    // The first one is a minute old: one more, and no second one until the next is.
    assert_eq!(take(60, 0), (Outcome::Allowed, 0, 10, 0));
    assert_eq!(take(60, 1), (Outcome::Refused, 0, 10, 10));
    assert_eq!(take(69, 999_999), (Outcome::Refused, 0, 1, 1));
    assert_eq!(take(70, 0), (Outcome::Allowed, 0, 10, 0));
}

#[test]
fn all_quotas_of_a_request_are_charged_or_none() {
    let wide = quota("wide", "limit = 100\nper = \"60s\"");
    let log = quota("log", "algorithm = \"sliding_log\"\nlimit = 50\nper = \"60s\"");
    let narrow = quota("narrow", "algorithm = \"window\"\nlimit = 3\nper = \"60s\"");
    let flight = quota("flight", "concurrency = 10");
    let limits = limits();
    let now = Micros(START);
    for round in 0..10 {
        let demand = [&wide, &log, &flight, &narrow].map(|quota| charge(quota, 1, 1));
        let settled = limits.take(&demand, now);
        let remaining: Vec<u64> = settled.states.iter().map(|state| state.remaining).collect();
        if round < 3 {
            assert!(settled.refused().is_none());
            assert_eq!(remaining, [99 - round, 49 - round, 9 - round, 2 - round]);
            std::mem::forget(settled.reservation);
        } else {
            assert_eq!(settled.refused().map(|state| &*state.quota.name), Some("narrow"));
            assert_eq!(settled.violated().collect::<Vec<_>>(), ["narrow"]);
            assert!(settled.reservation.is_none());
            // What the others had after three.
            assert_eq!(remaining, [97, 47, 7, 0]);
        }
    }
    for (quota, left) in [(&wide, 97), (&log, 47), (&narrow, 0), (&flight, 7)] {
        assert_eq!(limits.peek(quota, key(1), now).remaining, left, "{}", quota.name);
    }
}

#[test]
fn the_same_quota_twice_in_a_demand_is_charged_twice() {
    for toml in QUOTAS {
        let quota = quota("q", toml);
        let most = quota.rule.most_at_once();
        if most > 100 {
            continue;
        }
        let limits = limits();
        let demand = [charge(&quota, 1, most), charge(&quota, 1, 1)];
        let settled = limits.take(&demand, Micros(START));
        assert!(settled.refused().is_some(), "{toml}");
        assert_eq!(limits.peek(&quota, key(1), Micros(START)).remaining, most, "{toml}");
    }
}

#[test]
fn a_quota_in_shadow_mode_counts_and_refuses_nobody() {
    let shadow = quota("shadow", "limit = 2\nper = \"60s\"\nmode = \"shadow\"");
    let wide = quota("wide", "limit = 100\nper = \"60s\"");
    let limits = limits();
    for round in 0..5 {
        let settled = limits.take(&[charge(&shadow, 1, 1), charge(&wide, 1, 1)], Micros(START));
        assert!(settled.refused().is_none());
        let expect = if round < 2 { Outcome::Allowed } else { Outcome::WouldRefuse };
        assert_eq!(settled.states[0].outcome, expect);
        assert_eq!(settled.states[1].remaining, 99 - round);
    }
}

#[test]
fn concurrency_is_freed_by_settling_and_by_dropping() {
    let quota = quota("q", "concurrency = 2");
    let limits = limits();
    let take = || limits.take(&[charge(&quota, 1, 1)], Micros(START));
    let first = take().reservation.expect("one of two");
    let second = take().reservation.expect("two of two");
    let third = take();
    assert_eq!(third.states[0].outcome, Outcome::Refused);
    assert_eq!((third.states[0].retry_after_s, third.states[0].reset_s), (1, 0));
    drop(first);
    let fourth = take().reservation.expect("one was freed");
    assert!(take().reservation.is_none());
    limits.settle(second, &Actual::default(), Micros(START));
    limits.settle(fourth, &Actual::default(), Micros(START));
    assert_eq!(limits.peek(&quota, key(1), Micros(START)).remaining, 2);
    assert_eq!(limits.occupancy().keys, 0, "nothing in flight, nothing in memory");
}

#[test]
fn a_cache_hit_may_cost_nothing() {
    for toml in [
        "limit = 3\nper = \"60s\"",
        "algorithm = \"sliding_log\"\nlimit = 3\nper = \"60s\"",
        "algorithm = \"window\"\nlimit = 3\nper = \"60s\"",
    ] {
        let free = quota("free", &format!("{toml}\ncount_cache_hits = false"));
        let limits = limits();
        let now = Micros(START);
        for _ in 0..10 {
            let one = limits.take(&[charge(&free, 1, 1)], now).reservation.expect("allowed");
            let two = limits.take(&[charge(&free, 1, 1)], now).reservation.expect("allowed");
            for hit in [one, two] {
                limits.settle(hit, &Actual { cache_hit: true, ..Actual::default() }, now);
            }
        }
        assert_eq!(limits.peek(&free, key(1), now).remaining, 3, "{toml}");
        let miss = limits.take(&[charge(&free, 1, 1)], now).reservation.expect("allowed");
        limits.settle(miss, &Actual::default(), now);
        assert_eq!(limits.peek(&free, key(1), now).remaining, 2, "{toml}");
        let counted = quota("counted", toml);
        assert!(limits.take(&[charge(&counted, 1, 1)], now).reservation.is_none(), "nothing can change any more");
    }
}

#[test]
fn tokens_are_reserved_and_settled_and_debt_is_paid_back() {
    let quota = quota("q", "limit = 100\nper = \"100s\"\ncost = \"llm_tokens\"\nreserve = 10");
    let limits = limits();
    let answer = |settled: Settled, tokens, now| {
        let actual = Actual { llm_tokens: tokens, ..Actual::default() };
        limits.settle(settled.reservation.expect("allowed"), &actual, now);
    };
    let left = |now| limits.peek(&quota, key(1), now).remaining;
    let at = |second: u64| Micros(START + second * Micros::SECOND);
    answer(limits.take(&[charge(&quota, 1, 10)], at(0)), Some(40), at(0));
    assert_eq!(left(at(0)), 60);
    answer(limits.take(&[charge(&quota, 1, 10)], at(0)), None, at(0));
    assert_eq!(left(at(0)), 50, "unknown: the reserve stays");
    answer(limits.take(&[charge(&quota, 1, 10)], at(0)), Some(150), at(0));
    assert_eq!(left(at(0)), 0);
    // 100 owed beyond nothing: the next 10 fit after 110 s.
    let refused = limits.take(&[charge(&quota, 1, 10)], at(0));
    assert_eq!(refused.states[0].retry_after_s, 110);
    assert_eq!(limits.take(&[charge(&quota, 1, 10)], at(109)).states[0].outcome, Outcome::Refused);
    assert_eq!(limits.take(&[charge(&quota, 1, 10)], at(110)).states[0].outcome, Outcome::Allowed);
}

#[test]
fn a_reload_keeps_the_counts_of_quotas_that_did_not_change() {
    let before = quota("q", "limit = 5\nper = \"60s\"");
    let same = quota("q", "limit = 5\nper = \"1m\"\nmode = \"enforce\"");
    let changed = quota("q", "limit = 6\nper = \"60s\"");
    let renamed = quota("r", "limit = 5\nper = \"60s\"");
    let limits = limits();
    limits.reconcile(&[Arc::clone(&before)], &[]);
    limits.take(&[charge(&before, 1, 3)], Micros(START));
    limits.reconcile(&[Arc::clone(&same), Arc::clone(&renamed)], &[]);
    let left = |quota| limits.peek(quota, key(1), Micros(START)).remaining;
    assert_eq!([left(&same), left(&changed), left(&renamed)], [2, 6, 5]);
}

#[test]
fn threads_together_get_the_limit_and_no_more() {
    const THREADS: u64 = 4;
    const REQUESTS: u64 = 20_000;
    for toml in [
        "limit = 5000\nper = \"366d\"",
        "algorithm = \"sliding_log\"\nlimit = 5000\nper = \"60s\"",
        "algorithm = \"window\"\nlimit = 5000\nper = \"day\"",
        "concurrency = 5000",
    ] {
        let [one, two] = ["one", "two"].map(|name| quota(name, toml));
        let limits = limits();
        let admitted: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (limits, one, two) = (&limits, &one, &two);
                    scope.spawn(move || {
                        let mut numbers = Numbers(thread + 1);
                        let mut admitted = 0;
                        for index in 0..REQUESTS {
                            let now = Micros(START + index);
                            let other = charge(two, numbers.below(50), 1);
                            let demand = [charge(one, 7, 1), other];
                            let settled = limits.take(&demand, now);
                            admitted += u64::from(settled.refused().is_none());
                            std::mem::forget(settled.reservation);
                        }
                        admitted
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(admitted, 5_000, "{toml}");
        let now = Micros(START + REQUESTS);
        let others: u64 = (0..50).map(|number| 5_000 - limits.peek(&two, key(number), now).remaining).sum();
        assert_eq!(others, 5_000, "{toml}: the second quota was charged with the first, each time");
    }
}
