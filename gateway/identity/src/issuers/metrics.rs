//! What is counted about tokens and keys. Labels are names of the configuration and words of this crate.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::remote::Outcome;
use crate::jwt::Flaw;

/// The metrics of tokens and keys. Clones count into the same series.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    tokens: Family<OutcomeLabels, Counter>,
    fetches: Family<OutcomeLabels, Counter>,
    keys: Family<IssuerLabels, Gauge>,
    fetched: Family<IssuerLabels, Gauge>,
}

/// The series of one issuer, looked up once.
#[derive(Debug)]
pub(super) struct IssuerMetrics {
    pub(super) verified: Counter,
    /// Good, and known to be so from before.
    pub(super) known: Counter,
    refused: [Counter; Flaw::ALL.len()],
    fetches: [Counter; Outcome::ALL.len()],
    keys: Gauge,
    fetched: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    issuer: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: Arc<str>,
}

const VERIFIED: &str = "verified";
const KNOWN: &str = "known";

// === impl Metrics ===

impl Metrics {
    /// Puts the metrics on show, as `rampart_identity_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("rampart_identity");
        registry.register(
            "tokens",
            "Tokens by issuer and by what became of them: verified, known (verified before), or the flaw",
            self.tokens.clone(),
        );
        registry.register("key_fetches", "Fetches of an issuer's keys, by outcome", self.fetches.clone());
        registry.register("keys", "Keys that an issuer publishes and that are used", self.keys.clone());
        registry.register(
            "keys_fetched_timestamp_seconds",
            "When an issuer's keys were last fetched with success, in seconds since the Unix epoch",
            self.fetched.clone(),
        );
    }

    pub(super) fn of(&self, issuer: &Arc<str>) -> IssuerMetrics {
        let token = |outcome| self.tokens.get_or_create_owned(&OutcomeLabels { issuer: Arc::clone(issuer), outcome });
        let fetch = |outcome| self.fetches.get_or_create_owned(&OutcomeLabels { issuer: Arc::clone(issuer), outcome });
        let labels = IssuerLabels { issuer: Arc::clone(issuer) };
        IssuerMetrics {
            verified: token(VERIFIED),
            known: token(KNOWN),
            refused: Flaw::ALL.map(|flaw| token(flaw.as_str())),
            fetches: Outcome::ALL.map(|outcome| fetch(outcome.as_str())),
            keys: self.keys.get_or_create_owned(&labels),
            fetched: self.fetched.get_or_create_owned(&labels),
        }
    }

    /// Drops the series of an issuer that left the configuration.
    pub(super) fn forget(&self, issuer: &Arc<str>) {
        let outcome = |outcome| OutcomeLabels { issuer: Arc::clone(issuer), outcome };
        for flaw in Flaw::ALL {
            self.tokens.remove(&outcome(flaw.as_str()));
        }
        for of_token in [VERIFIED, KNOWN] {
            self.tokens.remove(&outcome(of_token));
        }
        for of_fetch in Outcome::ALL {
            self.fetches.remove(&outcome(of_fetch.as_str()));
        }
        let labels = IssuerLabels { issuer: Arc::clone(issuer) };
        self.keys.remove(&labels);
        self.fetched.remove(&labels);
    }
}

// === impl IssuerMetrics ===

impl IssuerMetrics {
    pub(super) fn refused(&self, flaw: Flaw) {
        // The discriminants follow the declaration, as `Flaw::ALL` does.
        if let Some(counter) = self.refused.get(flaw as usize) {
            counter.inc();
        }
    }

    pub(super) fn fetched(&self, outcome: Outcome, keys: Option<usize>) {
        if let Some(counter) = self.fetches.get(outcome as usize) {
            counter.inc();
        }
        if let Some(keys) = keys {
            self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.fetched.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        }
    }
}
