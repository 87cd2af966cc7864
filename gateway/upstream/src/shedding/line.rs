//! Who is in and who waits, as a state machine: first come, first served.
//!
//! Tickets are numbers that grow; the line is in their order, so one is found by bisection. A place that becomes free is
//! given to the first in line at once, and counts as taken from then on: nobody who comes later can be faster.

use std::collections::VecDeque;
use std::task::Waker;

use crate::shedding::SheddingRules;

#[derive(Debug, Default)]
pub(crate) struct Line {
    rules: Option<SheddingRules>,
    /// Places taken, those of `called` included.
    taken: u32,
    waiting: VecDeque<Waiting>,
    /// Who has been given a place and has not come for it; as short as wakers are quick.
    called: Vec<Ticket>,
    next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    waker: Option<Waker>,
}

/// What becomes of a request that asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It has a place.
    In,
    /// It waits.
    Waits(Ticket),
    /// The line is full.
    Full,
}

impl Line {
    pub(crate) fn enter(&mut self) -> Entry {
        let Some(rules) = &self.rules else {
            self.taken += 1;
            return Entry::In;
        };
        // Nobody waits while there is a place; so who finds one has overtaken nobody.
        if self.taken < rules.max_in_flight {
            self.taken += 1;
            return Entry::In;
        }
        if self.waiting.len() >= rules.max_waiting as usize || rules.wait.is_zero() {
            return Entry::Full;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back(Waiting { ticket, waker: None });
        Entry::Waits(ticket)
    }

    /// A place has become free. Whom to wake, if anybody.
    pub(crate) fn leave(&mut self) -> Option<Waker> {
        self.taken = self.taken.saturating_sub(1);
        self.call()
    }

    /// Takes the place that the ticket was called for; `waker` is kept where it was not called yet.
    pub(crate) fn claim(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        if let Some(at) = self.called.iter().position(|called| *called == ticket) {
            self.called.swap_remove(at);
            return true;
        }
        if let Ok(at) = self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket)
            && let Some(waiting) = self.waiting.get_mut(at)
        {
            waiting.waker = Some(waker.clone());
        }
        false
    }

    /// The ticket's holder goes away. A place that it was called for goes to the next.
    pub(crate) fn give_up(&mut self, ticket: Ticket) -> Option<Waker> {
        if let Some(at) = self.called.iter().position(|called| *called == ticket) {
            self.called.swap_remove(at);
            return self.leave();
        }
        if let Ok(at) = self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            self.waiting.remove(at);
        }
        None
    }

    /// Other rules from now on. Who waits and has a place by them is called; the rest stays in line, even where it is now
    /// longer than it may become.
    pub(crate) fn set_rules(&mut self, rules: Option<SheddingRules>) -> Vec<Waker> {
        self.rules = rules;
        let mut wakers = Vec::new();
        loop {
            let before = self.waiting.len();
            wakers.extend(self.call());
            if self.waiting.len() == before {
                return wakers;
            }
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Calls the first in line, if there is a place.
    fn call(&mut self) -> Option<Waker> {
        if self.rules.as_ref().is_some_and(|rules| self.taken >= rules.max_in_flight) {
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.taken += 1;
        self.called.push(first.ticket);
        first.waker
    }
}

#[cfg(test)]
mod tests;
