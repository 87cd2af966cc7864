//! The counts of this gateway: exact, in memory, within a bound.
//!
//! Keys lie in 64 shards, each behind its own lock. A request locks the shards of all its quotas at once, in their
//! order, so that either all of them are charged or none, and no thread ever sees half of it. What it costs is a few
//! cache lines; nothing is allocated unless a table grows.
//!
//! When the memory is full, idle keys give way: those that a key which never asked could not be told from. They are
//! found exactly (see `table`). Where none is idle, the quota chooses ([`AtBound`]): a refusal, or one bucket that all
//! its further keys share. A live key is never forgotten, so no flood gives anybody a fresh quota.

mod chunks;
mod shard;
mod table;

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use crate::algorithm::{Rule, Standing};
use crate::key::KeyHash;
use crate::limits::Occupancy;
use crate::metrics::Metrics;
use crate::micros::Micros;
use crate::quota::{Cost, Quota};
use crate::raw::AtBound;
use crate::state::{Actual, Charge, Held, Outcome, QuotaState, Source};
use shard::{Bound, Shard, Tried, Undo, slot_key};

const SHARDS: usize = 64;

/// Names the bucket that the keys of a quota share which found memory full. No key of a client hashes to it but by a
/// chance of 2^-127.
const OVERFLOW: [u64; 2] = [0x6f76_6572_666c_6f77, 0];

/// How long a client is told to wait at most when memory is full, in seconds.
const LONGEST_WAIT_AT_BOUND_S: u64 = 60;

/// The counts of this gateway.
#[derive(Debug)]
pub(crate) struct Local {
    shards: Box<[Mutex<Shard>]>,
    bound_bytes: usize,
    metrics: Metrics,
}

/// What was decided, and what was taken for it.
pub(crate) type Taken = (SmallVec<[QuotaState; 4]>, SmallVec<[Held; 4]>);

/// A charge on its way.
struct Item<'a> {
    charge: &'a Charge,
    rule: Rule,
    slot: [u64; 2],
    /// It goes to the bucket of those that found memory full.
    overflow: bool,
    outcome: Outcome,
    standing: Standing,
    undo: Option<Undo>,
}

/// Locks on the shards of a request, in their order.
type Locked<'a> = SmallVec<[(usize, MutexGuard<'a, Shard>); 4]>;

impl Local {
    /// Counts that take at most `memory_bytes`. Nothing is taken before keys come.
    pub(crate) fn new(memory_bytes: usize, metrics: Metrics) -> Self {
        // A sixteenth is left for tables that exist twice while they grow: eight of them at the same time.
        let bytes = (memory_bytes - memory_bytes / 16) / SHARDS;
        // A quarter of the rest is out of reach of the table, so that floods leave sliding logs room for moments.
        let bound = Bound { bytes, table_bytes: bytes / 4 * 3 };
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(bound))).collect();
        Self { shards, bound_bytes: memory_bytes, metrics }
    }

    /// Takes all of `demand`, or nothing of it where a quota that enforces refuses. `share`: among how many gateways
    /// the limits are shared out.
    pub(crate) fn take(&self, demand: &[Charge], share: u32, source: Source, now: Micros) -> Taken {
        let mut items: SmallVec<[Item<'_>; 4]> = demand.iter().map(|charge| Item::new(charge, share)).collect();
        // Each round sends one more item to its overflow bucket.
        for _ in 0..=items.len() {
            let mut locked = self.lock(items.iter().map(|item| shard_of(item.slot)));
            let full = attempt(&mut items, &mut locked, now);
            self.account(&mut locked);
            let Some(full) = full else { break };
            self.metrics.at_bound(&full.charge.quota);
            full.overflow_or_refuse(now);
        }
        let states = items.iter().map(|item| item.state(source, now)).collect();
        let held = items.iter().filter_map(|item| item.held(share, source, now)).collect();
        (states, held)
    }

    /// Where a key stands; takes nothing.
    pub(crate) fn peek(&self, quota: &Arc<Quota>, key: KeyHash, now: Micros) -> QuotaState {
        let cost = match quota.cost {
            Cost::Units(units) => units,
            _ => quota.reserve,
        };
        let charge = Charge { quota: Arc::clone(quota), key, cost };
        let mut item = Item::new(&charge, 1);
        let locked = self.shards.get(shard_of(item.slot)).map(Mutex::lock);
        if let Some(shard) = locked {
            item.look(&shard, now);
        }
        item.state(Source::Local, now)
    }

    /// Replaces what was taken by what it cost; frees concurrency.
    pub(crate) fn settle(&self, held: &Held, actual: &Actual, now: Micros) {
        if held.quota.rule.is_concurrency() {
            return self.abandon(held);
        }
        let Some(cost) = held.quota.final_cost(held.cost, actual) else { return };
        self.correct(held, cost, now);
    }

    /// Frees concurrency, and leaves the rest.
    pub(crate) fn abandon(&self, held: &Held) {
        if held.quota.rule.is_concurrency() {
            let mut locked = self.lock(std::iter::once(shard_of(held.slot)));
            for (_, shard) in &mut locked {
                shard.release(held.slot, held.cost);
            }
            self.account(&mut locked);
        }
    }

    /// Takes back what [`Local::take`] took, because another store refused.
    pub(crate) fn cancel(&self, held: &Held, now: Micros) {
        if held.quota.rule.is_concurrency() { self.abandon(held) } else { self.correct(held, 0, now) }
    }

    /// How full the memory is.
    pub(crate) fn occupancy(&self) -> Occupancy {
        let mut occupancy = Occupancy { bound_bytes: self.bound_bytes, ..Occupancy::default() };
        for shard in &self.shards {
            let shard = shard.lock();
            occupancy.keys += shard.keys();
            occupancy.bytes += shard.bytes();
        }
        occupancy
    }

    fn correct(&self, held: &Held, cost: u64, now: Micros) {
        let rule = held.quota.rule.share(held.share);
        let mut locked = self.lock(std::iter::once(shard_of(held.slot)));
        for (_, shard) in &mut locked {
            if cost < held.cost {
                shard.give_back(held.slot, &rule, held.cost - cost, held.at, now);
            } else if cost > held.cost && !shard.add(held.slot, &rule, cost - held.cost, now) {
                self.metrics.at_bound(&held.quota);
            }
        }
        self.account(&mut locked);
    }

    fn lock(&self, shards: impl Iterator<Item = usize>) -> Locked<'_> {
        let mut indices: SmallVec<[usize; 4]> = shards.collect();
        indices.sort_unstable();
        indices.dedup();
        indices.iter().filter_map(|index| Some((*index, self.shards.get(*index)?.lock()))).collect()
    }

    fn account(&self, locked: &mut Locked<'_>) {
        for (_, shard) in locked {
            let change = shard.account();
            if change.keys != 0 {
                self.metrics.keys.inc_by(change.keys);
            }
            if change.bytes != 0 {
                self.metrics.bytes.inc_by(change.bytes);
            }
            if change.evicted != 0 {
                self.metrics.evictions.inc_by(change.evicted);
            }
        }
    }
}

/// Tries all items. Returns the one that found memory full, with nothing taken; otherwise each item is decided.
fn attempt<'i, 'a>(items: &'i mut [Item<'a>], locked: &mut Locked<'_>, now: Micros) -> Option<&'i mut Item<'a>> {
    let mut full = None;
    for (index, item) in items.iter_mut().enumerate() {
        if item.outcome == Outcome::AtBound {
            continue;
        }
        let Some(shard) = shard_in(locked, item.slot) else { continue };
        if item.take(shard, now).is_err() {
            full = Some(index);
            break;
        }
    }
    let refused = items.iter().any(|item| item.outcome.in_mode(item.charge.quota.mode).is_refusal());
    if refused || full.is_some() {
        for item in items.iter_mut().rev() {
            let Some(shard) = shard_in(locked, item.slot) else { continue };
            item.undo(shard, now);
        }
    }
    full.and_then(|index| items.get_mut(index))
}

fn shard_in<'l>(locked: &'l mut Locked<'_>, slot: [u64; 2]) -> Option<&'l mut Shard> {
    let index = shard_of(slot);
    locked.iter_mut().find(|(other, _)| *other == index).map(|(_, shard)| &mut **shard)
}

/// By the lower bits of a word whose upper bits place the key in its table.
fn shard_of([_, high]: [u64; 2]) -> usize {
    usize::try_from(high % SHARDS as u64).unwrap_or(0)
}

impl<'a> Item<'a> {
    fn new(charge: &'a Charge, share: u32) -> Self {
        let rule = if share == 1 { charge.quota.rule } else { charge.quota.rule.share(share) };
        Self {
            charge,
            rule,
            slot: slot_key(charge.key.words(), charge.quota.fingerprint(), &rule),
            overflow: false,
            outcome: Outcome::Allowed,
            standing: Standing { allowed: true, remaining: 0, reset_us: 0, retry_us: 0 },
            undo: None,
        }
    }

    /// Tries to take it. `Err` if there is no memory for it, with the standing that it would have then.
    fn take(&mut self, shard: &mut Shard, now: Micros) -> Result<(), ()> {
        match shard.take(self.slot, &self.rule, self.charge.cost, self.overflow, now) {
            Tried::Taken(standing, undo) => {
                (self.standing, self.outcome, self.undo) = (standing, Outcome::Allowed, Some(undo));
                Ok(())
            }
            Tried::Refused(standing) => {
                (self.standing, self.outcome, self.undo) = (standing, Outcome::Refused, None);
                Ok(())
            }
            Tried::Full(until) => {
                let wait_us = until.0.saturating_sub(now.0);
                self.standing = Standing { allowed: false, remaining: 0, reset_us: 0, retry_us: wait_us };
                Err(())
            }
        }
    }

    /// Takes it back, if it was taken.
    fn undo(&mut self, shard: &mut Shard, now: Micros) {
        if let Some(undo) = self.undo.take() {
            shard.undo(self.slot, undo);
            let untouched = shard.peek(self.slot, &self.rule, 0, now);
            self.standing = Standing { allowed: true, retry_us: 0, ..untouched };
        }
    }

    /// Looks where it stands.
    fn look(&mut self, shard: &Shard, now: Micros) {
        let asked = shard.peek(self.slot, &self.rule, self.charge.cost, now);
        let untouched = shard.peek(self.slot, &self.rule, 0, now);
        self.outcome = if asked.allowed { Outcome::Allowed } else { Outcome::Refused };
        self.standing = Standing { allowed: asked.allowed, retry_us: asked.retry_us, ..untouched };
    }

    /// What a new key gets when memory is full.
    fn overflow_or_refuse(&mut self, now: Micros) {
        if self.charge.quota.at_bound == AtBound::Shared && !self.overflow {
            self.overflow = true;
            self.slot = slot_key(OVERFLOW, self.charge.quota.fingerprint(), &self.rule);
            return;
        }
        let longest_us = LONGEST_WAIT_AT_BOUND_S * Micros::SECOND;
        debug_assert!(now.0 > 0, "a clock since the epoch");
        self.outcome = Outcome::AtBound;
        self.standing.retry_us = self.standing.retry_us.min(longest_us);
    }

    fn state(&self, source: Source, now: Micros) -> QuotaState {
        let outcome = self.outcome.in_mode(self.charge.quota.mode);
        let seconds = |wait_us: u64| Micros(now.0.saturating_add(wait_us)).seconds_from(now);
        QuotaState {
            quota: Arc::clone(&self.charge.quota),
            outcome,
            limit: self.rule.limit(),
            remaining: self.standing.remaining,
            reset_s: seconds(self.standing.reset_us),
            retry_after_s: if outcome == Outcome::Allowed { 0 } else { seconds(self.standing.retry_us).max(1) },
            source,
        }
    }

    fn held(&self, share: u32, source: Source, now: Micros) -> Option<Held> {
        self.undo?;
        Some(Held {
            quota: Arc::clone(&self.charge.quota),
            key: self.charge.key,
            cost: self.charge.cost,
            at: now,
            source,
            slot: self.slot,
            share,
            lease: 0,
        })
    }
}
