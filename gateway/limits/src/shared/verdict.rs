//! The decision about a request while it comes together from several deciders.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Shared;
use super::scripts::Reply;
use crate::algorithm::{Rule, Standing};
use crate::local::Local;
use crate::micros::Micros;
use crate::raw::OnStoreFailure;
use crate::state::{Charge, Demand, Held, Outcome, QuotaState, Source};

/// The states of a demand's quotas, and what was taken. One that is dropped, because nobody waits for the decision any
/// more, frees the concurrency that it holds.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    states: SmallVec<[Option<QuotaState>; 4]>,
    held: SmallVec<[Held; 4]>,
    shared: &'a Shared,
    local: &'a Local,
}

impl Drop for Verdict<'_> {
    fn drop(&mut self) {
        for held in &self.held {
            match held.source {
                Source::Redis => self.shared.abandon(held),
                Source::Local | Source::Fallback => self.local.abandon(held),
            }
        }
    }
}

impl<'a> Verdict<'a> {
    pub(super) fn new(quotas: usize, shared: &'a Shared, local: &'a Local) -> Self {
        Self { states: (0..quotas).map(|_| None).collect(), held: SmallVec::new(), shared, local }
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.states.iter().flatten().any(|state| state.outcome.is_refusal())
    }

    pub(super) fn set(&mut self, index: usize, state: QuotaState) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = Some(state);
        }
    }

    /// Asks this gateway's memory about some of the quotas.
    pub(super) fn take_local(
        &mut self,
        demand: &[Charge],
        group: &[usize],
        instances: u32,
        source: Source,
        now: Micros,
    ) {
        if group.is_empty() {
            return;
        }
        let part: Demand = group.iter().filter_map(|index| demand.get(*index)).cloned().collect();
        let (states, held) = self.local.take(&part, instances, source, now);
        for (index, state) in group.iter().zip(states) {
            self.set(*index, state);
        }
        self.held.extend(held);
    }

    /// Takes over what Redis said about some of the quotas.
    pub(super) fn add_shared(&mut self, demand: &[Charge], group: &[usize], reply: &Reply, leases: &[u64]) {
        let charges = || group.iter().filter_map(|index| demand.get(*index));
        let states: SmallVec<[QuotaState; 4]> = charges()
            .zip(&reply.standings)
            .map(|(charge, standing)| state_of(charge, standing, Source::Redis))
            .collect();
        if !states.iter().any(|state| state.outcome.is_refusal()) {
            for ((charge, state), lease) in charges().zip(&states).zip(leases) {
                if state.outcome == Outcome::Allowed {
                    self.held.push(Held::shared(charge, reply.now, *lease));
                }
            }
        }
        for (index, state) in group.iter().zip(states) {
            self.set(*index, state);
        }
    }

    /// Charges what Redis allowed to this gateway's share as well, where the share decides without Redis. A share that
    /// is spent stays spent: Redis has the last word while it is there.
    pub(super) fn mirror(&mut self, instances: u32, now: Micros) {
        let mut mirrored: SmallVec<[Held; 4]> = SmallVec::new();
        for held in &self.held {
            let quota = &held.quota;
            let by_share = held.source == Source::Redis && quota.on_store_failure == OnStoreFailure::Local;
            if by_share && !quota.rule.is_concurrency() {
                let charge = Charge { quota: Arc::clone(quota), key: held.key, cost: held.cost };
                let (_, taken) = self.local.take(std::slice::from_ref(&charge), instances, Source::Fallback, now);
                mirrored.extend(taken);
            }
        }
        // Settled like everything that was taken.
        self.held.append(&mut mirrored);
    }

    /// Gives everything back that was taken.
    pub(super) fn give_back(&mut self, now: Micros) {
        for held in self.held.drain(..) {
            match held.source {
                Source::Redis => self.shared.cancel(&held),
                Source::Local | Source::Fallback => self.local.cancel(&held, now),
            }
        }
    }

    /// The states in the order of the demand, and what was taken.
    pub(crate) fn into_parts(mut self) -> (SmallVec<[QuotaState; 4]>, SmallVec<[Held; 4]>) {
        (std::mem::take(&mut self.states).into_iter().flatten().collect(), std::mem::take(&mut self.held))
    }
}

/// A quota's decision from where its key stands.
pub(super) fn state_of(charge: &Charge, standing: &Standing, source: Source) -> QuotaState {
    let quota = Arc::clone(&charge.quota);
    let outcome = if standing.allowed { Outcome::Allowed } else { Outcome::Refused }.in_mode(quota.mode);
    let retry_us = match quota.rule {
        // It will never be had: as the memory of a gateway says it, too.
        Rule::Gcra { burst, period_us, .. } if charge.cost > burst => period_us,
        _ => standing.retry_us,
    };
    let retry_after_s = if standing.allowed { 0 } else { seconds(retry_us).max(1) };
    QuotaState {
        limit: quota.rule.limit(),
        remaining: standing.remaining,
        reset_s: seconds(standing.reset_us),
        retry_after_s,
        outcome,
        source,
        quota,
    }
}

fn seconds(span_us: u64) -> u64 {
    span_us.div_ceil(Micros::SECOND)
}
