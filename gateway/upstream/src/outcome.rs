//! What one attempt says about its endpoint, and how often the same was said in a row.
//!
//! Two grades of bad. *Gateway* errors (no connection, no answer in time, a broken one, 502, 503, 504) mean that the endpoint
//! cannot do its work. Other statuses from 500 on may be the fault of one kind of request: a client that knows how to provoke a
//! 500 must not be able to close the endpoint to everybody. Such answers count for ejection alone, which leaves one endpoint in
//! the pool whatever happens; the breaker does not count them at all.
//! 501 and 505 say what the request was, not how the endpoint is.

use crate::metrics::Failure;

/// What an attempt says about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Good,
    /// A status from 500 on that is none of the others.
    ServerError,
    /// No answer, or 502, 503, 504.
    GatewayError,
}

/// Bad outcomes in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Streaks {
    /// [`Outcome::GatewayError`] and nothing else.
    pub(crate) gateway: u32,
    /// Anything but [`Outcome::Good`].
    pub(crate) bad: u32,
}

impl Outcome {
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            502..=504 => Self::GatewayError,
            501 | 505 => Self::Good,
            500..=599 => Self::ServerError,
            _ => Self::Good,
        }
    }

    /// What a failure after the header of a response says: nothing where a client that reads slowly can bring it about.
    pub(crate) fn of_late_failure(failure: Failure) -> Option<Self> {
        match failure {
            Failure::Closed | Failure::Protocol | Failure::ReadTimeout => Some(Self::GatewayError),
            _ => None,
        }
    }

    /// What a failure before the header of a response says. That a kept connection was closed meanwhile says nothing: the
    /// endpoint may close one that is idle, and does so when it restarts.
    pub(crate) fn of_failure(failure: Failure, reused: bool) -> Option<Self> {
        match failure {
            Failure::Closed if reused => None,
            _ => Some(Self::GatewayError),
        }
    }
}

impl Streaks {
    /// Counts an outcome; gives what stood before it.
    pub(crate) fn record(&mut self, outcome: Outcome) -> Self {
        let before = *self;
        *self = match outcome {
            Outcome::Good => Self::default(),
            Outcome::ServerError => Self { gateway: 0, bad: before.bad.saturating_add(1) },
            Outcome::GatewayError => {
                Self { gateway: before.gateway.saturating_add(1), bad: before.bad.saturating_add(1) }
            }
        };
        before
    }

    /// A response broke off that had been counted as good when its header came; `before` is what stood then. An endpoint
    /// that breaks off every response has a streak that way, though each of them began well.
    pub(crate) fn record_late(&mut self, before: Self) {
        let further = |now: u32, before: u32| now.max(before).saturating_add(1);
        *self = Self { gateway: further(self.gateway, before.gateway), bad: further(self.bad, before.bad) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (status, expect) in [
            (101, Outcome::Good),
            (200, Outcome::Good),
            (404, Outcome::Good),
            (429, Outcome::Good),
            (500, Outcome::ServerError),
            (501, Outcome::Good),
            (502, Outcome::GatewayError),
            (503, Outcome::GatewayError),
            (504, Outcome::GatewayError),
            (505, Outcome::Good),
            (507, Outcome::ServerError),
            (599, Outcome::ServerError),
            (600, Outcome::Good),
        ] {
            assert_eq!(Outcome::of_status(status), expect, "{status}");
        }
    }

    #[test]
    fn failures() {
        for failure in Failure::ALL {
            assert_eq!(Outcome::of_failure(failure, false), Some(Outcome::GatewayError), "{failure:?}");
            let stale = failure == Failure::Closed;
            assert_eq!(Outcome::of_failure(failure, true).is_none(), stale, "{failure:?} on a kept connection");
        }
        let late = Failure::ALL.map(Outcome::of_late_failure).into_iter().flatten().count();
        assert_eq!(late, 3);
        assert_eq!(Outcome::of_late_failure(Failure::TotalTimeout), None, "the client may have read slowly");
    }

    #[test]
    fn streaks() {
        let mut streaks = Streaks::default();
        let mut after = |outcome| {
            streaks.record(outcome);
            (streaks.gateway, streaks.bad)
        };
        assert_eq!(after(Outcome::GatewayError), (1, 1));
        assert_eq!(after(Outcome::GatewayError), (2, 2));
        assert_eq!(after(Outcome::ServerError), (0, 3));
        assert_eq!(after(Outcome::GatewayError), (1, 4));
        assert_eq!(after(Outcome::Good), (0, 0));
    }

    #[test]
    fn responses_that_all_break_off_make_a_streak() {
        let mut streaks = Streaks::default();
        for round in 1..=5 {
            let before = streaks.record(Outcome::Good);
            streaks.record_late(before);
            assert_eq!((streaks.gateway, streaks.bad), (round, round));
        }
        // The same with several under way at a time.
        let before = [streaks.record(Outcome::Good), streaks.record(Outcome::Good)];
        for before in before {
            streaks.record_late(before);
        }
        assert_eq!(streaks.gateway, 7);
    }
}
