//! Passive health: an endpoint whose answers stand out is taken out of its pool for a while.
//!
//! It costs no question, and it sees what requests see. Each endpoint is judged by its own streaks; how many may be out at
//! once is a matter of the pool ([`Ejections`]): what all endpoints do alike is no reason to take any out, and the
//! last one is never taken out. How long grows with repetition.

mod rules;

use std::time::{Duration, Instant};

pub use rules::{EjectionRules, RawEjection};

use crate::breaker::grown;
use crate::lease::EndpointId;
use crate::outcome::Streaks;

/// What an endpoint is taken out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conspicuous {
    /// Bad outcomes of any kind in a row.
    Consecutive5xx,
    /// Gateway errors in a row.
    ConsecutiveGateway,
}

/// When one endpoint is out, and how often it was.
#[derive(Debug, Default)]
pub(crate) struct Outlier {
    until: Option<Instant>,
    last: Option<Stay>,
    /// Ejections of which each came before the endpoint had been well for as long as the one before had lasted.
    times: u32,
}

/// An ejection of the past or the present.
#[derive(Debug, Clone, Copy)]
struct Stay {
    end: Instant,
    length: Duration,
}

/// Who of a pool is out.
#[derive(Debug, Default)]
pub(crate) struct Ejections {
    out: Vec<(EndpointId, Instant)>,
}

impl Conspicuous {
    pub(crate) const ALL: [Self; 2] = [Self::Consecutive5xx, Self::ConsecutiveGateway];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGateway => "consecutive_gateway",
        }
    }

    /// Whether streaks stand out by the rules.
    pub(crate) fn by(rules: &EjectionRules, streaks: Streaks) -> Option<Self> {
        let reaches = |streak: u32, most: u32| most > 0 && streak >= most;
        if reaches(streaks.gateway, rules.consecutive_gateway) {
            Some(Self::ConsecutiveGateway)
        } else {
            reaches(streaks.bad, rules.consecutive_5xx).then_some(Self::Consecutive5xx)
        }
    }
}

impl Outlier {
    /// Until when it is out, if it is.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Until when it would be out if it were taken out now.
    pub(crate) fn would_end(&self, rules: &EjectionRules, now: Instant) -> Instant {
        now + grown(rules.time, self.doublings(now), rules.up_to)
    }

    /// Takes it out.
    pub(crate) fn eject(&mut self, rules: &EjectionRules, now: Instant) {
        let end = self.would_end(rules, now);
        self.times = self.doublings(now).saturating_add(1);
        self.until = Some(end);
        self.last = Some(Stay { end, length: end.saturating_duration_since(now) });
    }

    /// Takes it back in once its time is over. True if that is now.
    pub(crate) fn end_if_over(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.until = None;
        }
        over
    }

    /// Takes it back in, whatever its time.
    pub(crate) fn end(&mut self) -> bool {
        self.until.take().is_some()
    }

    fn doublings(&self, now: Instant) -> u32 {
        match self.last {
            Some(last) if now < last.end + last.length => self.times,
            _ => 0,
        }
    }
}

impl Ejections {
    /// Whether one more may be out until `until`, beside at most `most - 1` others; it counts as out then.
    pub(crate) fn take_out(&mut self, id: EndpointId, until: Instant, most: usize, now: Instant) -> bool {
        self.out.retain(|(other, end)| *end > now && *other != id);
        let room = self.out.len() < most;
        if room {
            self.out.push((id, until));
        }
        room
    }

    /// Only those may be out that `is_member` says are in the pool.
    pub(crate) fn keep(&mut self, is_member: impl Fn(EndpointId) -> bool) {
        self.out.retain(|(id, _)| is_member(*id));
    }
}

#[cfg(test)]
mod tests;
