use proptest::prelude::*;
use rampart_settings::{Place, Report};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> EjectionRules {
    let report = Report::new();
    EjectionRules::compile(&RawEjection::default(), &Place::nowhere("test", &report)).unwrap()
}

#[test]
fn how_many_may_be_out() {
    fn check(max_percent: u8, most: [usize; 7]) {
        let rules = EjectionRules { max_percent, ..rules() };
        assert_eq!([0, 1, 2, 3, 4, 10, 1_024].map(|endpoints| rules.most(endpoints)), most, "{max_percent} %");
    }
    check(1, [0, 0, 1, 1, 1, 1, 10]);
    check(50, [0, 0, 1, 1, 2, 5, 512]);
    check(67, [0, 0, 1, 2, 2, 6, 686]);
    check(100, [0, 0, 1, 2, 3, 9, 1_023]);
}

#[test]
fn what_stands_out() {
    fn check(gateway: u32, bad: u32, expect: Option<Conspicuous>) {
        assert_eq!(Conspicuous::by(&rules(), Streaks { gateway, bad }), expect, "{gateway} {bad}");
    }
    check(0, 0, None);
    check(2, 4, None);
    check(3, 3, Some(Conspicuous::ConsecutiveGateway));
    check(0, 5, Some(Conspicuous::Consecutive5xx));
    check(9, 9, Some(Conspicuous::ConsecutiveGateway));
    let off = EjectionRules { consecutive_gateway: 0, ..rules() };
    assert_eq!(Conspicuous::by(&off, Streaks { gateway: 4, bad: 4 }), None);
    assert_eq!(Conspicuous::by(&off, Streaks { gateway: 5, bad: 5 }), Some(Conspicuous::Consecutive5xx));
    let off = EjectionRules { consecutive_5xx: 0, ..rules() };
    assert_eq!(Conspicuous::by(&off, Streaks { gateway: 0, bad: 99 }), None);
}

#[test]
fn repeated_ejections_grow_and_good_times_are_remembered() {
    let (rules, mut now) = (rules(), Instant::now());
    let mut outlier = Outlier::default();
    for expect in [30, 60, 120, 240, 300, 300] {
        outlier.eject(&rules, now);
        assert_eq!(outlier.until(), Some(now + expect * SECOND));
        assert!(!outlier.end_if_over(now + (expect - 1) * SECOND));
        now += expect * SECOND;
        assert!(outlier.end_if_over(now));
        assert!(!outlier.end_if_over(now), "it returns once");
        assert_eq!(outlier.until(), None);
        now += 20 * SECOND;
    }
    // It was well for as long as it had been out.
    now += 280 * SECOND;
    outlier.eject(&rules, now);
    assert_eq!(outlier.until(), Some(now + 30 * SECOND));
    assert!(outlier.end());
    assert!(!outlier.end());
}

proptest! {
    /// However ejections come and end, never are more out than may be, and none is refused while there is room.
    #[test]
    fn never_more_than_may_be(
        most in 0_usize..5,
        steps in prop::collection::vec((0_u64..8, 0_u64..20, 1_u64..30), 1..200),
    ) {
        let start = Instant::now();
        let (mut ejections, mut out, mut now) = (Ejections::default(), Vec::<(u64, u64)>::new(), 0);
        for (id, later, length) in steps {
            now += later;
            out.retain(|(other, end)| *end > now && *other != id);
            let room = out.len() < most;
            let (time, end) = (start + Duration::from_secs(now), start + Duration::from_secs(now + length));
            prop_assert_eq!(ejections.take_out(EndpointId(id), end, most, time), room);
            if room {
                out.push((id, now + length));
            }
        }
    }
}

#[test]
fn who_leaves_the_pool_takes_no_room() {
    let (mut ejections, now) = (Ejections::default(), Instant::now());
    assert!(ejections.take_out(EndpointId(1), now + SECOND, 1, now));
    assert!(!ejections.take_out(EndpointId(2), now + SECOND, 1, now));
    ejections.keep(|id| id != EndpointId(1));
    assert!(ejections.take_out(EndpointId(2), now + SECOND, 1, now));
}
