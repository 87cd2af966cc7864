//! What was decided about a request, and what is still open about it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::key::KeyHash;
use crate::limits::Settle;
use crate::micros::Micros;
use crate::quota::Quota;
use crate::raw::Mode;

/// What a request draws on one quota.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The quota.
    pub quota: Arc<Quota>,
    /// Whose.
    pub key: KeyHash,
    /// Units; for concurrency 1.
    pub cost: u64,
}

/// What a request draws on all of its quotas.
pub type Demand = SmallVec<[Charge; 4]>;

/// The decision of all quotas: all of them are charged, or none (but see [`Outcome::WouldRefuse`]).
#[derive(Debug, Default)]
pub struct Settled {
    /// One for each charge, in its order.
    pub states: SmallVec<[QuotaState; 4]>,
    /// What was taken: there if something may still change, and nothing was refused.
    pub reservation: Option<Reservation>,
}

/// The decision of one quota, and where it stands after it.
#[derive(Debug, Clone)]
pub struct QuotaState {
    /// The quota.
    pub quota: Arc<Quota>,
    /// The decision.
    pub outcome: Outcome,
    /// Units: what `q` of `RateLimit-Policy` says; of a fallback, this gateway's share.
    pub limit: u64,
    /// Units that could be had now.
    pub remaining: u64,
    /// Seconds, rounded up, until more than `remaining` can be had; 0 if nothing is taken, or nobody knows.
    pub reset_s: u64,
    /// Seconds, rounded up, until this request could be met; at least 1 where it was not, else 0.
    pub retry_after_s: u64,
    /// Who decided.
    pub source: Source,
}

/// The decision of one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It can be met.
    Allowed,
    /// It cannot.
    Refused,
    /// It cannot, but the quota is in shadow mode: the others decide, and this one is not charged.
    WouldRefuse,
    /// The shared store cannot be asked, and the quota refuses then.
    Unavailable,
    /// Memory for keys is full, none is idle, and the quota refuses new ones then.
    AtBound,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The memory of this gateway.
    Local,
    /// The shared store.
    Redis,
    /// What the quota has for the time without the store.
    Fallback,
}

/// What a request cost in the end. `None` where it is not known: then what was taken stays taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Actual {
    /// Bytes of the request's body.
    pub request_bytes: Option<u64>,
    /// Bytes of the answer's body.
    pub response_bytes: Option<u64>,
    /// Tokens of a language model.
    pub llm_tokens: Option<u64>,
    /// Whether a cache gave the answer.
    pub cache_hit: bool,
}

/// What was taken for a request and is not settled yet.
///
/// Settled with [`Limits::settle`](crate::Limits::settle). One that is dropped instead (the client left, the process of
/// the request was cancelled) frees its concurrency and leaves the rest as it was taken.
#[derive(Debug)]
pub struct Reservation {
    held: SmallVec<[Held; 4]>,
    settler: Arc<dyn Settle>,
}

/// One charge that was taken.
#[derive(Debug, Clone)]
pub struct Held {
    /// The quota.
    pub quota: Arc<Quota>,
    /// Whose.
    pub key: KeyHash,
    /// Units taken.
    pub cost: u64,
    /// When, by the clock of who took it.
    pub at: Micros,
    /// Who took it.
    pub source: Source,
    /// Where this gateway's memory counts it.
    pub(crate) slot: [u64; 2],
    /// Among how many gateways the limit was shared out when it was taken.
    pub(crate) share: u32,
    /// Names the lease of a concurrency quota in the shared store; else 0.
    pub lease: u64,
}

impl Outcome {
    /// All outcomes, in the order of their declaration.
    pub const ALL: [Self; 5] = [Self::Allowed, Self::Refused, Self::WouldRefuse, Self::Unavailable, Self::AtBound];

    /// True if the request must not go on.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Refused | Self::Unavailable | Self::AtBound)
    }

    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::WouldRefuse => "would_refuse",
            Self::Unavailable => "unavailable",
            Self::AtBound => "at_bound",
        }
    }

    /// A refusal as the quota's mode has it.
    #[must_use]
    pub fn in_mode(self, mode: Mode) -> Self {
        if self.is_refusal() && mode == Mode::Shadow { Self::WouldRefuse } else { self }
    }
}

impl Source {
    /// All sources, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Local, Self::Redis, Self::Fallback];

    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Redis => "redis",
            Self::Fallback => "fallback",
        }
    }
}

impl Settled {
    /// The refusal that the client is told about: of several, the one that lasts longest.
    pub fn refused(&self) -> Option<&QuotaState> {
        self.states.iter().filter(|state| state.outcome.is_refusal()).max_by_key(|state| state.retry_after_s)
    }

    /// The names of the quotas that refused, in the order of the route.
    pub fn violated(&self) -> impl Iterator<Item = &str> {
        self.states.iter().filter(|state| state.outcome.is_refusal()).map(|state| &*state.quota.name)
    }

    /// Adds the decision about further quotas of the same request.
    ///
    /// What each part took stays reserved, also where the other was refused: the caller settles or drops it.
    pub fn merge(&mut self, other: Self) {
        self.states.extend(other.states);
        match (&mut self.reservation, other.reservation) {
            (Some(own), Some(mut more)) => own.held.append(&mut more.held),
            (none @ None, more) => *none = more,
            (Some(_), None) => {}
        }
    }
}

impl Held {
    /// A charge that the shared store took. `lease` names it there, for concurrency.
    pub fn shared(charge: &Charge, at: Micros, lease: u64) -> Self {
        Self {
            quota: Arc::clone(&charge.quota),
            key: charge.key,
            cost: charge.cost,
            at,
            source: Source::Redis,
            slot: [0; 2],
            share: 1,
            lease,
        }
    }
}

impl Reservation {
    /// `None` if nothing of `held` can change any more.
    pub(crate) fn new(held: SmallVec<[Held; 4]>, settler: &Arc<dyn Settle>) -> Option<Self> {
        let mut held = held;
        held.retain(|held| !held.quota.is_final());
        (!held.is_empty()).then(|| Self { held, settler: Arc::clone(settler) })
    }

    /// What was taken.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Settles it: see [`Limits::settle`](crate::Limits::settle).
    pub(crate) fn settle(mut self, actual: &Actual, now: Micros) {
        let held = std::mem::take(&mut self.held);
        self.settler.settle(&held, actual, now);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.settler.abandon(&self.held);
        }
    }
}
