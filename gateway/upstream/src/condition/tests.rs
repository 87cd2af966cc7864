//! What endpoints get, by what they did: through the pool, as the proxy does it, on made-up time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rampart_settings::{Document, Place, Report, Source, read};

use crate::lease::{EndpointId, Lease};
use crate::metrics::{Failure, Metrics};
use crate::pool::{NoEndpoint, Pool, Resolved};
use crate::raw::RawUpstream;
use crate::resilience::{Cause, Resilience};
use crate::shedding::Admit;
use crate::state::{BreakerState, Force, ProbedHealth, RequestBody};
use crate::upstream::Upstream;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

const ONE: &str = "addresses = [\"127.0.0.1:1\"]";
const THREE: &str = "addresses = [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\"]";

fn upstream(toml: &str) -> Upstream {
    let report = Report::new();
    let document = Document::parse(Source::new("test", toml), &report).expect("valid TOML");
    let raw: RawUpstream = read(&document, &report).expect("valid keys");
    let upstream = Upstream::compile("agents", &raw, &Place::nowhere("test", &report)).expect("an address");
    assert!(report.is_ok(), "{:?}", report.into_sorted());
    upstream
}

struct Bench {
    pool: Pool,
    metrics: Metrics,
    now: Instant,
}

impl Bench {
    fn new(toml: &str) -> Self {
        let metrics = Metrics::default();
        let pool = Pool::new(&upstream(toml), &Resolved::default(), &metrics);
        Self { pool, metrics, now: Instant::now() }
    }

    fn reload(&self, toml: &str) {
        self.pool.reconcile(&upstream(toml), &Resolved::default());
    }

    fn after(&mut self, duration: Duration) {
        self.now += duration;
    }

    fn pick(&self) -> Result<Lease, NoEndpoint> {
        self.pool.pick(|| 7, &[], RequestBody::InHand, self.now)
    }

    /// One request, answered with `status`, or failing where that is 0. The port it went to.
    fn request(&self, status: impl Fn(u16) -> u16) -> Result<u16, NoEndpoint> {
        let lease = self.pick()?;
        let port = lease.endpoint().socket().port();
        match status(port) {
            0 => lease.failed(Failure::Connect, self.now),
            status => lease.responded(status, MS, self.now),
        }
        Ok(port)
    }

    /// How many of `times` requests went to each port.
    fn spread(&self, times: usize, status: impl Fn(u16) -> u16) -> HashMap<u16, usize> {
        let mut counts = HashMap::new();
        for _ in 0..times {
            *counts.entry(self.request(&status).unwrap()).or_default() += 1;
        }
        counts
    }

    fn port(&self, port: u16) -> crate::state::EndpointState {
        let state = self.pool.states(self.now).into_iter().find(|state| state.socket.port() == port);
        state.expect("the endpoint")
    }

    fn probe(&self, port: u16, good: bool) {
        let plan = self.pool.probe_plan().expect("a health check");
        let endpoint = plan.endpoints.iter().find(|endpoint| endpoint.socket().port() == port).unwrap();
        endpoint.probed(good, self.now);
    }

    #[track_caller]
    fn counts(&self, line: &str) {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
}

fn good(_: u16) -> u16 {
    200
}

#[test]
fn a_dead_endpoint_is_left_alone_within_a_few_requests() {
    let bench = Bench::new(THREE);
    let dead = |port| if port == 2 { 0 } else { 200 };
    let counts = bench.spread(3_000, dead);
    assert_eq!(counts[&2], 3, "as many as consecutive_gateway says");
    // What was its share is shared by the others alike.
    assert!(counts[&1].abs_diff(counts[&3]) < 150, "{counts:?}");
    assert!(bench.port(2).ejected_for == Some(30 * SECOND) && !bench.port(2).usable);
    bench.counts(r#"rampart_upstream_ejected{upstream="agents",address="127.0.0.1:2"} 1"#);
    bench.counts(
        r#"rampart_upstream_ejections_total{upstream="agents",address="127.0.0.1:2",reason="consecutive_gateway"} 1"#,
    );
}

#[test]
fn an_endpoint_returns_when_its_time_is_over() {
    let mut bench = Bench::new(THREE);
    bench.spread(30, |port| if port == 2 { 500 } else { 200 });
    assert!(!bench.port(2).usable);
    bench.after(29_999 * MS);
    assert_eq!(bench.spread(300, good).get(&2), None);
    bench.after(MS);
    assert_eq!(bench.spread(300, good)[&2], 100);
    bench.counts(r#"rampart_upstream_ejected{upstream="agents",address="127.0.0.1:2"} 0"#);
}

#[test]
fn time_alone_shows_in_the_metrics_after_a_refresh() {
    let mut bench = Bench::new(THREE);
    bench.spread(30, |port| if port == 2 { 503 } else { 200 });
    bench.after(30 * SECOND);
    bench.pool.refresh(bench.now);
    bench.counts(r#"rampart_upstream_ejected{upstream="agents",address="127.0.0.1:2"} 0"#);
}

#[test]
fn what_all_do_alike_takes_out_no_more_than_may_be() {
    let bench = Bench::new(&format!("{THREE}\nbreaker = {{ enabled = false }}"));
    bench.spread(300, |_| 500);
    let out = bench.pool.states(bench.now).iter().filter(|state| state.ejected_for.is_some()).count();
    assert_eq!(out, 1, "half of three, rounded down");
    let single = Bench::new(&format!("{ONE}\nbreaker = {{ enabled = false }}"));
    single.spread(300, |_| 0);
    assert!(single.port(1).usable);
    single.counts(r#"rampart_upstream_ejections_withheld_total{upstream="agents",address="127.0.0.1:1"} 0"#);
}

#[test]
fn in_need_those_that_stand_out_are_better_than_none() {
    let bench = Bench::new(&format!("{THREE}\nhealth = {{ path = \"/health\", unhealthy_after = 1 }}"));
    bench.spread(30, |port| if port == 2 { 503 } else { 200 });
    bench.probe(1, false);
    bench.probe(3, false);
    assert_eq!(bench.spread(10, good)[&2], 10);
    bench.probe(2, false);
    assert_eq!(bench.pick().unwrap_err(), NoEndpoint::Unhealthy, "what is asked and does not answer is final");
    bench.probe(3, true);
    bench.probe(3, true);
    assert_eq!(bench.spread(10, good)[&3], 10);
}

#[test]
fn an_open_breaker_fails_fast_and_one_request_probes_it() {
    let mut bench = Bench::new(ONE);
    for _ in 0..5 {
        assert_eq!(bench.request(|_| 503), Ok(1));
    }
    assert_eq!(bench.request(good), Err(NoEndpoint::BreakerOpen));
    assert_eq!((bench.port(1).breaker, bench.port(1).open_for), (BreakerState::Open, Some(5 * SECOND)));
    bench.after(2_500 * MS);
    assert_eq!(bench.pool.retry_after_s(bench.now), 3);
    bench.counts(r#"rampart_upstream_breakers{upstream="agents",address="127.0.0.1:1",state="open"} 1"#);
    bench.counts(r#"rampart_upstream_breaker_opened_total{upstream="agents",address="127.0.0.1:1"} 1"#);
    bench.counts(r#"rampart_upstream_no_endpoint_total{upstream="agents",reason="breaker_open"} 1"#);
    bench.after(2_500 * MS);
    let probe = bench.pick().unwrap();
    assert_eq!(bench.pick().unwrap_err(), NoEndpoint::BreakerOpen);
    assert_eq!(bench.port(1).breaker, BreakerState::HalfOpen);
    probe.responded(200, MS, bench.now);
    assert_eq!(bench.port(1).breaker, BreakerState::Closed);
    assert!(bench.pick().is_ok());
    bench.counts(r#"rampart_upstream_breakers{upstream="agents",address="127.0.0.1:1",state="open"} 0"#);
    bench.counts(r#"rampart_upstream_breakers{upstream="agents",address="127.0.0.1:1",state="closed"} 1"#);
}

#[test]
fn a_probe_whose_client_leaves_makes_room() {
    let mut bench = Bench::new(ONE);
    for _ in 0..5 {
        bench.request(|_| 0).unwrap();
    }
    bench.after(5 * SECOND);
    bench.pick().unwrap().abandoned();
    let probe = bench.pick().unwrap();
    assert!(bench.pick().is_err());
    probe.failed(Failure::ReadTimeout, bench.now);
    assert_eq!(bench.port(1).open_for, Some(10 * SECOND));
}

#[test]
fn what_a_client_that_owes_bytes_brings_about_is_no_verdict() {
    let mut bench = Bench::new(THREE);
    for turn in 0..300 {
        let lease = bench.pick().unwrap();
        lease.excuse();
        match turn % 3 {
            0 => lease.failed(Failure::ReadTimeout, bench.now),
            1 => lease.responded(504, MS, bench.now),
            _ => {
                lease.responded(200, MS, bench.now);
                lease.failed(Failure::Closed, bench.now);
            }
        }
    }
    assert!(bench.pool.states(bench.now).iter().all(|state| state.usable && state.breaker == BreakerState::Closed));
    bench.counts(r#"rampart_upstream_ejections_withheld_total{upstream="agents",address="127.0.0.1:1"} 0"#);
    // A streak is neither made longer nor ended by what is none.
    let bench_of_one = Bench::new(ONE);
    for turn in 0..5 {
        assert_eq!(bench_of_one.port(1).breaker, BreakerState::Closed, "{turn}");
        bench_of_one.request(|_| 0).unwrap();
        if let Ok(lease) = bench_of_one.pick() {
            lease.excuse();
            lease.responded(200, MS, bench_of_one.now);
        }
    }
    assert_eq!(bench_of_one.port(1).breaker, BreakerState::Open);
    bench = bench_of_one;
    bench.after(5 * SECOND);
    let to_come = |bench: &Bench| bench.pool.pick(|| 7, &[], RequestBody::ToCome, bench.now);
    assert_eq!(to_come(&bench).unwrap_err(), NoEndpoint::BreakerOpen);
    let probe = bench.pick().expect("a request that is whole may probe");
    probe.excuse();
    assert!(bench.pick().is_ok(), "an excused probe makes room");
    bench.after(5 * SECOND);
    let upload = to_come(&bench).expect("nobody else came");
    bench.pick().expect("an upload keeps nobody away").responded(200, MS, bench.now);
    assert_eq!(bench.port(1).breaker, BreakerState::Closed);
    drop((upload, probe));
    assert!(to_come(&bench).is_ok());
}

#[test]
fn a_flood_of_plain_500s_leaves_breakers_closed_and_one_endpoint_in() {
    for (addresses, out) in [(ONE, 0), (THREE, 1)] {
        let bench = Bench::new(addresses);
        bench.spread(1_000, |_| 500);
        let states = bench.pool.states(bench.now);
        assert!(states.iter().all(|state| state.breaker == BreakerState::Closed));
        assert_eq!(states.iter().filter(|state| state.ejected_for.is_some()).count(), out);
    }
}

#[test]
fn of_many_threads_one_gets_the_probe() {
    let mut bench = Bench::new(&format!("{THREE}\nejection = {{ enabled = false }}"));
    bench.spread(15, |_| 503);
    for _ in 0..20 {
        bench.after(60 * SECOND);
        let leases: Vec<Lease> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.pick().ok())).collect();
            workers.into_iter().filter_map(|worker| worker.join().unwrap()).collect()
        });
        let mut ports: Vec<u16> = leases.iter().map(|lease| lease.endpoint().socket().port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [1, 2, 3], "one probe each");
        for lease in leases {
            lease.failed(Failure::Closed, bench.now);
        }
    }
}

#[test]
fn a_kept_connection_that_was_closed_says_nothing() {
    let bench = Bench::new(ONE);
    for _ in 0..50 {
        let lease = bench.pick().unwrap();
        lease.reused();
        lease.failed(Failure::Closed, bench.now);
    }
    assert_eq!(bench.port(1).breaker, BreakerState::Closed);
    for _ in 0..5 {
        let lease = bench.pick().unwrap();
        lease.reused();
        lease.failed(Failure::ReadTimeout, bench.now);
    }
    assert_eq!(bench.port(1).breaker, BreakerState::Open);
}

#[test]
fn responses_that_break_off_open_the_breaker_though_they_began_well() {
    let bench = Bench::new(ONE);
    for _ in 0..5 {
        let lease = bench.pick().unwrap();
        lease.responded(200, MS, bench.now);
        lease.failed(Failure::Closed, bench.now);
        lease.failed(Failure::Closed, bench.now);
    }
    assert_eq!(bench.port(1).breaker, BreakerState::Open);
}

#[test]
fn a_client_that_reads_slowly_closes_no_endpoint_to_others() {
    let bench = Bench::new(ONE);
    for _ in 0..50 {
        let lease = bench.pick().unwrap();
        lease.responded(200, MS, bench.now);
        lease.failed(Failure::TotalTimeout, bench.now);
    }
    assert_eq!(bench.port(1).breaker, BreakerState::Closed);
}

#[test]
fn one_failure_counts_once() {
    let bench = Bench::new(ONE);
    let lease = bench.pick().unwrap();
    for _ in 0..50 {
        lease.failed(Failure::Protocol, bench.now);
        lease.responded(500, MS, bench.now);
    }
    assert_eq!(bench.port(1).breaker, BreakerState::Closed);
}

#[test]
fn an_operator_opens_and_closes_breakers() {
    let bench = Bench::new(THREE);
    let second: SocketAddr = "127.0.0.1:2".parse().unwrap();
    assert_eq!(bench.pool.force_breaker(Force::Open, Some(second)), 1);
    assert_eq!(bench.spread(300, good).get(&2), None);
    assert_eq!((bench.port(2).force, bench.port(2).breaker), (Force::Open, BreakerState::Open));
    assert_eq!(bench.pool.force_breaker(Force::Open, None), 3);
    assert_eq!(bench.pick().unwrap_err(), NoEndpoint::BreakerOpen);
    bench.reload(&THREE.replace("127.0.0.1:3", "127.0.0.1:4"));
    assert!(!bench.port(4).usable, "an order to all is one to those that join");
    assert_eq!(bench.pool.force_breaker(Force::Auto, None), 3);
    assert_eq!(bench.spread(300, good)[&4], 100);
    assert_eq!(bench.pool.force_breaker(Force::Open, "127.0.0.1:99".parse().ok()), 0);
    // Closed by order: whatever it answers, it gets requests.
    assert_eq!(bench.pool.force_breaker(Force::Closed, None), 3);
    bench.reload(&format!("{THREE}\nejection = {{ enabled = false }}"));
    bench.spread(300, |_| 0);
    assert!(bench.pool.states(bench.now).iter().all(|state| state.usable));
}

#[test]
fn rules_that_go_take_their_decisions_along() {
    let bench = Bench::new(&format!("{THREE}\nhealth = {{ path = \"/health\", unhealthy_after = 1 }}"));
    bench.spread(30, |port| if port == 1 { 503 } else { 200 });
    bench.probe(2, false);
    bench.pool.pick(|| 7, &[], RequestBody::InHand, bench.now).unwrap();
    let third = bench.port(3);
    assert!(!bench.port(1).usable && !bench.port(2).usable && third.usable);
    bench.reload(&format!("{THREE}\nejection = {{ enabled = false }}"));
    assert!(bench.pool.probe_plan().is_none());
    assert_eq!((bench.port(2).health, bench.port(1).ejected_for), (ProbedHealth::Unknown, None));
    assert_eq!(bench.spread(300, good), HashMap::from([(1, 100), (2, 100), (3, 100)]));
    bench.counts(r#"rampart_upstream_unhealthy{upstream="agents",address="127.0.0.1:2"} 0"#);
    let broken = Bench::new(ONE);
    assert!((0..5).all(|_| broken.request(|_| 0).is_ok()));
    assert!(broken.pick().is_err());
    broken.reload(&format!("{ONE}\nbreaker = {{ enabled = false }}"));
    assert!(broken.pick().is_ok());
}

#[test]
fn who_has_returned_starts_slowly() {
    let mut bench = Bench::new(&format!("{THREE}\nslow_start = \"10s\"\nejection = {{ for = \"10s\" }}"));
    assert_eq!(bench.spread(300, good)[&2], 100, "who was there at the start has its whole share");
    bench.spread(30, |port| if port == 2 { 503 } else { 200 });
    bench.after(10 * SECOND);
    for (later, share) in [(0, 0.1), (5, 0.5), (4, 0.9), (1, 1.0)] {
        bench.after(later * SECOND);
        let got = f64::from(u32::try_from(bench.spread(9_000, good)[&2]).unwrap());
        // What does not fall to it is drawn anew, and may fall to it again: of a share s of its 3,000 turns it gets somewhat
        // more. It gets all of them in the end, and far fewer in the beginning.
        assert!((share * 2_900.0..=(share * 1.5_f64).min(1.0) * 3_200.0).contains(&got), "{share}: {got}");
    }
    assert_eq!(bench.port(2).ramp_percent, 100);
}

#[test]
fn who_joins_starts_slowly() {
    for balance in ["round_robin", "least_connections", "consistent_hash"] {
        let toml = format!("balance = \"{balance}\"\nslow_start = \"10s\"\n");
        let mut bench = Bench::new(&format!("{toml}{ONE}"));
        bench.reload(&format!("{toml}{}", ONE.replace("127.0.0.1:1\"", "127.0.0.1:1\", \"127.0.0.1:2\"")));
        let share = |bench: &Bench| {
            let keys = (0..4_000_u64).map(|n| crate::hash::hash_key(&n.to_le_bytes()));
            keys.filter(|key| {
                let lease = bench.pool.pick(|| *key, &[], RequestBody::InHand, bench.now).unwrap();
                lease.endpoint().socket().port() == 2
            })
            .count()
        };
        // Its time begins with the first request that it might have got.
        let first = share(&bench);
        assert!((100..500).contains(&first), "{balance}: {first} of 2,000");
        bench.after(10 * SECOND);
        let last = share(&bench);
        assert!((1_700..2_300).contains(&last), "{balance}: {last} of 2,000");
    }
}

#[test]
fn where_all_start_slowly_none_is_refused() {
    let mut bench = Bench::new(&format!(
        "{THREE}\nslow_start = \"10s\"\nhealth = {{ path = \"/\", unhealthy_after = 1, healthy_after = 1 }}"
    ));
    for good in [false, true] {
        for port in 1..=3 {
            bench.probe(port, good);
        }
    }
    assert_eq!(bench.port(1).ramp_percent, 10);
    let counts = bench.spread(3_000, self::good);
    assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
    bench.after(10 * SECOND);
    assert_eq!(bench.spread(300, self::good)[&1], 100);
}

#[test]
fn what_was_tried_and_what_is_out_are_both_left_out() {
    let bench = Bench::new(THREE);
    bench.spread(30, |port| if port == 2 { 503 } else { 200 });
    let first = bench.pick().unwrap();
    let second = bench.pool.pick(|| 7, &[first.endpoint().id()], RequestBody::InHand, bench.now).unwrap();
    assert_ne!(second.endpoint().socket().port(), 2);
    let tried: Vec<EndpointId> = [&first, &second].map(|lease| lease.endpoint().id()).into();
    // There are two that are usable: to try one of them again is better than the one that stood out.
    assert_eq!(bench.pool.pick(|| 7, &tried, RequestBody::InHand, bench.now).unwrap_err(), NoEndpoint::Exhausted);
    // With those two broken, the one that stood out is all there is.
    for lease in [first, second] {
        bench.pool.force_breaker(Force::Open, Some(lease.endpoint().socket()));
    }
    assert_eq!(bench.pool.pick(|| 7, &tried, RequestBody::InHand, bench.now).unwrap().endpoint().socket().port(), 2);
}

#[test]
fn series_follow_endpoints_that_go() {
    let bench = Bench::new(THREE);
    bench.spread(30, |port| if port == 2 { 503 } else { 200 });
    bench.reload(ONE);
    bench.reload(THREE);
    bench.counts(r#"rampart_upstream_ejected{upstream="agents",address="127.0.0.1:2"} 0"#);
    bench.counts(r#"rampart_upstream_breakers{upstream="agents",address="127.0.0.1:2",state="closed"} 1"#);
}

#[test]
fn retries_are_drawn_from_one_budget() {
    let mut bench = Bench::new(ONE);
    let resilience = Resilience::default();
    for _ in 0..500 {
        assert!(matches!(bench.pool.admit(bench.now), Admit::Go(_)));
    }
    let withdraw = |bench: &Bench, cause| bench.pool.withdraw_retry(&resilience, cause, bench.now);
    assert_eq!((0..60).filter(|_| withdraw(&bench, Cause::Connect)).count(), 60);
    assert_eq!((0..60).filter(|_| withdraw(&bench, Cause::Status(503))).count(), 40, "20 % of 500 in all");
    bench.counts(r#"rampart_upstream_retries_total{upstream="agents",cause="connect",outcome="made"} 60"#);
    bench.counts(r#"rampart_upstream_retries_total{upstream="agents",cause="status",outcome="made"} 40"#);
    bench.counts(r#"rampart_upstream_retries_total{upstream="agents",cause="status",outcome="over_budget"} 20"#);
    bench.after(20 * SECOND);
    assert_eq!((0..60).filter(|_| withdraw(&bench, Cause::Closed)).count(), 10, "the minimum of a second");
}

#[test]
fn what_is_too_much_waits_or_is_shed() {
    let bench = Bench::new(&format!("{ONE}\nshedding = {{ max_in_flight = 2, max_waiting = 1, wait = \"50ms\" }}"));
    let (Admit::Go(first), Admit::Go(_second)) = (bench.pool.admit(bench.now), bench.pool.admit(bench.now)) else {
        panic!()
    };
    let Admit::Wait(waiter) = bench.pool.admit(bench.now) else { panic!() };
    assert_eq!(waiter.deadline(), bench.now + 50 * MS);
    let Admit::Shed { retry_after_s } = bench.pool.admit(bench.now) else { panic!() };
    assert_eq!(retry_after_s, 1);
    bench.counts(r#"rampart_upstream_waiting_requests{upstream="agents"} 1"#);
    bench.counts(r#"rampart_upstream_shed_total{upstream="agents",reason="line_full"} 1"#);
    assert_eq!(waiter.gave_up(), 1);
    bench.counts(r#"rampart_upstream_waiting_requests{upstream="agents"} 0"#);
    bench.counts(r#"rampart_upstream_shed_total{upstream="agents",reason="waited"} 1"#);
    drop(first);
    assert!(matches!(bench.pool.admit(bench.now), Admit::Go(_)));
    bench.reload(ONE);
    let many: Vec<Admit> = (0..10).map(|_| bench.pool.admit(bench.now)).collect();
    assert!(many.iter().all(|admit| matches!(admit, Admit::Go(_))));
}

/// Threads that pick, fail, answer, leave, order, reload and refresh at the same time: whatever comes of it, gauges count each
/// endpoint once, nothing stays in flight, and no probe is lost (a breaker whose probe is lost would never close again).
#[test]
fn everything_at_the_same_time() {
    let toml = format!(
        "{THREE}\nslow_start = \"20s\"\nejection = {{ for = \"5s\" }}\nhealth = {{ path = \"/\", unhealthy_after = 2 }}"
    );
    let mut bench = Bench::new(&toml);
    std::thread::scope(|scope| {
        let bench = &bench;
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for step in 0..20_000_u64 {
                    let now = bench.now + Duration::from_millis(step);
                    let random = crate::hash::hash_key(&((thread << 32) | step).to_le_bytes());
                    let Ok(lease) = bench.pool.pick(|| random, &[], RequestBody::InHand, now) else { continue };
                    match random % 8 {
                        0 => lease.failed(Failure::Connect, now),
                        1..=3 => lease.responded(503, MS, now),
                        4 => lease.abandoned(),
                        _ => lease.responded(200, MS, now),
                    }
                    if random % 100 == 99 {
                        bench.pool.endpoints()[usize::try_from(step % 3).unwrap()].probed(thread > 1, now);
                    }
                }
            });
        }
        scope.spawn(|| {
            for step in 0..200_u64 {
                bench.pool.refresh(bench.now + Duration::from_millis(100 * step));
                bench.reload(if step % 2 == 0 { &toml } else { THREE });
                let orders = [Force::Open, Force::Closed, Force::Auto];
                bench.pool.force_breaker(orders[usize::try_from(step % 3).unwrap()], "127.0.0.1:3".parse().ok());
            }
        });
    });
    bench.pool.force_breaker(Force::Auto, None);
    bench.reload(THREE);
    assert_eq!(bench.pool.in_flight(), 0);
    bench.after(Duration::from_mins(30));
    let counts = bench.spread(300, good);
    assert_eq!(counts, HashMap::from([(1, 100), (2, 100), (3, 100)]), "all are well again");
    for port in 1..=3 {
        for (state, count) in [("closed", 1), ("open", 0), ("half_open", 0)] {
            bench.counts(&format!(
                "rampart_upstream_breakers{{upstream=\"agents\",address=\"127.0.0.1:{port}\",state=\"{state}\"}} {count}"
            ));
        }
        for gauge in ["ejected", "unhealthy", "active_requests"] {
            let labels = format!("upstream=\"agents\",address=\"127.0.0.1:{port}\"");
            bench.counts(&format!("rampart_upstream_{gauge}{{{labels}}} 0"));
        }
    }
}
