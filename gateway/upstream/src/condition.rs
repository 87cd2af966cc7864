//! How one endpoint is: the state machines of its breaker, its ejection, its health and its slow start, and what follows
//! from them for the next request.
//!
//! The machines are behind a lock of the endpoint's own, which outcomes take for a few comparisons. A choice takes none: what it
//! has to know is written out after every change into a few atomics, and of an endpoint with which nothing is the matter it
//! reads a single one. What changes by time alone (an ejection that is over, a breaker that may be probed) is written as the
//! time at which it changes. Only who is chosen although something is the matter *enters* under the lock, so that of two
//! requests that would both be the probe one is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::breaker::{Barred, Breaker, Pass, ProbeId, Turn};
use crate::common::{Common, Rules};
use crate::ejection::{Conspicuous, Outlier};
use crate::health::Answers;
use crate::lease::{Endpoint, EndpointId};
use crate::metrics::{AddressMetrics, Shown};
use crate::outcome::{Outcome, Streaks};
use crate::ramp;
use crate::state::{EndpointState, Force, ProbedHealth, RequestBody};

const UNHEALTHY: u8 = 1;
const BROKEN: u8 = 2;
const EJECTED: u8 = 4;
const RAMPING: u8 = 8;

/// A time that does not come.
const NEVER: u64 = u64::MAX;

/// What a choice looks at of every endpoint: a few bytes side by side, so that it costs one look into memory.
#[derive(Debug, Default)]
pub(crate) struct Glance {
    /// Requests in flight.
    pub(crate) in_flight: AtomicU32,
    /// What is the matter, of the four above.
    matters: AtomicU8,
}

#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) glance: Glance,
    /// With [`BROKEN`]: when the breaker may be probed.
    broken_until: AtomicU64,
    /// With [`BROKEN`]: when a request may probe it whose body is yet to come.
    broken_to_come_until: AtomicU64,
    /// With [`EJECTED`]: when the endpoint returns.
    ejected_until: AtomicU64,
    /// With [`RAMPING`]: when the slow start began; [`NEVER`]: it begins with the next look.
    ramp_from: AtomicU64,
    /// Apart from the above, so that a choice finds what it looks at side by side.
    known: Box<Mutex<Known>>,
    id: EndpointId,
    common: Arc<Common>,
    metrics: Arc<AddressMetrics>,
}

#[derive(Debug, Default)]
struct Known {
    streaks: Streaks,
    breaker: Breaker,
    outlier: Outlier,
    answers: Answers,
    ramping: bool,
    shown: Shown,
}

/// Whether an endpoint may be given a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes part in this share of the choices, of [`ramp::WHOLE`].
    Usable(u32),
    Unhealthy,
    Broken,
    Ejected,
}

/// How a request gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Free,
    /// As the probe of the breaker, whose outcome decides.
    AsProbe(ProbeId),
    Refused,
}

impl Condition {
    /// A new endpoint; `joins` where others are in the pool already, which slow start is for.
    pub(crate) fn new(
        id: EndpointId,
        joins: bool,
        force: Force,
        common: Arc<Common>,
        metrics: Arc<AddressMetrics>,
    ) -> Self {
        let mut known = Known { ramping: joins && common.slow_start_us() > 0, ..Known::default() };
        known.breaker.force(force);
        metrics.show(None, Some(known.shown));
        let condition = Self {
            glance: Glance::default(),
            broken_until: AtomicU64::new(0),
            broken_to_come_until: AtomicU64::new(0),
            ejected_until: AtomicU64::new(0),
            ramp_from: AtomicU64::new(NEVER),
            known: Box::new(Mutex::new(known)),
            id,
            common,
            metrics,
        };
        condition.publish(&mut condition.known.lock());
        condition
    }

    /// True if nothing is the matter. What choices ask first, and mostly all they ask.
    #[inline]
    pub(crate) fn is_well(&self) -> bool {
        self.glance.matters.load(Ordering::Acquire) == 0
    }

    /// Whether it may be given a request, without a lock. `in_need`: an ejection does not count.
    #[inline(never)]
    pub(crate) fn standing(&self, body: RequestBody, in_need: bool, now: Instant) -> Standing {
        let matters = self.glance.matters.load(Ordering::Acquire);
        if matters == 0 {
            return Standing::Usable(ramp::WHOLE);
        }
        if matters & UNHEALTHY != 0 {
            return Standing::Unhealthy;
        }
        let now_us = self.common.micros(now);
        let broken_until = match body {
            RequestBody::InHand => &self.broken_until,
            RequestBody::ToCome => &self.broken_to_come_until,
        };
        if matters & BROKEN != 0 && now_us < broken_until.load(Ordering::Relaxed) {
            return Standing::Broken;
        }
        let mut share = ramp::WHOLE;
        if matters & EJECTED != 0 {
            let until = self.ejected_until.load(Ordering::Relaxed);
            if now_us < until && !in_need {
                return Standing::Ejected;
            }
            share = ramp::share(now_us.saturating_sub(until), self.common.slow_start_us());
        }
        if matters & RAMPING != 0 {
            share = share.min(self.ramp_share(now_us));
        }
        Standing::Usable(share)
    }

    /// Lets a request in that this endpoint was chosen for, if nothing has changed since the choice.
    pub(crate) fn enter(&self, body: RequestBody, in_need: bool, now: Instant) -> Entry {
        if self.is_well() {
            return Entry::Free;
        }
        let mut known = self.known.lock();
        self.catch_up(&mut known, now);
        let out = known.outlier.until().is_some() && !in_need;
        if out || known.answers.health() == ProbedHealth::Unhealthy {
            return Entry::Refused;
        }
        match known.breaker.pass(body, now) {
            Pass::Free => Entry::Free,
            Pass::NotBefore(_) | Pass::No => Entry::Refused,
            Pass::AsProbe => {
                let probe = known.breaker.start_probe(body, now);
                self.publish(&mut known);
                probe.map_or(Entry::Refused, Entry::AsProbe)
            }
        }
    }

    /// Takes note of an outcome. Gives the streaks before it, for [`Condition::record_late`].
    pub(crate) fn record(&self, outcome: Outcome, probe: Option<ProbeId>, now: Instant) -> Streaks {
        self.common.begin(now);
        let mut known = self.known.lock();
        let before = known.streaks.record(outcome);
        self.judge(&mut known, outcome, probe, now);
        before
    }

    /// Takes note that a response broke off that was counted as good; `before` is what that gave.
    pub(crate) fn record_late(&self, before: Streaks, now: Instant) {
        let mut known = self.known.lock();
        known.streaks.record_late(before);
        self.judge(&mut known, Outcome::GatewayError, None, now);
    }

    /// The probe of the breaker ended without an outcome.
    pub(crate) fn give_back(&self, probe: ProbeId) {
        let mut known = self.known.lock();
        known.breaker.give_back(probe);
        self.publish(&mut known);
    }

    /// Takes note of an answer to the health check.
    pub(crate) fn answered(&self, good: bool, now: Instant) {
        self.metrics.probed(good);
        self.common.begin(now);
        let mut known = self.known.lock();
        // Read under the lock: `apply` comes either before, or after and forgets.
        let rules = self.common.rules();
        let Some(check) = &rules.health else { return };
        if known.answers.health() == ProbedHealth::Unknown && good {
            known.answers.note(check, good);
        } else if known.answers.note(check, good) && good {
            known.streaks = Streaks::default();
            self.start_slowly(&mut known, now);
        }
        self.publish(&mut known);
    }

    /// Orders the breaker.
    pub(crate) fn force(&self, force: Force) {
        let mut known = self.known.lock();
        known.breaker.force(force);
        known.streaks = Streaks::default();
        self.publish(&mut known);
    }

    /// Other rules count from now on: what was decided by rules that are gone is undone.
    pub(crate) fn apply(&self, rules: &Rules) {
        let mut known = self.known.lock();
        if rules.breaker.is_none() && known.breaker.forced() == Force::Auto {
            known.breaker.close();
        }
        if rules.health.is_none() {
            known.answers.forget();
        }
        if rules.ejection.is_none() {
            known.outlier.end();
        }
        self.publish(&mut known);
    }

    /// Writes down what has changed by time alone.
    pub(crate) fn refresh(&self, now: Instant) {
        if self.glance.matters.load(Ordering::Relaxed) & (EJECTED | RAMPING) != 0 {
            self.catch_up(&mut self.known.lock(), now);
        }
    }

    /// The endpoint as it stands, for operators.
    pub(crate) fn state(&self, endpoint: &Endpoint, now: Instant) -> EndpointState {
        let mut known = self.known.lock();
        self.catch_up(&mut known, now);
        let left = |until: Instant| until.saturating_duration_since(now);
        let standing = self.standing(RequestBody::InHand, false, now);
        EndpointState {
            id: endpoint.id(),
            address: endpoint.shared_address(),
            socket: endpoint.socket(),
            in_flight: endpoint.in_flight(),
            breaker: known.breaker.shown(),
            force: known.breaker.forced(),
            open_for: match known.breaker.pass(RequestBody::InHand, now) {
                Pass::NotBefore(until) => Some(left(until)),
                _ => None,
            },
            health: known.answers.health(),
            ejected_for: known.outlier.until().map(left),
            ramp_percent: match standing {
                Standing::Usable(share) => u8::try_from(share * 100 / ramp::WHOLE).unwrap_or(100),
                _ => 100,
            },
            usable: matches!(standing, Standing::Usable(_)),
        }
    }

    /// When it may be given a request again, in microseconds of the pool's time; `None`: only an answer or an operator
    /// can say.
    pub(crate) fn returns_at_us(&self) -> Option<u64> {
        let matters = self.glance.matters.load(Ordering::Acquire);
        let until = |matter, time: &AtomicU64| if matters & matter == 0 { 0 } else { time.load(Ordering::Relaxed) };
        let at = until(BROKEN, &self.broken_until).max(until(EJECTED, &self.ejected_until));
        (matters & UNHEALTHY == 0 && at != NEVER).then_some(at)
    }

    /// Breaker and ejection, after the streaks have counted the outcome.
    fn judge(&self, known: &mut Known, outcome: Outcome, probe: Option<ProbeId>, now: Instant) {
        let rules = self.common.rules();
        self.catch_up_silently(known, now);
        let streaks = known.streaks;
        let turn = rules.breaker.as_ref().and_then(|rules| known.breaker.record(rules, outcome, streaks, probe, now));
        match turn {
            Some(Turn::Opened) => self.metrics.breaker_opened(),
            Some(Turn::Closed) => self.start_slowly(known, now),
            None => {}
        }
        if outcome != Outcome::Good {
            self.eject_if_due(known, &rules, now);
        }
        self.publish(known);
    }

    fn eject_if_due(&self, known: &mut Known, rules: &Rules, now: Instant) {
        let Some(rules) = &rules.ejection else { return };
        let Some(why) = Conspicuous::by(rules, known.streaks).filter(|_| known.outlier.until().is_none()) else {
            return;
        };
        let members = self.common.members.load(Ordering::Relaxed);
        let end = known.outlier.would_end(rules, now);
        if self.common.ejections.lock().take_out(self.id, end, rules.most(members), now) {
            known.outlier.eject(rules, now);
            self.metrics.ejected(why);
        } else if members > 1 {
            self.metrics.ejection_withheld();
        }
    }

    fn catch_up(&self, known: &mut Known, now: Instant) {
        if self.catch_up_silently(known, now) {
            self.publish(known);
        }
    }

    /// Ends an ejection and a slow start whose time is over. True if there was one.
    fn catch_up_silently(&self, known: &mut Known, now: Instant) -> bool {
        let until = known.outlier.until();
        let returned = known.outlier.end_if_over(now);
        if returned {
            known.streaks = Streaks::default();
            self.start_slowly(known, until.unwrap_or(now));
        }
        let over = known.ramping && self.ramp_share(self.common.micros(now)) >= ramp::WHOLE;
        known.ramping &= !over;
        returned || over
    }

    fn start_slowly(&self, known: &mut Known, from: Instant) {
        known.ramping = self.common.slow_start_us() > 0;
        self.ramp_from.store(self.common.micros(from), Ordering::Relaxed);
    }

    /// The share in a slow start, which begins now if it has not begun.
    fn ramp_share(&self, now_us: u64) -> u32 {
        let began = self.ramp_from.compare_exchange(NEVER, now_us, Ordering::Relaxed, Ordering::Relaxed);
        ramp::share(now_us.saturating_sub(began.err().unwrap_or(now_us)), self.common.slow_start_us())
    }

    /// Writes out what the machines amount to: first the times, then that they count.
    fn publish(&self, known: &mut Known) {
        let mut matters = 0;
        if known.answers.health() == ProbedHealth::Unhealthy {
            matters |= UNHEALTHY;
        }
        for (body, broken_until) in
            [(RequestBody::InHand, &self.broken_until), (RequestBody::ToCome, &self.broken_to_come_until)]
        {
            let until = match known.breaker.barred(body) {
                Barred::Not => continue,
                Barred::Until(until) => self.common.micros(until),
                Barred::UntilFurther => NEVER,
            };
            matters |= BROKEN;
            broken_until.store(until, Ordering::Relaxed);
        }
        if let Some(until) = known.outlier.until() {
            matters |= EJECTED;
            self.ejected_until.store(self.common.micros(until), Ordering::Relaxed);
        }
        if known.ramping {
            matters |= RAMPING;
        }
        self.glance.matters.store(matters, Ordering::Release);
        let shown = Shown {
            breaker: known.breaker.shown(),
            unhealthy: matters & UNHEALTHY != 0,
            ejected: matters & EJECTED != 0,
        };
        if shown != known.shown {
            self.metrics.show(Some(known.shown), Some(shown));
            known.shown = shown;
        }
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        self.metrics.show(Some(self.known.get_mut().shown), None);
    }
}

#[cfg(test)]
mod tests;
