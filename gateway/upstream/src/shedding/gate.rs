//! The line of one upstream, as requests meet it.
//!
//! Where there is no limit, a request costs one look at a flag. Requests that came in then are not counted later, when a
//! reload sets a limit: until they have ended, the upstream may have as many more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::metrics::SheddingMetrics;
use crate::shedding::SheddingRules;
use crate::shedding::line::{Entry, Line, Ticket};

/// What becomes of a request that asks for an upstream.
#[derive(Debug)]
pub enum Admit {
    /// It may go on, and counts as in flight until the slot is dropped.
    Go(Slot),
    /// It may go on as soon as the waiter says so.
    Wait(Waiter),
    /// The upstream has enough to do: 503.
    Shed {
        /// Seconds for `Retry-After`; at least 1.
        retry_after_s: u32,
    },
}

/// A request's place among those in flight; free again when this is dropped.
#[derive(Debug)]
#[must_use = "dropped, it gives the place to the next"]
pub struct Slot {
    /// `None` where there was no limit when the request came.
    gate: Option<Arc<Gate>>,
}

/// A place in line. As a future it resolves to a [`Slot`], in the order in which requests came; it has no timer, so race it
/// against [`Waiter::deadline`] and call [`Waiter::gave_up`] when that passes. Dropped, it leaves the line.
#[derive(Debug)]
#[must_use = "dropped, it leaves the line"]
pub struct Waiter {
    gate: Arc<Gate>,
    /// `None` once the slot was handed out.
    ticket: Option<Ticket>,
    deadline: Instant,
}

/// The line of one upstream.
#[derive(Debug)]
pub(crate) struct Gate {
    limited: AtomicBool,
    line: Mutex<Line>,
    wait: Mutex<Duration>,
    metrics: SheddingMetrics,
}

impl Gate {
    pub(crate) fn new(metrics: SheddingMetrics) -> Self {
        let (line, wait) = (Mutex::new(Line::default()), Mutex::new(Duration::ZERO));
        Self { limited: AtomicBool::new(false), line, wait, metrics }
    }

    pub(crate) fn set_rules(&self, rules: Option<&SheddingRules>) {
        *self.wait.lock() = rules.map_or(Duration::ZERO, |rules| rules.wait);
        self.limited.store(rules.is_some(), Ordering::Relaxed);
        let wakers = {
            let mut line = self.line.lock();
            let wakers = line.set_rules(rules.cloned());
            self.metrics.set_waiting(line.waiting());
            wakers
        };
        for waker in wakers {
            waker.wake();
        }
    }

    pub(crate) fn admit(self: &Arc<Self>, now: Instant) -> Admit {
        if !self.limited.load(Ordering::Relaxed) {
            return Admit::Go(Slot { gate: None });
        }
        let entry = {
            let mut line = self.line.lock();
            let entry = line.enter();
            self.metrics.set_waiting(line.waiting());
            entry
        };
        match entry {
            Entry::In => Admit::Go(Slot { gate: Some(Arc::clone(self)) }),
            Entry::Waits(ticket) => {
                let deadline = now + *self.wait.lock();
                Admit::Wait(Waiter { gate: Arc::clone(self), ticket: Some(ticket), deadline })
            }
            Entry::Full => {
                self.metrics.full();
                Admit::Shed { retry_after_s: RETRY_AFTER_S }
            }
        }
    }

    /// Does `change` to the line, and wakes whom it says once the line is free again.
    fn change(&self, change: impl FnOnce(&mut Line) -> Option<std::task::Waker>) {
        let waker = {
            let mut line = self.line.lock();
            let waker = change(&mut line);
            self.metrics.set_waiting(line.waiting());
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// An overload lasts longer than the wait in line, which was not enough; how much longer, nobody knows.
const RETRY_AFTER_S: u32 = 1;

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.change(Line::leave);
        }
    }
}

impl Waiter {
    /// When the wait is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The deadline passed: the request leaves the line and is shed. Gives the seconds for `Retry-After`.
    #[expect(clippy::must_use_candidate, reason = "who has been waiting may as well answer otherwise")]
    pub fn gave_up(self) -> u32 {
        self.gate.metrics.waited_in_vain();
        RETRY_AFTER_S
    }
}

impl Future for Waiter {
    type Output = Slot;

    /// Not to be polled again after it was ready; it stays pending then.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Slot> {
        let Some(ticket) = self.ticket else { return Poll::Pending };
        if !self.gate.line.lock().claim(ticket, context.waker()) {
            return Poll::Pending;
        }
        self.ticket = None;
        Poll::Ready(Slot { gate: Some(Arc::clone(&self.gate)) })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.gate.change(|line| line.give_up(ticket));
        }
    }
}

#[cfg(test)]
mod tests;
