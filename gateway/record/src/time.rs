//! Points in time as records carry them: milliseconds, UTC, written as RFC 3339.
//!
//! Formatting is by hand because every access line holds one: civil date from a day number (H. Hinnant, "chrono-Compatible
//! Low-Level Date Algorithms", `civil_from_days`), 24 bytes into the caller's buffer and no allocation. Reading is rare
//! (queries) and left to `jiff`, which is also the oracle of the tests. Nothing here asks the machine what time it is
//! but `SystemClock`, which the server passes in.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MILLIS_PER_DAY: i64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z: later years have no four-digit form in RFC 3339.
const LATEST_MILLIS: i64 = 253_402_300_799_999;

/// A point in time in whole milliseconds since 1970-01-01T00:00:00Z, from then to the end of the year 9999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Where the time comes from. Tests pass one they can turn.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(SystemTime::now())
    }
}

// === impl Timestamp ===

impl Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z; what lies outside the range of the type becomes its nearest end.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > LATEST_MILLIS {
            Self(LATEST_MILLIS)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, never negative.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The time `span` earlier; not before 1970.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis_of(span)))
    }

    /// The time `span` later; not after the year 9999.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis_of(span)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Which period of this length, counted from 1970, the time falls in: with 24 h, the UTC day. A period of zero
    /// counts as one millisecond.
    pub(crate) fn period(self, length: Duration) -> i64 {
        self.0 / millis_of(length).max(1)
    }

    /// `2026-11-20T13:20:42.123Z`
    pub fn rfc3339(self) -> [u8; 24] {
        let civil = Civil::of(self);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let [y0, y1, y2, y3, _, m0, m1, _, d0, d1, _, h0, h1, _, n0, n1, _, s0, s1, _, f0, f1, f2, _] = &mut text;
        put([y0, y1, y2, y3], civil.year);
        put([m0, m1], civil.month);
        put([d0, d1], civil.day);
        put([h0, h1], civil.hour);
        put([n0, n1], civil.minute);
        put([s0, s1], civil.second);
        put([f0, f1, f2], civil.millisecond);
        text
    }

    /// The same without punctuation, for file names: `20261120T132042.123Z`
    pub(crate) fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::from_millis(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis_of))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.rfc3339()).unwrap_or_default())
    }
}

impl FromStr for Timestamp {
    type Err = BadTimestamp;

    /// Reads RFC 3339 with any offset, or a date alone, which is its first moment in UTC.
    fn from_str(text: &str) -> Result<Self, BadTimestamp> {
        let bad = || BadTimestamp(text.to_owned());
        let instant = match text.parse::<jiff::Timestamp>() {
            Ok(instant) => instant,
            Err(_) => format!("{}T00:00:00Z", date_alone(text).ok_or_else(bad)?).parse().map_err(|_| bad())?,
        };
        match instant.as_millisecond() {
            millis @ 0..=LATEST_MILLIS => Ok(Self(millis)),
            _ => Err(bad()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.rfc3339()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is no point in time that records can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time since 1970: write 2026-11-20T13:20:42Z or 2026-11-20")]
pub struct BadTimestamp(String);

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
}

impl Civil {
    fn of(time: Timestamp) -> Self {
        let (days, millis) = (time.0 / MILLIS_PER_DAY, time.0 % MILLIS_PER_DAY);
        // Years begin in March here, so that the leap day is the last of its year; eras are 400 years of 146,097 days.
        let shifted = days + 719_468;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + shifted / 146_097 * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: millis / 3_600_000,
            minute: millis / 60_000 % 60,
            second: millis / 1_000 % 60,
            millisecond: millis % 1_000,
        }
    }
}

fn put<const N: usize>(digits: [&mut u8; N], mut number: i64) {
    for digit in digits.into_iter().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

fn date_alone(text: &str) -> Option<jiff::civil::Date> {
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}

fn millis_of(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_written_as_jiff_writes_it(millis in 0..=LATEST_MILLIS) {
            let expect = jiff::Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(Timestamp(millis).to_string(), format!("{expect:.3}"));
        }

        #[test]
        fn is_read_back_as_written(millis in 0..=LATEST_MILLIS) {
            prop_assert_eq!(Timestamp(millis).to_string().parse(), Ok(Timestamp(millis)));
        }
    }

    #[test]
    fn is_read_in_every_accepted_form() {
        fn check(text: &str, expect: Option<&str>) {
            assert_eq!(text.parse::<Timestamp>().ok().map(|time| time.to_string()).as_deref(), expect, "{text}");
        }
        check("2026-11-20", Some("2026-11-20T00:00:00.000Z"));
        check("2026-11-20T13:20:42Z", Some("2026-11-20T13:20:42.000Z"));
        check("2026-11-20T13:20:42.1239+01:00", Some("2026-11-20T12:20:42.123Z"));
        check("2024-02-29", Some("2024-02-29T00:00:00.000Z"));
        check("2026-02-29", None);
        check("1969-12-31T23:59:59Z", None);
        check("2026-11-20T13:20:42", None);
        check("yesterday", None);
        check("", None);
    }

    #[test]
    fn ends_are_kept() {
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(-1).millis(), 0);
        assert_eq!(Timestamp::from_millis(5).minus(Duration::from_secs(1)), Timestamp(0));
        assert_eq!(Timestamp(0).plus(Duration::MAX).millis(), LATEST_MILLIS);
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }

    #[test]
    fn a_period_of_a_day_is_the_utc_day() {
        let day = Duration::from_hours(24);
        let before: Timestamp = "2026-11-20T23:59:59.999Z".parse().unwrap();
        let after: Timestamp = "2026-11-21".parse().unwrap();
        assert_eq!(before.period(day) + 1, after.period(day));
        assert_eq!(after.compact(), "20261121T000000.000Z");
    }
}
