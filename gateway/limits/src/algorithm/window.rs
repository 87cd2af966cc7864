//! Units from one fixed moment to the next. A window starts with nothing taken, whatever the last one owed.

use super::{Span, Standing};
use crate::micros::Micros;

/// The state of a key. The default is that of a key which never asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// The end of the window that `used` belongs to. Before that the key is live.
    pub(crate) end: u64,
    /// Units taken in it.
    pub(crate) used: u64,
}

/// The parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) limit: u64,
    pub(crate) span: Span,
}

impl Window {
    /// Takes `cost` if it can be had, and says where the key stands.
    pub(crate) fn take(&self, count: Count, cost: u64, now: Micros) -> (Count, Standing) {
        let current = self.current(count, now);
        let left_us = current.end.saturating_sub(now.0);
        let wanted = current.used.saturating_add(cost);
        let allowed = wanted <= self.limit;
        let used = if allowed { wanted } else { current.used };
        let standing = Standing {
            allowed,
            remaining: self.limit.saturating_sub(used),
            reset_us: if used == 0 { 0 } else { left_us },
            retry_us: if allowed { 0 } else { left_us },
        };
        (Count { used, ..current }, standing)
    }

    /// Adds `more` units, whatever the limit is.
    pub(crate) fn add(&self, count: Count, more: u64, now: Micros) -> Count {
        let current = self.current(count, now);
        Count { used: current.used.saturating_add(more), ..current }
    }

    /// Gives back `units` that were taken at `at`: nothing, if that window is over.
    pub(crate) fn give_back(&self, count: Count, units: u64, at: Micros, now: Micros) -> Count {
        let current = self.current(count, now);
        let same = self.span.end(at).0 == current.end;
        Count { used: current.used.saturating_sub(if same { units } else { 0 }), ..current }
    }

    /// The count of the window that `now` lies in. A clock that lags behind another thread's counts in the later one.
    fn current(&self, count: Count, now: Micros) -> Count {
        let end = self.span.end(now).0;
        if count.end >= end { count } else { Count { end, used: 0 } }
    }
}
