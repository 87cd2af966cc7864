//! A quota as it is used: checked, with nothing left to be wrong.

mod compile;

use std::hash::Hasher as _;
use std::sync::Arc;

use siphasher::sip::SipHasher24;

use crate::algorithm::Rule;
use crate::key::{KeyHash, KeyHasher, KeyPart, KeySource};
use crate::raw::{AtBound, Mode, OnStoreFailure, Scope};
use crate::state::Actual;

pub use compile::{LimitsConfig, MAX_KEY_PARTS, MAX_SLIDING_LOG};

/// How much each of its keys may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// The name in the configuration, in metrics and in the `RateLimit` fields.
    pub name: Arc<str>,
    /// How it is counted, and up to what.
    pub rule: Rule,
    /// Whose it is: a tuple, never empty.
    pub parts: Box<[KeyPart]>,
    /// Bits of an IPv6 address that are one client.
    pub ipv6_prefix: u8,
    /// What a request costs.
    pub cost: Cost,
    /// Units taken for what is known only after the answer.
    pub reserve: u64,
    /// Whether an answer from a cache costs something.
    pub count_cache_hits: bool,
    /// Whether it refuses.
    pub mode: Mode,
    /// What decides while the shared store cannot be asked.
    pub on_store_failure: OnStoreFailure,
    /// What a new key gets when memory is full.
    pub at_bound: AtBound,
    /// Which gateways count together.
    pub scope: Scope,
    /// Whether it applies to all routes.
    pub every_route: bool,
    /// Of everything that its counts depend on: see [`Quota::fingerprint`].
    fingerprint: u64,
}

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// So many units.
    Units(u64),
    /// The bytes of its body.
    RequestBytes,
    /// The bytes of the answer's body.
    ResponseBytes,
    /// The bytes of both.
    Bytes,
    /// The tokens that the answer reports.
    LlmTokens,
}

impl Quota {
    /// A number that two quotas share only if they count alike: name, algorithm, limits, key and cost. Counts are kept
    /// under it, so a reload keeps those of quotas that it does not change, and begins anew those that it does. The
    /// same on all gateways of one version.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// True if its key is known only once the caller is.
    pub fn needs_identity(&self) -> bool {
        self.parts.iter().any(KeyPart::needs_identity)
    }

    /// True if gateways count it together.
    pub fn is_shared(&self) -> bool {
        self.scope == Scope::Shared
    }

    /// The key of a request.
    pub fn key(&self, source: &dyn KeySource, hasher: &KeyHasher) -> KeyHash {
        hasher.hash(&self.parts, self.ipv6_prefix, source)
    }

    /// What to take before the request goes on. What is not known yet counts as [`Quota::reserve`].
    pub fn cost(&self, source: &dyn KeySource) -> u64 {
        if self.rule.is_concurrency() {
            return 1;
        }
        match self.cost {
            Cost::Units(units) => units,
            Cost::RequestBytes => source.request_bytes().unwrap_or(self.reserve),
            Cost::ResponseBytes | Cost::LlmTokens => self.reserve,
            Cost::Bytes => source.request_bytes().unwrap_or(0).saturating_add(self.reserve),
        }
    }

    /// What a request cost in the end. `None` where it cannot be told: then what was taken stays taken.
    pub fn final_cost(&self, taken: u64, actual: &Actual) -> Option<u64> {
        if self.rule.is_concurrency() {
            return None;
        }
        if actual.cache_hit && !self.count_cache_hits {
            return Some(0);
        }
        match self.cost {
            Cost::Units(_) => Some(taken),
            Cost::RequestBytes => actual.request_bytes,
            Cost::ResponseBytes => actual.response_bytes,
            Cost::Bytes => Some(actual.request_bytes?.saturating_add(actual.response_bytes?)),
            Cost::LlmTokens => actual.llm_tokens,
        }
    }

    /// True if nothing changes after the answer: there is nothing to settle.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.cost, Cost::Units(_)) && self.count_cache_hits && !self.rule.is_concurrency()
    }

    fn compute_fingerprint(&self) -> u64 {
        // Fixed keys: the number must be the same on each gateway. It keeps no secret.
        let mut hasher = SipHasher24::new_with_keys(0, 0);
        hasher.write(b"rampart quota 1");
        let text = format!("{:?}", (&self.name, &self.rule, &self.parts, self.ipv6_prefix, self.cost));
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}
