//! Four gateways on one quota: never more than the limit is admitted, and hardly ever less.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rampart_limits::{Outcome, Quota, Source};
use rampart_store::testing::Redis as Server;

use crate::oracle::{charge, quota};
use crate::{Gateway, is_allowed};

const GATEWAYS: u32 = 4;
const WORKERS: usize = 4;

/// Every worker of every gateway asks until it was refused `refusals` times in a row. Units admitted.
async fn exhaust(gateways: Vec<Gateway>, quota: &Arc<Quota>, cost: u64, refusals: u32) -> (u64, Vec<Gateway>) {
    let admitted = Arc::new(AtomicU64::new(0));
    let gateways: Vec<Arc<Gateway>> = gateways.into_iter().map(Arc::new).collect();
    let mut workers = Vec::new();
    for gateway in gateways.iter().flat_map(|gateway| std::iter::repeat_n(gateway, WORKERS)) {
        let (gateway, quota, admitted) = (Arc::clone(gateway), Arc::clone(quota), Arc::clone(&admitted));
        workers.push(tokio::spawn(async move {
            let mut refused = 0;
            while refused < refusals {
                let settled = gateway.take(&quota, 1, cost).await;
                assert_eq!(settled.states[0].source, Source::Redis);
                if is_allowed(&settled) {
                    admitted.fetch_add(cost, Ordering::Relaxed);
                    refused = 0;
                } else {
                    assert!(settled.states[0].retry_after_s >= 1);
                    refused += 1;
                }
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let gateways = gateways.into_iter().map(|gateway| Arc::into_inner(gateway).unwrap()).collect();
    (admitted.load(Ordering::Relaxed), gateways)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_does_not_come_back_is_given_out_exactly_once() {
    let server = Server::start();
    let mut gateways = Gateway::several(GATEWAYS, &server.settings()).await;
    // (quota, cost, units that can be had): a cost that does not divide the limit leaves the rest.
    let cases = [
        ("algorithm = \"sliding_log\"\nlimit = 2000\nper = \"1h\"", 1, 2_000),
        ("algorithm = \"sliding_log\"\nlimit = 1000\nper = \"1h\"", 3, 999),
        ("algorithm = \"window\"\nlimit = 2000\nper = \"200d\"", 1, 2_000),
        ("algorithm = \"window\"\nlimit = 2000\nper = \"month\"", 7, 1_995),
        ("limit = 1\nper = \"4h\"\nburst = 2000", 1, 2_000),
        ("limit = 3\nper = \"12h\"\nburst = 1999", 2, 1_998),
    ];
    for (index, (text, cost, expect)) in cases.into_iter().enumerate() {
        let quota = quota(&format!("q{index}"), text);
        let (admitted, back) = exhaust(gateways, &quota, cost, 20).await;
        assert_eq!(admitted, expect, "{text}");
        gateways = back;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rate_is_kept_to_a_hundredth() {
    const RATE: f64 = 700.0;
    const BURST: f64 = 900.0;
    let server = Server::start();
    let gateways = Gateway::several(GATEWAYS, &server.settings()).await;
    let quota = quota("rate", "limit = 700\nper = \"1s\"\nburst = 900");
    let (admitted, refused_at) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let micros = move || u64::try_from(begun.elapsed().as_micros()).unwrap();
    let mut workers = Vec::new();
    let gateways: Vec<_> = gateways.into_iter().map(Arc::new).collect();
    for gateway in gateways.iter().flat_map(|gateway| std::iter::repeat_n(gateway, WORKERS)) {
        let (gateway, quota) = (Arc::clone(gateway), Arc::clone(&quota));
        let (admitted, refused_at) = (Arc::clone(&admitted), Arc::clone(&refused_at));
        workers.push(tokio::spawn(async move {
            while begun.elapsed() < Duration::from_secs(4) {
                let asked_at = micros();
                if is_allowed(&gateway.take(&quota, 1, 1).await) {
                    admitted.fetch_add(1, Ordering::Relaxed);
                } else {
                    refused_at.fetch_max(asked_at, Ordering::Relaxed);
                }
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let [admitted, refused_at] = [admitted, refused_at].map(|number| number.load(Ordering::Relaxed) as f64);
    let most = BURST + RATE * begun.elapsed().as_secs_f64();
    // Whoever is refused finds the bucket empty: all that drained until then was given out.
    let least = BURST + RATE * (refused_at / 1e6 - 0.1);
    eprintln!("{admitted} admitted, from {least:.0} to {most:.0}");
    assert!(admitted <= most + 1.0, "{admitted} > {most}");
    assert!(admitted >= 0.99 * least, "{admitted} < {least}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_are_in_flight_than_may_be() {
    const MOST: i64 = 20;
    let server = Server::start();
    let gateways = Gateway::several(GATEWAYS, &server.settings()).await;
    let quota = quota("flights", "concurrency = 20");
    let (in_flight, highest) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let begun = Instant::now();
    let mut workers = Vec::new();
    let gateways: Vec<_> = gateways.into_iter().map(Arc::new).collect();
    for gateway in gateways.iter().flat_map(|gateway| std::iter::repeat_n(gateway, 12)) {
        let (gateway, quota) = (Arc::clone(gateway), Arc::clone(&quota));
        let (in_flight, highest) = (Arc::clone(&in_flight), Arc::clone(&highest));
        workers.push(tokio::spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < Duration::from_secs(2) {
                let settled = gateway.take(&quota, 1, 1).await;
                if is_allowed(&settled) {
                    highest.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    done += 1;
                } else {
                    assert_eq!(settled.states[0].outcome, Outcome::Refused);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            done
        }));
    }
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap();
    }
    eprintln!("{done} requests, {} at the same time", highest.load(Ordering::SeqCst));
    assert_eq!(highest.load(Ordering::SeqCst), MOST);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_login_in_a_minute_is_refused_wherever_it_comes() {
    let server = Server::start();
    let gateways = Gateway::several(2, &server.settings()).await;
    let auth = quota("auth", "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"");
    for attempt in 0..5 {
        let settled = gateways[attempt % 2].take(&auth, 1, 1).await;
        assert_eq!(settled.states[0].remaining, 4 - attempt as u64);
        assert!(is_allowed(&settled));
    }
    for gateway in &gateways {
        let settled = gateway.take(&auth, 1, 1).await;
        let refused = settled.refused().expect("the sixth");
        assert!((55..=60).contains(&refused.retry_after_s), "{}", refused.retry_after_s);
        assert_eq!((refused.remaining, refused.limit), (0, 5));
        assert!(is_allowed(&gateway.take(&auth, 2, 1).await), "somebody else's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_charged_or_none() {
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let narrow = quota("narrow", "algorithm = \"window\"\nlimit = 3\nper = \"200d\"");
    let wide = quota("wide", "limit = 1\nper = \"8h\"\nburst = 100");
    let log = quota("log", "algorithm = \"sliding_log\"\nlimit = 100\nper = \"1d\"");
    let flights = quota("flights", "concurrency = 100");
    let own = quota("own", "limit = 1\nper = \"8h\"\nburst = 100\nscope = \"instance\"");
    let shadow = quota("shadow", "limit = 1\nper = \"8h\"\nburst = 2\nmode = \"shadow\"");
    let all = [&wide, &log, &narrow, &flights, &own, &shadow].map(|quota| charge(quota, 7, 1));
    let mut kept = Vec::new();
    for round in 0..8 {
        let settled = gateway.take_all(&all).await;
        assert_eq!(is_allowed(&settled), round < 3, "{round}");
        let outcomes: Vec<_> = settled.states.iter().map(|state| state.outcome).collect();
        let shadow = if round < 2 { Outcome::Allowed } else { Outcome::WouldRefuse };
        let narrow = if round < 3 { Outcome::Allowed } else { Outcome::Refused };
        let allowed = Outcome::Allowed;
        assert_eq!(outcomes, [allowed, allowed, narrow, allowed, allowed, shadow], "{round}");
        kept.extend(settled.reservation);
    }
    for (quota, expect) in [(&wide, 97), (&log, 97), (&narrow, 0), (&flights, 97)] {
        let state = gateway.limits.peek_shared(quota, crate::oracle::key(7)).await.unwrap();
        assert_eq!(state.remaining, expect, "{}", quota.name);
    }
    assert_eq!(gateway.limits.peek(&own, crate::oracle::key(7), crate::now()).remaining, 97);
}

/// A request that names a quota twice is charged twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_named_twice_is_charged_twice() {
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let rules = [
        "limit = 1\nper = \"1h\"\nburst = 9",
        "algorithm = \"sliding_log\"\nlimit = 9\nper = \"1h\"",
        "algorithm = \"window\"\nlimit = 9\nper = \"month\"",
        "concurrency = 9",
    ];
    for (index, rule) in rules.into_iter().enumerate() {
        let quota = quota(&format!("q{index}"), rule);
        let demand = [charge(&quota, 1, 1), charge(&quota, 1, 1)];
        let mut kept = Vec::new();
        for round in 0..6_u64 {
            let settled = gateway.take_all(&demand).await;
            assert_eq!(is_allowed(&settled), round < 4, "{rule}: {round}");
            assert_eq!(settled.states[1].remaining, if round < 4 { 7 - 2 * round } else { 1 }, "{rule}: {round}");
            kept.push(settled);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_costs_one_round_trip() {
    const REQUESTS: u64 = 500;
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let quotas = [
        quota("a", "limit = 1000\nper = \"60s\""),
        quota("b", "algorithm = \"sliding_log\"\nlimit = 1000\nper = \"60s\""),
        quota("c", "algorithm = \"window\"\nlimit = 100000\nper = \"day\""),
        quota("d", "limit = 1000\nper = \"1s\"\nkey = \"route\""),
    ];
    let calls = || {
        let info = server.command(&["INFO", "commandstats"]);
        let text = String::from_utf8_lossy(info.bytes().unwrap()).into_owned();
        let line = text.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default().to_owned();
        line.split(&['=', ','][..]).nth(1).map_or(0, |number| number.parse::<u64>().unwrap())
    };
    gateway.take(&quotas[0], 0, 1).await;
    let (before, begun) = (calls(), Instant::now());
    for number in 0..REQUESTS {
        let demand: Vec<_> = quotas.iter().map(|quota| charge(quota, number, 1)).collect();
        assert!(is_allowed(&gateway.take_all(&demand).await));
    }
    let (made, took) = (calls() - before, begun.elapsed());
    // Beside the requests: one heartbeat a second and the directory of bans every 400 ms.
    let beside = 4 * (took.as_secs() + 2);
    eprintln!("{REQUESTS} requests of four quotas, {made} scripts, {took:?}");
    assert!((REQUESTS..=REQUESTS + beside).contains(&made), "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_gone_from_redis_when_they_matter_no_more() {
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let cases = [
        "limit = 10\nper = \"300ms\"",
        "algorithm = \"sliding_log\"\nlimit = 10\nper = \"300ms\"",
        "algorithm = \"window\"\nlimit = 10\nper = \"300ms\"",
    ];
    for (index, text) in cases.into_iter().enumerate() {
        let quota = quota(&format!("short{index}"), text);
        for number in 0..50 {
            gateway.take(&quota, number, 3).await;
        }
    }
    let keys = || server.command(&["KEYS", "rampart:quota:*"]).list().len();
    assert!(keys() > 0);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(keys(), 0);
}
