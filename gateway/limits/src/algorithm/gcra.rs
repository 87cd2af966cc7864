//! The generic cell rate algorithm (ITU-T I.371 annex A), weighted, as a bucket that drains.
//!
//! A key has a *backlog*: what it took and what has not drained yet. A unit weighs `period`, and `limit` drains in each
//! microsecond, so `limit` units drain in a period without a division. The backlog is not stored as such but as the
//! moment at which it will have drained (the "theoretical arrival time"): that needs no update as time passes. This
//! moment is a fraction, stored as the whole microsecond after it and how many `1/limit` of one it lies before that.
//!
//! Units may be added after the fact (debt: the backlog passes the burst) or given back (at most until it is empty).

use super::Standing;
use crate::micros::Micros;

/// No debt lasts longer, in microseconds: 366 days.
const LONGEST_DEBT_US: u64 = 366 * 86_400 * Micros::SECOND;

/// The state of a key. The default is that of a key which never asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The first whole microsecond at which the backlog has drained. Before that the key is live.
    pub(crate) drained: u64,
    /// How much earlier it has drained, in `1/limit` of a microsecond.
    pub(crate) early: u64,
}

/// The parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gcra {
    /// Units that drain in each period; at least 1.
    pub(crate) limit: u64,
    /// Units at once.
    pub(crate) burst: u64,
    /// Microseconds; at least 1.
    pub(crate) period_us: u64,
}

impl Gcra {
    /// Takes `cost` if it can be had, and says where the key stands.
    pub(crate) fn take(&self, cell: Cell, cost: u64, now: Micros) -> (Cell, Standing) {
        let backlog = self.backlog(cell, now);
        let wanted = backlog + self.weight(cost);
        let capacity = self.weight(self.burst);
        if wanted <= capacity {
            let standing = self.standing(wanted, true, 0);
            return (if cost == 0 { cell } else { self.cell(wanted, now) }, standing);
        }
        let retry_us = if cost > self.burst { self.period_us } else { self.drains_in(wanted - capacity) };
        (cell, self.standing(backlog, false, retry_us))
    }

    /// Adds `more` units, whatever the burst is.
    pub(crate) fn add(&self, cell: Cell, more: u64, now: Micros) -> Cell {
        self.cell(self.backlog(cell, now) + self.weight(more), now)
    }

    /// Gives back `units`.
    pub(crate) fn give_back(&self, cell: Cell, units: u64, now: Micros) -> Cell {
        self.cell(self.backlog(cell, now).saturating_sub(self.weight(units)), now)
    }

    fn standing(&self, backlog: u128, allowed: bool, retry_us: u64) -> Standing {
        let free = self.weight(self.burst).saturating_sub(backlog);
        let remaining = divide(free, self.period_us);
        // What is free beyond whole units waits for the rest of the next one.
        let next = self.weight(remaining.saturating_add(1)) + backlog;
        let reset_us = if backlog == 0 { 0 } else { self.drains_in(next.saturating_sub(self.weight(self.burst))) };
        Standing { allowed, remaining, reset_us, retry_us }
    }

    fn weight(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.period_us)
    }

    fn backlog(&self, cell: Cell, now: Micros) -> u128 {
        let whole = u128::from(cell.drained.saturating_sub(now.0)) * u128::from(self.limit);
        // The limit of another share may have left a larger fraction: less than a microsecond either way.
        whole.saturating_sub(u128::from(cell.early.min(self.limit - 1)))
    }

    /// Microseconds until `weight` has drained, rounded up.
    fn drains_in(&self, weight: u128) -> u64 {
        divide(weight + u128::from(self.limit - 1), self.limit)
    }

    fn cell(&self, backlog: u128, now: Micros) -> Cell {
        let wait_us = self.drains_in(backlog);
        if wait_us > LONGEST_DEBT_US {
            return Cell { drained: now.0.saturating_add(LONGEST_DEBT_US), early: 0 };
        }
        let early = u128::from(wait_us) * u128::from(self.limit) - backlog;
        Cell { drained: now.0.saturating_add(wait_us), early: u64::try_from(early).unwrap_or(0) }
    }
}

/// A quotient, rounded down, that is nearly always one of 64 bits.
fn divide(weight: u128, by: u64) -> u64 {
    match u64::try_from(weight) {
        Ok(weight) => weight / by,
        Err(_) => u64::try_from(weight / u128::from(by)).unwrap_or(u64::MAX),
    }
}
