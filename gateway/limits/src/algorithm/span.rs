//! Where windows begin and end.
//!
//! A length of time counts from the Unix epoch, so that all gateways agree; hours, days and months are those of the
//! proleptic Gregorian calendar in UTC. Leap seconds do not exist in Unix time.

use std::time::Duration;

use crate::micros::{Micros, micros};

const HOUR_US: u64 = 3_600 * Micros::SECOND;
const DAY_US: u64 = 24 * HOUR_US;

/// How long a window lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// So many microseconds; at least 1.
    Every(u64),
    /// A span of the calendar.
    Calendar(Calendar),
}

/// A span of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// From minute 0 to minute 0.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

impl Span {
    /// The span of a length of time.
    pub fn every(length: Duration) -> Self {
        Self::Every(micros(length).max(1))
    }

    /// The end of the window that `now` lies in: its first moment outside.
    pub fn end(&self, now: Micros) -> Micros {
        let next = |length: u64| Micros((now.0 / length + 1).saturating_mul(length));
        match self {
            Self::Every(length) => next((*length).max(1)),
            Self::Calendar(Calendar::Hour) => next(HOUR_US),
            Self::Calendar(Calendar::Day) => next(DAY_US),
            Self::Calendar(Calendar::Month) => next_month(now),
        }
    }

    /// The beginning of the window that `now` lies in.
    pub fn begin(&self, now: Micros) -> Micros {
        let last = |length: u64| Micros(now.0 - now.0 % length);
        match self {
            Self::Every(length) => last((*length).max(1)),
            Self::Calendar(Calendar::Hour) => last(HOUR_US),
            Self::Calendar(Calendar::Day) => last(DAY_US),
            Self::Calendar(Calendar::Month) => {
                let (_, day_of_month, _) = civil(now.0 / DAY_US);
                Micros((now.0 / DAY_US - (day_of_month - 1)) * DAY_US)
            }
        }
    }

    /// The seconds of its longest window, rounded up.
    pub(crate) fn longest_s(&self) -> u64 {
        match self {
            Self::Every(length) => length.div_ceil(Micros::SECOND),
            Self::Calendar(Calendar::Hour) => 3_600,
            Self::Calendar(Calendar::Day) => 86_400,
            Self::Calendar(Calendar::Month) => 31 * 86_400,
        }
    }
}

fn next_month(now: Micros) -> Micros {
    let day = now.0 / DAY_US;
    let (year_of_march, day_of_month, month_from_march) = civil(day);
    let length = match month_from_march {
        // February ends the year that begins in March; its length is that of the next civil year.
        11 if is_leap(year_of_march + 1) => 29,
        11 => 28,
        // April, June, September, November.
        1 | 3 | 6 | 8 => 30,
        _ => 31,
    };
    Micros((day - (day_of_month - 1) + length).saturating_mul(DAY_US))
}

/// The year that begins in March, the day of the month (from 1) and the month (March is 0) of a day since the epoch.
///
/// Years that begin in March end with the leap day, and their months have a regular pattern: 153 days in each five.
fn civil(day: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    /// From 1 March of the year 0 to the epoch.
    const EPOCH: u64 = 719_468;
    let day = day + EPOCH;
    let era = day / DAYS_OF_400_YEARS;
    let of_era = day % DAYS_OF_400_YEARS;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    (era * 400 + year_of_era, of_month, month)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests;
