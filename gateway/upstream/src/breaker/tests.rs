use proptest::prelude::*;
use rampart_settings::{Place, Report};

use super::*;
use crate::share::Share;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> BreakerRules {
    let report = Report::new();
    BreakerRules::compile(&RawBreaker::default(), &Place::nowhere("test", &report)).unwrap()
}

/// A breaker on made-up time, with the streaks that its endpoint would count.
struct Bench {
    breaker: Breaker,
    streaks: Streaks,
    rules: BreakerRules,
    now: Instant,
}

impl Bench {
    fn new(rules: BreakerRules) -> Self {
        Self { breaker: Breaker::default(), streaks: Streaks::default(), rules, now: Instant::now() }
    }

    fn after(&mut self, duration: Duration) -> &mut Self {
        self.now += duration;
        self
    }

    fn record(&mut self, outcome: Outcome, probe: Option<ProbeId>) -> Option<Turn> {
        self.streaks.record(outcome);
        self.breaker.record(&self.rules, outcome, self.streaks, probe, self.now)
    }

    /// `times` requests of one outcome; what the last of them did.
    fn requests(&mut self, outcome: Outcome, times: u32) -> Option<Turn> {
        (0..times).map(|_| self.record(outcome, None)).last().flatten()
    }

    fn pass(&self) -> Pass {
        self.breaker.pass(RequestBody::InHand, self.now)
    }

    /// Lets the probe through and gives it this outcome.
    fn probe(&mut self, outcome: Outcome) -> Option<Turn> {
        let probe = self.breaker.start_probe(RequestBody::InHand, self.now).expect("time for a probe");
        self.record(outcome, Some(probe))
    }

    /// How long it stays open from now on.
    fn open_for(&self) -> Duration {
        match self.pass() {
            Pass::NotBefore(until) => until - self.now,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn failures_in_a_row_open_it() {
    let mut bench = Bench::new(rules());
    assert_eq!(bench.requests(Outcome::GatewayError, 4), None);
    assert_eq!(bench.pass(), Pass::Free);
    assert_eq!(bench.requests(Outcome::GatewayError, 1), Some(Turn::Opened));
    assert_eq!(bench.open_for(), 5 * SECOND);
    assert_eq!(bench.breaker.shown(), BreakerState::Open);
}

#[test]
fn a_good_answer_in_between_begins_the_row_anew() {
    let mut bench = Bench::new(rules());
    for _ in 0..3 {
        bench.requests(Outcome::GatewayError, 4);
        bench.requests(Outcome::Good, 3);
    }
    assert_eq!(bench.pass(), Pass::Free);
}

#[test]
fn statuses_that_clients_can_provoke_do_not_count() {
    let mut bench = Bench::new(rules());
    assert_eq!(bench.requests(Outcome::ServerError, 10_000), None);
    assert_eq!(bench.pass(), Pass::Free);
    // Nor do they make the share of real failures any smaller: 10 of 20.
    let mut bench = Bench::new(BreakerRules { consecutive: 0, ..rules() });
    bench.requests(Outcome::Good, 10);
    bench.requests(Outcome::ServerError, 100);
    assert_eq!(bench.requests(Outcome::GatewayError, 9), None);
    assert_eq!(bench.requests(Outcome::GatewayError, 1), Some(Turn::Opened));
    bench.after(5 * SECOND);
    assert_eq!(bench.probe(Outcome::ServerError), Some(Turn::Closed), "a probe that gets a 500 has found the endpoint");
}

#[test]
fn a_probe_has_its_time_and_its_outcome_counts_later_too() {
    for (outcome, turn) in [(Outcome::Good, Turn::Closed), (Outcome::GatewayError, Turn::Opened)] {
        let mut bench = Bench::new(rules());
        bench.requests(Outcome::GatewayError, 5);
        bench.after(5 * SECOND);
        let first = bench.breaker.start_probe(RequestBody::InHand, bench.now).unwrap();
        bench.after(Duration::from_millis(4_999));
        assert_eq!(bench.pass(), Pass::No);
        bench.after(Duration::from_millis(1));
        let second = bench.breaker.start_probe(RequestBody::InHand, bench.now).expect("the first has had its time");
        bench.breaker.give_back(first);
        assert_eq!(bench.pass(), Pass::No, "it is the second's turn");
        assert_eq!(bench.record(outcome, Some(first)), Some(turn));
        let shown = bench.breaker.shown();
        assert_eq!(bench.record(Outcome::GatewayError, Some(second)), None, "it is decided");
        assert_eq!(bench.breaker.shown(), shown);
    }
}

#[test]
fn a_probe_of_an_earlier_time_decides_nothing() {
    let mut bench = Bench::new(rules());
    bench.requests(Outcome::GatewayError, 5);
    bench.after(5 * SECOND);
    let early = bench.breaker.start_probe(RequestBody::InHand, bench.now).unwrap();
    bench.after(5 * SECOND);
    assert_eq!(bench.probe(Outcome::GatewayError), Some(Turn::Opened));
    bench.after(10 * SECOND);
    let probe = bench.breaker.start_probe(RequestBody::InHand, bench.now).unwrap();
    assert_eq!(bench.record(Outcome::Good, Some(early)), None);
    assert_eq!(bench.record(Outcome::Good, Some(probe)), Some(Turn::Closed));
}

#[test]
fn a_body_that_is_to_come_probes_last_and_keeps_nobody_away() {
    use RequestBody::{InHand, ToCome};
    let mut bench = Bench::new(rules());
    bench.requests(Outcome::GatewayError, 5);
    bench.after(Duration::from_millis(9_999));
    assert_eq!(bench.breaker.start_probe(ToCome, bench.now), None);
    bench.after(Duration::from_millis(1));
    assert!(bench.breaker.start_probe(ToCome, bench.now).is_some(), "nobody else has wanted to for open_for");
    assert_eq!(bench.breaker.pass(ToCome, bench.now), Pass::No);
    assert_eq!(bench.pass(), Pass::AsProbe, "it keeps nobody away whose request is whole");
    let probe = bench.breaker.start_probe(InHand, bench.now).unwrap();
    assert_eq!((bench.pass(), bench.breaker.pass(ToCome, bench.now)), (Pass::No, Pass::No));
    assert_eq!(bench.record(Outcome::Good, Some(probe)), Some(Turn::Closed));
}

#[test]
fn the_rate_needs_enough_requests_and_looks_back_so_far() {
    let mut bench = Bench::new(BreakerRules { consecutive: 0, ..rules() });
    bench.requests(Outcome::GatewayError, 15);
    // The 15 fall out of the window; half of what follows fails, which is enough from the 20th request on.
    bench.after(10 * SECOND);
    for _ in 0..9 {
        assert_eq!(bench.requests(Outcome::Good, 1), None);
        assert_eq!(bench.requests(Outcome::GatewayError, 1), None);
    }
    assert_eq!(bench.requests(Outcome::Good, 1), None);
    assert_eq!(bench.requests(Outcome::GatewayError, 1), Some(Turn::Opened));
}

#[test]
fn a_rate_below_the_threshold_does_not_open_it() {
    let mut bench = Bench::new(BreakerRules { consecutive: 0, ..rules() });
    for _ in 0..1_000 {
        bench.requests(Outcome::Good, 3);
        assert_eq!(bench.requests(Outcome::GatewayError, 2), None, "40 % after at least 5, below 50 %");
        bench.after(SECOND / 7);
    }
}

#[test]
fn rules_can_be_off() {
    let mut bench = Bench::new(BreakerRules { consecutive: 0, error_rate: Share::percent(0), ..rules() });
    assert_eq!(bench.requests(Outcome::GatewayError, 10_000), None);
}

#[test]
fn half_open_lets_one_probe_through() {
    let mut bench = Bench::new(rules());
    bench.requests(Outcome::GatewayError, 5);
    assert_eq!(bench.breaker.start_probe(RequestBody::InHand, bench.now), None, "open");
    bench.after(5 * SECOND);
    assert_eq!(bench.pass(), Pass::AsProbe);
    let probe = bench.breaker.start_probe(RequestBody::InHand, bench.now).unwrap();
    assert_eq!((bench.pass(), bench.breaker.shown()), (Pass::No, BreakerState::HalfOpen));
    assert_eq!(bench.breaker.start_probe(RequestBody::InHand, bench.now), None);
    assert_eq!(bench.requests(Outcome::Good, 9), None, "answers from before speak of the past");
    assert_eq!(bench.record(Outcome::Good, Some(probe)), Some(Turn::Closed));
    assert_eq!((bench.pass(), bench.breaker.shown()), (Pass::Free, BreakerState::Closed));
}

#[test]
fn a_probe_without_an_outcome_makes_room_for_the_next() {
    let mut bench = Bench::new(rules());
    bench.requests(Outcome::GatewayError, 5);
    bench.after(5 * SECOND);
    let first = bench.breaker.start_probe(RequestBody::InHand, bench.now).unwrap();
    bench.breaker.give_back(first);
    assert_eq!(bench.pass(), Pass::AsProbe);
    let second = bench.breaker.start_probe(RequestBody::InHand, bench.now).unwrap();
    bench.breaker.give_back(first);
    assert_eq!(bench.pass(), Pass::No, "the first has nothing to give back any more");
    assert_eq!(bench.record(Outcome::Good, Some(second)), Some(Turn::Closed));
}

#[test]
fn open_times_double_up_to_a_bound_and_begin_anew_after_closing() {
    let mut bench = Bench::new(rules());
    bench.requests(Outcome::GatewayError, 5);
    for expect in [5, 10, 20, 40, 60, 60, 60] {
        assert_eq!(bench.open_for(), expect * SECOND);
        bench.after(expect * SECOND);
        assert_eq!(bench.probe(Outcome::GatewayError), Some(Turn::Opened));
    }
    bench.after(60 * SECOND);
    assert_eq!(bench.probe(Outcome::Good), Some(Turn::Closed));
    bench.streaks = Streaks::default();
    assert_eq!(bench.requests(Outcome::GatewayError, 5), Some(Turn::Opened));
    assert_eq!(bench.open_for(), 5 * SECOND);
}

#[test]
fn orders_stand_over_what_happens() {
    let mut bench = Bench::new(rules());
    bench.breaker.force(Force::Open);
    assert_eq!((bench.pass(), bench.breaker.barred(RequestBody::InHand)), (Pass::No, Barred::UntilFurther));
    assert_eq!(bench.breaker.start_probe(RequestBody::InHand, bench.now), None);
    bench.after(1_000 * SECOND);
    assert_eq!(bench.pass(), Pass::No);
    bench.breaker.force(Force::Closed);
    assert_eq!(bench.requests(Outcome::GatewayError, 1_000), None);
    assert_eq!((bench.pass(), bench.breaker.barred(RequestBody::InHand)), (Pass::Free, Barred::Not));
    bench.breaker.force(Force::Auto);
    bench.streaks = Streaks::default();
    assert_eq!(bench.pass(), Pass::Free, "what happened meanwhile is not held against it");
    assert_eq!(bench.requests(Outcome::GatewayError, 5), Some(Turn::Opened));
    bench.breaker.force(Force::Closed);
    assert_eq!(bench.pass(), Pass::Free);
    bench.breaker.force(Force::Auto);
    assert_eq!(bench.pass(), Pass::Free);
}

#[test]
fn growth_is_bounded_whatever_the_numbers() {
    for (first, doublings, most, expect) in
        [(1, 0, 8, 1), (1, 3, 8, 8), (1, 4, 8, 8), (1, u32::MAX, 8, 8), (3, 1, 5, 5), (9, 2, 4, 9)]
    {
        assert_eq!(grown(first * SECOND, doublings, most * SECOND), expect * SECOND, "{first} {doublings} {most}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Request(Outcome),
    /// A probe that ends in an outcome, or in none.
    Probe(Option<Outcome>),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![Just(Outcome::Good), Just(Outcome::ServerError), Just(Outcome::GatewayError)];
    prop_oneof![
        (0_u64..7_000).prop_map(Step::Wait),
        outcome.clone().prop_map(Step::Request),
        prop::option::of(outcome).prop_map(Step::Probe),
    ]
}

/// What a breaker has to do, said without its states: the whole past is kept, and looked through each time.
#[derive(Default)]
struct Past {
    /// Time (in slices of a second) and badness of what was recorded since it last closed.
    recorded: Vec<(u64, bool)>,
    gateway_in_a_row: u32,
    /// When it opened and for how long, each time since it last closed; in milliseconds.
    openings: Vec<(u64, u64)>,
}

impl Past {
    fn open_until(&self) -> Option<u64> {
        self.openings.last().map(|(at, length)| at + length)
    }

    fn open(&mut self, now: u64) {
        let length = (5_000 << self.openings.len().min(10)).min(60_000);
        self.openings.push((now, length));
        self.recorded.clear();
    }

    fn close(&mut self) {
        self.openings.clear();
        self.recorded.clear();
    }

    fn count(&mut self, outcome: Outcome) {
        self.gateway_in_a_row = if outcome == Outcome::GatewayError { self.gateway_in_a_row + 1 } else { 0 };
    }

    fn request(&mut self, outcome: Outcome, now: u64) {
        self.count(outcome);
        if !self.openings.is_empty() {
            return;
        }
        if outcome == Outcome::ServerError {
            return;
        }
        self.recorded.push((now / 1_000, outcome == Outcome::GatewayError));
        let recent = self.recorded.iter().filter(|(second, _)| second + 10 > now / 1_000);
        let bad = recent.clone().filter(|(_, bad)| *bad).count();
        let rate = recent.clone().count() >= 20 && bad * 2 >= recent.count();
        if outcome == Outcome::GatewayError && (self.gateway_in_a_row >= 5 || rate) {
            self.open(now);
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_its_past(steps in prop::collection::vec(step(), 1..300)) {
        let mut bench = Bench::new(rules());
        let start = bench.now;
        // The window's slices begin with the first request.
        bench.requests(Outcome::Good, 1);
        let (mut past, mut ms) = (Past::default(), 0);
        past.request(Outcome::Good, 0);
        for step in steps {
            match step {
                Step::Wait(wait) => ms += wait,
                Step::Request(outcome) => {
                    let turn = bench.requests(outcome, 1);
                    let opened = past.openings.len();
                    past.request(outcome, ms);
                    prop_assert_eq!(turn.is_some(), past.openings.len() > opened);
                }
                Step::Probe(outcome) => {
                    let due = past.open_until().is_some_and(|until| until <= ms);
                    let probe = bench.breaker.start_probe(RequestBody::InHand, bench.now);
                    prop_assert_eq!(probe.is_some(), due);
                    prop_assert!(!due || bench.breaker.start_probe(RequestBody::InHand, bench.now).is_none(), "one probe at a time");
                    match (probe, outcome) {
                        (Some(probe), None) => bench.breaker.give_back(probe),
                        (Some(probe), Some(outcome)) => {
                            bench.record(outcome, Some(probe));
                            past.count(outcome);
                            if outcome == Outcome::GatewayError { past.open(ms) } else { past.close() }
                        }
                        (None, _) => {}
                    }
                }
            }
            bench.now = start + Duration::from_millis(ms);
            let expect = match past.open_until() {
                None => Pass::Free,
                Some(until) if until > ms => Pass::NotBefore(start + Duration::from_millis(until)),
                Some(_) => Pass::AsProbe,
            };
            prop_assert_eq!(bench.pass(), expect);
        }
    }
}
