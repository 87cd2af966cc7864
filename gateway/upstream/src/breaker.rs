//! The breaker of one endpoint: closed, open, half-open.
//!
//! Closed, requests pass, and failures are counted: so many in a row, or so great a share of the recent requests, open it.
//! Open, no request passes. When its time is over one request may probe the endpoint, and only one: until that has an
//! outcome nobody else passes (half-open). A good outcome closes the breaker, a bad one opens it for twice as long, up to a
//! bound. A probe that ends without an outcome (its client left) makes room for the next.
//!
//! What clients can bring about must not close an endpoint to others:
//!
//! - Only gateway errors count. A status of 500 (or any from 500 on but 502, 503, 504) may be what one kind of request gets: it is
//!   left out of the share of failures altogether, and of a probe it says that the endpoint is there.
//! - A request whose body is yet to come from its client takes as long as the client likes. It becomes the probe only where no
//!   other request has wanted to for `open_for` (an upstream that has nothing but uploads and sockets must recover, too), and
//!   the first request whose body is in hand takes the probe from it.
//! - A probe that has had no outcome for `open_for` makes room for another. Its outcome, should it come while the breaker is
//!   still half-open, counts: an endpoint that takes its time must be able to close its breaker.
//!
//! Outcomes of requests that were under way when it opened change nothing: they speak of the past.
//! An operator can force it open or closed. What happens meanwhile is not held against the endpoint afterwards.

mod rules;
mod window;

use std::time::{Duration, Instant};

pub use rules::{BreakerRules, RawBreaker};

use crate::outcome::{Outcome, Streaks};
use crate::state::{BreakerState, Force, RequestBody};
use window::Window;

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    force: Force,
    window: Window,
    /// How often it opened without closing in between.
    openings: u32,
    probes: u64,
    /// The last probe of the times before it opened.
    probes_before: u64,
    /// `open_for` of the rules by which it opened: how long a probe keeps others away, and a body that is to come from probing.
    patience: Duration,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        /// When it might be probed for the first time.
        since: Instant,
        probe: Option<Probe>,
    },
}

/// The request that probes a half-open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    id: ProbeId,
    /// When it has had its time.
    until: Instant,
    body: RequestBody,
}

/// Tells the probe of a half-open breaker from requests of other times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProbeId(u64);

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Free,
    /// As the probe, if nobody is faster.
    AsProbe,
    /// Not before this time.
    NotBefore(Instant),
    /// Not before something happens.
    No,
}

/// Until when nobody passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// All pass.
    Not,
    /// From this time on one may try.
    Until(Instant),
    /// Only an event can say.
    UntilFurther,
}

/// What an outcome did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Opened,
    Closed,
}

impl Breaker {
    pub(crate) fn pass(&self, body: RequestBody, now: Instant) -> Pass {
        match (self.barred(body), self.state) {
            (Barred::Not, _) => Pass::Free,
            (Barred::Until(until), _) if now >= until => Pass::AsProbe,
            (Barred::Until(_), State::Open { until }) if now < until => Pass::NotBefore(until),
            (Barred::Until(_) | Barred::UntilFurther, _) => Pass::No,
        }
    }

    /// For those that do not ask again at every moment: until when no request with such a body passes.
    pub(crate) fn barred(&self, body: RequestBody) -> Barred {
        let since = match (self.force, self.state) {
            (Force::Closed, _) | (Force::Auto, State::Closed) => return Barred::Not,
            (Force::Open, _) => return Barred::UntilFurther,
            (Force::Auto, State::HalfOpen { probe: Some(probe), .. })
                if body == RequestBody::ToCome || probe.body == RequestBody::InHand =>
            {
                probe.until
            }
            (Force::Auto, State::Open { until: since } | State::HalfOpen { since, .. }) => since,
        };
        match body {
            RequestBody::InHand => Barred::Until(since),
            RequestBody::ToCome => Barred::Until(since + self.patience),
        }
    }

    /// Lets one request through as the probe. `None` where it is not [`Pass::AsProbe`].
    pub(crate) fn start_probe(&mut self, body: RequestBody, now: Instant) -> Option<ProbeId> {
        let since = match self.state {
            State::Open { until } => until,
            State::HalfOpen { since, .. } => since,
            State::Closed => return None,
        };
        if self.pass(body, now) != Pass::AsProbe {
            return None;
        }
        self.probes += 1;
        let id = ProbeId(self.probes);
        self.state = State::HalfOpen { since, probe: Some(Probe { id, until: now + self.patience, body }) };
        Some(id)
    }

    /// The probe ended without an outcome.
    pub(crate) fn give_back(&mut self, probe: ProbeId) {
        if let State::HalfOpen { probe: current, .. } = &mut self.state
            && current.is_some_and(|current| current.id == probe)
        {
            *current = None;
        }
    }

    /// Takes note of an outcome; `streaks` counts it already.
    pub(crate) fn record(
        &mut self,
        rules: &BreakerRules,
        outcome: Outcome,
        streaks: Streaks,
        probe: Option<ProbeId>,
        now: Instant,
    ) -> Option<Turn> {
        if self.force != Force::Auto {
            return None;
        }
        match self.state {
            State::Closed => {
                if outcome == Outcome::ServerError {
                    return None;
                }
                self.window.add(rules.window, outcome == Outcome::GatewayError, now);
                self.is_too_much(rules, outcome, streaks, now).then(|| self.open(rules, now))
            }
            State::HalfOpen { .. } if probe.is_some_and(|ProbeId(number)| number > self.probes_before) => {
                if outcome == Outcome::GatewayError {
                    Some(self.open(rules, now))
                } else {
                    self.close();
                    Some(Turn::Closed)
                }
            }
            State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// What an operator orders. The breaker begins anew, closed, when it is left to itself again.
    pub(crate) fn force(&mut self, force: Force) {
        self.force = force;
        self.close();
    }

    /// Closes it, for want of rules by which it would.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.openings = 0;
        self.window.clear();
    }

    pub(crate) fn forced(&self) -> Force {
        self.force
    }

    /// How it stands, orders included.
    pub(crate) fn shown(&self) -> BreakerState {
        match (self.force, self.state) {
            (Force::Open, _) => BreakerState::Open,
            (Force::Closed, _) | (_, State::Closed) => BreakerState::Closed,
            (_, State::Open { .. }) => BreakerState::Open,
            (_, State::HalfOpen { .. }) => BreakerState::HalfOpen,
        }
    }

    fn is_too_much(&mut self, rules: &BreakerRules, outcome: Outcome, streaks: Streaks, now: Instant) -> bool {
        if outcome != Outcome::GatewayError {
            return false;
        }
        if rules.consecutive > 0 && streaks.gateway >= rules.consecutive {
            return true;
        }
        let (requests, failures) = self.window.totals(now);
        !rules.error_rate.is_zero()
            && requests >= u64::from(rules.min_requests)
            && rules.error_rate.is_reached_by(failures, requests)
    }

    fn open(&mut self, rules: &BreakerRules, now: Instant) -> Turn {
        self.state = State::Open { until: now + grown(rules.open_for, self.openings, rules.open_up_to) };
        self.openings = self.openings.saturating_add(1);
        self.probes_before = self.probes;
        self.patience = rules.open_for;
        self.window.clear();
        Turn::Opened
    }
}

/// `first`, doubled so many times, up to `most`.
pub(crate) fn grown(first: Duration, doublings: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most.max(first))
}

#[cfg(test)]
mod tests;
