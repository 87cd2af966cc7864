//! Moments, as the limits count them.

use std::time::Duration;

/// A moment: microseconds since the Unix epoch, from a clock that never goes backwards.
///
/// Engines take it as an argument. Calendar windows (`hour`, `day`, `month`) read it as UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// Microseconds of a second.
    pub const SECOND: u64 = 1_000_000;

    /// The moment so many whole seconds after the epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(Self::SECOND))
    }

    /// The moment `span` later; at most the last one that can be written.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// Seconds from `now` until this moment, rounded up; 0 if it has come.
    pub fn seconds_from(self, now: Self) -> u64 {
        self.0.saturating_sub(now.0).div_ceil(Self::SECOND)
    }
}

/// A span in whole microseconds; at most 2^64 - 1.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_up() {
        let check = |until: u64, now: u64, expect: u64| assert_eq!(Micros(until).seconds_from(Micros(now)), expect);
        check(5, 5, 0);
        check(4, 5, 0);
        check(6, 5, 1);
        check(1_000_005, 5, 1);
        check(1_000_006, 5, 2);
    }
}
