use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn micros(text: &str) -> Micros {
    Micros(u64::try_from(text.parse::<Timestamp>().unwrap().as_microsecond()).unwrap())
}

#[test]
fn windows_of_the_calendar() {
    let check = |calendar: Calendar, now: &str, begin: &str, end: &str| {
        let span = Span::Calendar(calendar);
        assert_eq!(span.begin(micros(now)), micros(begin), "{now}");
        assert_eq!(span.end(micros(now)), micros(end), "{now}");
    };
    check(Calendar::Hour, "2026-11-20T19:27:03.5Z", "2026-11-20T19:00:00Z", "2026-11-20T20:00:00Z");
    check(Calendar::Day, "2026-11-20T23:59:59.999999Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    check(Calendar::Day, "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");
    check(Calendar::Month, "2026-11-20T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    check(Calendar::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
    check(Calendar::Month, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
    check(Calendar::Month, "2100-02-28T12:00:00Z", "2100-02-01T00:00:00Z", "2100-03-01T00:00:00Z");
    check(Calendar::Month, "2000-02-01T00:00:00Z", "2000-02-01T00:00:00Z", "2000-03-01T00:00:00Z");
    check(Calendar::Month, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z");
}

proptest! {
    #[test]
    fn months_are_those_of_another_calendar(seconds in 0..10_000_000_000_u64) {
        let zoned = Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap().to_zoned(TimeZone::UTC);
        let first = zoned.first_of_month().unwrap().start_of_day().unwrap();
        let next = first.checked_add(jiff::Span::new().months(1)).unwrap();
        let of = |zoned: &jiff::Zoned| Micros(u64::try_from(zoned.timestamp().as_microsecond()).unwrap());
        let span = Span::Calendar(Calendar::Month);
        prop_assert_eq!(span.begin(Micros::from_secs(seconds)), of(&first));
        prop_assert_eq!(span.end(Micros::from_secs(seconds)), of(&next));
    }

    #[test]
    fn a_window_holds_its_moment_and_the_next_begins_where_it_ends(now in 0..4_000_000_000_000_000_u64, length in 1..10_000_000_000_u64) {
        for span in [Span::Every(length), Span::Calendar(Calendar::Hour), Span::Calendar(Calendar::Day), Span::Calendar(Calendar::Month)] {
            let (begin, end) = (span.begin(Micros(now)), span.end(Micros(now)));
            prop_assert!(begin.0 <= now && now < end.0);
            prop_assert_eq!(span.end(begin), end);
            prop_assert_eq!(span.begin(end), end);
            prop_assert!((end.0 - begin.0).div_ceil(Micros::SECOND) <= span.longest_s());
        }
    }
}
