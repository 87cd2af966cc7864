//! What quotas do while Redis cannot be asked: what their `on_store_failure` says.

use std::sync::Arc;

use super::Group;
use super::verdict::Verdict;
use crate::micros::Micros;
use crate::raw::OnStoreFailure;
use crate::state::{Charge, Outcome, QuotaState, Source};

/// Seconds after which a client may ask again where a quota refuses for want of its store: by then the gateway has
/// tried to reach it several times.
const RETRY_AFTER_S: u64 = 1;

/// Decides about the quotas in `group`. Where one refuses, the memory of this gateway is not asked.
pub(super) fn decide(verdict: &mut Verdict<'_>, demand: &[Charge], group: &Group, instances: u32, now: Micros) {
    let mut own = Group::new();
    for index in group {
        let Some(charge) = demand.get(*index) else { continue };
        match charge.quota.on_store_failure {
            OnStoreFailure::Local => own.push(*index),
            OnStoreFailure::Allow => verdict.set(*index, without_count(charge, Outcome::Allowed)),
            OnStoreFailure::Deny => {
                verdict.set(*index, without_count(charge, Outcome::Unavailable.in_mode(charge.quota.mode)));
            }
        }
    }
    if !verdict.is_refusal() {
        verdict.take_local(demand, &own, instances, Source::Fallback, now);
    }
}

fn without_count(charge: &Charge, outcome: Outcome) -> QuotaState {
    let limit = charge.quota.rule.limit();
    let allowed = outcome == Outcome::Allowed;
    QuotaState {
        quota: Arc::clone(&charge.quota),
        outcome,
        limit,
        remaining: if allowed { limit } else { 0 },
        reset_s: 0,
        retry_after_s: if allowed { 0 } else { RETRY_AFTER_S },
        source: Source::Fallback,
    }
}
