//! The moments of the last period, each of them: in any span of `period`, wherever it begins, at most `limit`.
//!
//! The moments themselves are kept by whoever asks ([`Moments`]), oldest first. A moment counts from itself to just
//! before `period` later: of five at 0 s, the sixth passes at 60 s and not before.

use super::Standing;
use crate::micros::Micros;

/// The moments of a key that still count, oldest first.
pub(crate) trait Moments {
    /// How many.
    fn len(&self) -> u64;
    /// The `index`-th from the oldest; `None` beyond the last.
    fn nth(&self, index: u64) -> Option<u64>;
}

/// The parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlidingLog {
    pub(crate) limit: u64,
    pub(crate) period_us: u64,
}

impl SlidingLog {
    /// Whether `cost` more moments can be had, and where the key stands once they are taken. All of `moments` count.
    pub(crate) fn ask(&self, moments: &impl Moments, cost: u64, now: Micros) -> Standing {
        let held = moments.len();
        let wanted = held.saturating_add(cost);
        let allowed = wanted <= self.limit;
        let left_us = |index: u64| {
            let moment = moments.nth(index).unwrap_or(now.0);
            moment.saturating_add(self.period_us).saturating_sub(now.0)
        };
        let taken = if allowed { wanted } else { held };
        let retry_us = match wanted.checked_sub(self.limit) {
            None | Some(0) => 0,
            Some(_) if cost > self.limit => self.period_us,
            Some(excess) => left_us(excess - 1),
        };
        Standing {
            allowed,
            remaining: self.limit.saturating_sub(taken),
            reset_us: if taken == 0 { 0 } else { left_us(0) },
            retry_us,
        }
    }
}
