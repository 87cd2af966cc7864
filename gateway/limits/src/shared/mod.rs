//! Quotas that several gateways count together, in Redis.
//!
//! One script decides about all quotas of a request that lie in one slot: all of them are charged, or none, by the
//! clock of the server. Without a cluster there is one slot, so a request costs one round trip however many quotas it
//! has. In a cluster the first part of a key chooses the slot ([`KeyHash::partition`](crate::KeyHash::partition)):
//! quotas whose keys begin with the same part, such as the client's address, share one. Where a request draws on
//! several slots they are charged in turn, and given back in the background if a later one refuses.
//!
//! Redis is asked with one deadline. What it cannot answer is decided as the quota's `on_store_failure` says: by this
//! gateway's share of the limit in its own memory, by letting pass, or by refusing. Once the store's breaker is open,
//! nothing is asked and the fallback costs what a local decision costs; when it closes, Redis decides again. What Redis
//! allows is charged to that share, too: who has spent it gains nothing when Redis goes away. What was allowed without
//! Redis is not told to it afterwards, so while an outage begins or ends a key may get up to the shares beyond its
//! limit. Requests in flight are not mirrored.
//!
//! Names of keys hold the fingerprint of the quota and the keyed hash of whom it is about; values are numbers. Never
//! here: a clear key, or a request that fails because Redis did (unless its quota says so). Counts are not sealed, since
//! a script has to read them: who can write to Redis can make a quota look spent or unspent, and nothing else.

mod fallback;
mod scripts;
mod settlement;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rampart_store::{Arg, Key, Redis, Script, Unavailable};
use smallvec::SmallVec;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout};

pub(crate) use settlement::SettlementMetrics;

use crate::key::KeyHash;
use crate::local::Local;
use crate::micros::Micros;
use crate::quota::{Cost, Quota};
use crate::state::{Actual, Charge, Held, Outcome, QuotaState, Source};
use scripts::{LEASE_US, Parameters, Reply, VERSION, whole};
use settlement::{Correction, Settlement, What};
use verdict::{Verdict, state_of};

/// How often leases are renewed: twice may fail.
const RENEW_EVERY: Duration = Duration::from_micros(LEASE_US / 3);

/// How often the background task looks whether Redis is back, and whether a lease is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The tag of all keys where slots do not matter.
const ONE_SLOT: u16 = 0;

/// Indices of a demand.
type Group = SmallVec<[usize; 4]>;

/// The quotas that gateways count together.
#[derive(Debug)]
pub(crate) struct Shared {
    attached: ArcSwapOption<Attached>,
    settlement: Settlement,
    script: Script,
    next_lease: AtomicU64,
}

struct Attached {
    redis: Redis,
    /// Whether keys lie in several slots.
    clustered: bool,
}

/// Ends leases of which nobody learns whether they were taken: no answer in time, or nobody waits for it any more.
struct Unanswered<'a> {
    settlement: &'a Settlement,
    leases: SmallVec<[(u64, Key); 2]>,
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attached").field("clustered", &self.clustered).finish_non_exhaustive()
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        for (lease, key) in self.leases.drain(..) {
            self.settlement.end_uncertain(lease, key);
        }
    }
}

impl Shared {
    pub(crate) fn new(metrics: SettlementMetrics) -> Self {
        // Random, so that two gateways do not name their leases alike.
        let gateway = format!("{:016x}", RandomState::new().hash_one(0_u64));
        Self {
            attached: ArcSwapOption::empty(),
            settlement: Settlement::new(gateway, metrics),
            script: scripts::take(),
            next_lease: AtomicU64::new(1),
        }
    }

    /// Counts in `redis` from now on, or each gateway for itself.
    pub(crate) fn attach(&self, redis: Option<Redis>) {
        let attached = redis.map(|redis| Arc::new(Attached { clustered: redis.mode() == "cluster", redis }));
        self.attached.store(attached);
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load().is_some()
    }

    pub(crate) fn redis(&self) -> Option<Redis> {
        self.attached.load().as_ref().map(|attached| attached.redis.clone())
    }

    /// Decides about a request. Quotas of this gateway alone come first: where one of them refuses, Redis is not asked,
    /// and those that it counts have no state.
    pub(crate) async fn take<'a>(&'a self, local: &'a Local, demand: &[Charge], now: Micros) -> Verdict<'a> {
        let mut verdict = Verdict::new(demand.len(), self, local);
        let attached = self.attached.load_full();
        let (shared, own): (Group, Group) =
            (0..demand.len()).partition(|index| attached.is_some() && is_shared(demand, *index));
        verdict.take_local(demand, &own, 1, Source::Local, now);
        let Some(attached) = attached else { return verdict };
        // Without Redis nothing below waits: a loop of such decisions would keep the thread from whoever brings it back.
        consume_budget().await;
        let mut unanswered = Group::new();
        let mut late = false;
        for (tag, group) in attached.groups(demand, &shared) {
            if verdict.is_refusal() {
                break;
            }
            let answer = if late || !attached.redis.usable() {
                Err(Unavailable::Down)
            } else {
                self.ask(&attached, demand, tag, &group).await
            };
            match answer {
                Ok((reply, leases)) => verdict.add_shared(demand, &group, &reply, &leases),
                Err(error) => {
                    late |= error == Unavailable::Deadline;
                    unanswered.extend(group);
                }
            }
        }
        if !verdict.is_refusal() && !unanswered.is_empty() {
            fallback::decide(&mut verdict, demand, &unanswered, attached.redis.instances(), now);
        }
        if verdict.is_refusal() {
            verdict.give_back(now);
        } else {
            verdict.mirror(attached.redis.instances(), now);
        }
        verdict
    }

    /// Where a key stands in Redis; takes nothing. `None` where Redis cannot be asked.
    pub(crate) async fn peek(&self, quota: &Arc<Quota>, key: KeyHash) -> Option<QuotaState> {
        let attached = self.attached.load_full()?;
        let charge = Charge { quota: Arc::clone(quota), key, cost: 0 };
        let demand = std::slice::from_ref(&charge);
        let (tag, group) = attached.groups(demand, &[0]).pop_first()?;
        let (reply, _) = self.ask(&attached, demand, tag, &group).await.ok()?;
        Some(peeked(quota, state_of(&charge, reply.standings.first()?, Source::Redis)))
    }

    /// Replaces what was taken by what it cost, and frees concurrency.
    pub(crate) fn settle(&self, held: &Held, actual: &Actual) {
        if held.lease != 0 {
            return self.settlement.end(held.lease);
        }
        if let Some(cost) = held.quota.final_cost(held.cost, actual) {
            self.correct(held, signed(cost).saturating_sub(signed(held.cost)));
        }
    }

    /// Frees concurrency and leaves the rest.
    pub(crate) fn abandon(&self, held: &Held) {
        if held.lease != 0 {
            self.settlement.end(held.lease);
        }
    }

    /// Gives everything back.
    fn cancel(&self, held: &Held) {
        if held.lease != 0 {
            return self.settlement.end(held.lease);
        }
        self.correct(held, -signed(held.cost));
    }

    fn correct(&self, held: &Held, units: i64) {
        let attached = self.attached.load();
        if let Some(attached) = attached.as_ref().filter(|_| units != 0) {
            let key = attached.key(attached.tag(held.key), &held.quota, held.key);
            let parameters = Parameters::of(&held.quota.rule);
            self.settlement.push(Correction { key, what: What::Units { parameters, units, at: held.at } });
        }
    }

    /// Asks about the quotas of one slot: the answer, and the lease of each (0 where there is none).
    async fn ask(
        &self,
        attached: &Attached,
        demand: &[Charge],
        tag: u16,
        group: &[usize],
    ) -> Result<(Reply, SmallVec<[u64; 4]>), Unavailable> {
        let charges = || group.iter().filter_map(|index| demand.get(*index));
        let mut keys: SmallVec<[Key; 4]> = SmallVec::new();
        let mut args: Vec<Arg> = Vec::with_capacity(7 * group.len());
        let mut leases: SmallVec<[u64; 4]> = SmallVec::new();
        let mut unanswered = Unanswered { settlement: &self.settlement, leases: SmallVec::new() };
        for charge in charges() {
            let key = attached.key(tag, &charge.quota, charge.key);
            let lease = self.lease(charge);
            if lease != 0 {
                unanswered.leases.push((lease, key.clone()));
            }
            self.tell(&mut args, charge, lease);
            keys.push(key);
            leases.push(lease);
        }
        let answer = attached.redis.eval(&self.script, &keys, &args).await;
        if matches!(answer, Ok(_) | Err(Unavailable::Refused(_))) {
            unanswered.leases.clear();
        }
        let answer = answer?;
        let reply = Reply::read(&answer, keys.len())
            .ok_or_else(|| Unavailable::Refused("the script answered something else".to_owned()))?;
        let refused = |(charge, standing): (&Charge, &crate::algorithm::Standing)| {
            state_of(charge, standing, Source::Redis).outcome.is_refusal()
        };
        let all = !charges().zip(&reply.standings).any(refused);
        for (index, charge) in charges().enumerate() {
            let allowed = reply.standings.get(index).is_some_and(|standing| standing.allowed);
            if let (Some(lease @ 1..), Some(key), true) = (leases.get(index), keys.get(index), all && allowed) {
                self.settlement.begin(*lease, key.clone(), Parameters::of(&charge.quota.rule));
            }
        }
        Ok((reply, leases))
    }

    fn tell(&self, args: &mut Vec<Arg>, charge: &Charge, lease: u64) {
        let lease = if lease == 0 { String::new() } else { settlement::member(self.settlement.gateway(), lease) };
        let enforced = i64::from(charge.quota.mode == crate::raw::Mode::Enforce);
        args.extend(Parameters::of(&charge.quota.rule).args());
        args.extend([whole(charge.cost), Arg::Int(enforced), Arg::from(lease)]);
    }

    fn lease(&self, charge: &Charge) -> u64 {
        if charge.quota.rule.is_concurrency() && charge.cost > 0 {
            self.next_lease.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        }
    }

    /// Sends corrections and renews leases, for ever.
    pub(crate) async fn run(&self) {
        let mut renewed = Instant::now();
        loop {
            let _ = timeout(LOOK_EVERY, self.settlement.arrived.notified()).await;
            let Some(redis) = self.redis() else { continue };
            self.settlement.send(&redis).await;
            if renewed.elapsed() >= RENEW_EVERY {
                self.settlement.renew(&redis).await;
                renewed = Instant::now();
            }
        }
    }

    /// Sends the corrections that wait, once.
    pub(crate) async fn flush(&self) {
        if let Some(redis) = self.redis() {
            self.settlement.send(&redis).await;
        }
    }
}

impl Attached {
    fn tag(&self, key: KeyHash) -> u16 {
        if self.clustered { key.partition() } else { ONE_SLOT }
    }

    /// The quotas that one script can decide about, by their tag.
    fn groups(&self, demand: &[Charge], shared: &[usize]) -> BTreeMap<u16, Group> {
        let mut groups: BTreeMap<u16, Group> = BTreeMap::new();
        for index in shared {
            if let Some(charge) = demand.get(*index) {
                groups.entry(self.tag(charge.key)).or_default().push(*index);
            }
        }
        groups
    }

    fn key(&self, tag: u16, quota: &Quota, key: KeyHash) -> Key {
        let mut rest: SmallVec<[u8; 32]> = SmallVec::new();
        rest.extend(VERSION.to_be_bytes().into_iter().skip(3));
        rest.extend(quota.fingerprint().to_be_bytes());
        rest.extend(key.0);
        self.redis.key("quota", &tag.to_be_bytes(), &rest)
    }
}

/// What a request of the usual cost would meet where nothing was asked for.
fn peeked(quota: &Quota, state: QuotaState) -> QuotaState {
    let cost = match quota.cost {
        Cost::Units(units) => units,
        _ => quota.reserve,
    };
    if state.remaining >= cost {
        return state;
    }
    QuotaState { outcome: Outcome::Refused.in_mode(quota.mode), retry_after_s: state.reset_s.max(1), ..state }
}

fn is_shared(demand: &[Charge], index: usize) -> bool {
    demand.get(index).is_some_and(|charge| charge.quota.is_shared())
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}
