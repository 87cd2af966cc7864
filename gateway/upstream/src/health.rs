//! Active health: what an endpoint answers when it is asked.
//!
//! An endpoint of which nothing is known yet gets requests: a gateway that has just started must not refuse them. So many
//! bad answers in a row take an endpoint out, so many good ones take it in again; one answer alone changes nothing, except
//! that the first good one ends not knowing. Who asks, by which connection and when, is not known here; the answers come
//! by [`Endpoint::probed`](crate::Endpoint::probed).

mod check;

pub use check::{HealthCheck, RawHealth, RawStatus};

use crate::state::ProbedHealth;

/// What the answers of one endpoint amount to.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    health: ProbedHealth,
    /// Answers in a row that speak against `health`.
    against: u32,
}

impl Answers {
    pub(crate) fn health(&self) -> ProbedHealth {
        self.health
    }

    /// Takes note of an answer. True if the health changed by it.
    pub(crate) fn note(&mut self, check: &HealthCheck, good: bool) -> bool {
        let (turns_into, after) = match (self.health, good) {
            (ProbedHealth::Healthy, true) | (ProbedHealth::Unhealthy, false) => {
                self.against = 0;
                return false;
            }
            (ProbedHealth::Unknown, true) => (ProbedHealth::Healthy, 1),
            (ProbedHealth::Unhealthy, true) => (ProbedHealth::Healthy, check.healthy_after),
            (ProbedHealth::Unknown | ProbedHealth::Healthy, false) => (ProbedHealth::Unhealthy, check.unhealthy_after),
        };
        self.against += 1;
        let changed = self.against >= after;
        if changed {
            *self = Self { health: turns_into, against: 0 };
        }
        changed
    }

    /// Nothing is known any more: it is not asked now.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
