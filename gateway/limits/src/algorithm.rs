//! How quotas count: pure functions over a few words of state, exact in integers.
//!
//! Each algorithm answers the same question: of `cost` units now, are they allowed, what is left after it, and when is
//! there more? ([`Standing`]). Where a rate is not whole in microseconds (7 in 60 s), remainders are kept as fractions
//! of a microsecond with the limit below the line, so nothing is ever rounded in the client's favour or against it.
//!
//! Never here: keys, memory, locks, clocks.

pub(crate) mod gcra;
pub(crate) mod sliding_log;
pub(crate) mod span;
pub(crate) mod window;

pub use span::{Calendar, Span};

use crate::micros::Micros;

/// How a quota counts, and up to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A bucket of `burst` units that fills by `limit` in each period.
    Gcra {
        /// Units in each period.
        limit: u64,
        /// Units at once.
        burst: u64,
        /// Microseconds.
        period_us: u64,
    },
    /// At most `limit` units in any period, wherever it begins.
    SlidingLog {
        /// Units.
        limit: u64,
        /// Microseconds.
        period_us: u64,
    },
    /// At most `limit` units from one fixed moment to the next.
    Window {
        /// Units.
        limit: u64,
        /// From which moment to which.
        span: Span,
    },
    /// At most `limit` requests at the same time.
    Concurrency {
        /// Requests.
        limit: u64,
    },
}

/// Where one key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether the cost that was asked about can be had.
    pub(crate) allowed: bool,
    /// Units that can be had; where the cost was taken, after it.
    pub(crate) remaining: u64,
    /// Microseconds until more than `remaining` can be had; 0 if nothing is taken.
    pub(crate) reset_us: u64,
    /// Microseconds until the cost could be had; 0 if it can.
    pub(crate) retry_us: u64,
}

impl Rule {
    /// Units that `q` of `RateLimit-Policy` shows.
    pub fn limit(&self) -> u64 {
        match *self {
            Self::Gcra { limit, .. }
            | Self::SlidingLog { limit, .. }
            | Self::Window { limit, .. }
            | Self::Concurrency { limit } => limit,
        }
    }

    /// Seconds that `w` of `RateLimit-Policy` shows, rounded up: the longest that its span can be.
    pub fn window_s(&self) -> Option<u64> {
        match *self {
            Self::Gcra { period_us, .. } | Self::SlidingLog { period_us, .. } => {
                Some(period_us.div_ceil(Micros::SECOND))
            }
            Self::Window { span, .. } => Some(span.longest_s()),
            Self::Concurrency { .. } => None,
        }
    }

    /// Units that a key which never asked can have at once.
    pub fn most_at_once(&self) -> u64 {
        match *self {
            Self::Gcra { burst, .. } => burst,
            _ => self.limit(),
        }
    }

    /// True if it counts requests in flight.
    pub fn is_concurrency(&self) -> bool {
        matches!(self, Self::Concurrency { .. })
    }

    /// The share of one among `instances` gateways: rounded up, so that none is left with nothing.
    #[must_use]
    pub fn share(&self, instances: u32) -> Self {
        let of = |units: u64| units.div_ceil(u64::from(instances.max(1)));
        match *self {
            Self::Gcra { limit, burst, period_us } => Self::Gcra { limit: of(limit), burst: of(burst), period_us },
            Self::SlidingLog { limit, period_us } => Self::SlidingLog { limit: of(limit), period_us },
            Self::Window { limit, span } => Self::Window { limit: of(limit), span },
            Self::Concurrency { limit } => Self::Concurrency { limit: of(limit) },
        }
    }
}

/// `limit` at the same time, of which `held` are taken.
pub(crate) fn concurrency(limit: u64, held: u64, cost: u64) -> Standing {
    /// Nobody knows when a request in flight ends.
    const RETRY_US: u64 = Micros::SECOND;
    let allowed = held.checked_add(cost).is_some_and(|held| held <= limit);
    let taken = if allowed { held.saturating_add(cost) } else { held };
    let retry_us = if allowed { 0 } else { RETRY_US };
    Standing { allowed, remaining: limit.saturating_sub(taken), reset_us: 0, retry_us }
}
