//! What is counted about quotas.
//!
//! Labels are the quota's name, its mode, the outcome and who decided: as many series as the configuration has quotas,
//! however many keys there are. A key never becomes a label.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::bans::BanMetrics;
use crate::quota::Quota;
use crate::raw::Mode;
use crate::shared::SettlementMetrics;
use crate::state::{Outcome, QuotaState, Source};

/// The metrics of all quotas. Clones count into the same series.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    routes: Family<RouteLabels, Counter>,
    at_bound: Family<QuotaLabels, Counter>,
    pub(crate) keys: Gauge,
    pub(crate) bytes: Gauge,
    pub(crate) evictions: Counter,
    pub(crate) settlement: SettlementMetrics,
    pub(crate) bans: BanMetrics,
    /// The series of the quotas of the snapshot, so that a decision looks none up.
    known: Arc<ArcSwap<Known>>,
}

type Known = HashMap<u64, Arc<QuotaSeries>, foldhash::fast::RandomState>;

#[derive(Debug)]
struct QuotaSeries {
    name: Arc<str>,
    mode: Mode,
    decisions: [[Counter; Source::ALL.len()]; Outcome::ALL.len()],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    quota: Arc<str>,
    mode: Mode,
    outcome: Outcome,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    quota: Arc<str>,
    route: Arc<str>,
    mode: Mode,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabels {
    quota: Arc<str>,
}

impl Metrics {
    /// Puts the metrics on show, as `rampart_quota_*` and `rampart_ban_*`.
    pub fn register(&self, registry: &mut Registry) {
        self.settlement.register(registry);
        self.bans.register(registry);
        let registry = registry.sub_registry_with_prefix("rampart_quota");
        registry.register("decisions", "Decisions, by quota, mode, outcome and who decided", self.decisions.clone());
        registry.register(
            "route_decisions",
            "Decisions, by quota, route, mode and outcome; begin anew at a reload",
            self.routes.clone(),
        );
        registry.register(
            "at_bound",
            "New keys that found the memory for keys full of live ones, by quota",
            self.at_bound.clone(),
        );
        registry.register("keys", "Keys in the memory of this gateway", self.keys.clone());
        registry.register("keys_bytes", "Bytes that these keys take", self.bytes.clone());
        registry.register("evictions", "Idle keys that gave way", self.evictions.clone());
    }

    /// Looks up the series of `quotas`, and drops those of quotas that left.
    pub(crate) fn reconcile(&self, quotas: &[Arc<Quota>]) {
        let known: Known = quotas.iter().map(|quota| (id(quota), Arc::new(self.series(quota)))).collect();
        let before = self.known.swap(Arc::new(known));
        // Which routes left is not known here: those that stay come back with their next request.
        self.routes.clear();
        let after = self.known.load();
        for gone in before.values() {
            let stays = after.values().any(|stays| stays.name == gone.name && stays.mode == gone.mode);
            if !stays {
                each_label(&gone.name, gone.mode, |labels| {
                    self.decisions.remove(&labels);
                });
            }
            if !after.values().any(|stays| stays.name == gone.name) {
                self.at_bound.remove(&QuotaLabels { quota: Arc::clone(&gone.name) });
            }
        }
    }

    /// Counts decisions.
    pub(crate) fn count(&self, states: &[QuotaState]) {
        let known = self.known.load();
        for state in states {
            match known.get(&id(&state.quota)) {
                Some(series) => series.count(state.outcome, state.source),
                None => self.series(&state.quota).count(state.outcome, state.source),
            }
        }
    }

    /// Counts the decisions about a request of `route`, the name of a route of the configuration.
    pub(crate) fn count_route(&self, route: &Arc<str>, states: &[QuotaState]) {
        for state in states {
            let labels = RouteLabels {
                quota: Arc::clone(&state.quota.name),
                route: Arc::clone(route),
                mode: state.quota.mode,
                outcome: state.outcome,
            };
            self.routes.get_or_create(&labels).inc();
        }
    }

    /// Counts a new key that found memory full.
    pub(crate) fn at_bound(&self, quota: &Quota) {
        self.at_bound.get_or_create(&QuotaLabels { quota: Arc::clone(&quota.name) }).inc();
    }

    fn series(&self, quota: &Quota) -> QuotaSeries {
        let decisions = Outcome::ALL.map(|outcome| {
            Source::ALL.map(|source| {
                let labels = DecisionLabels { quota: Arc::clone(&quota.name), mode: quota.mode, outcome, source };
                self.decisions.get_or_create_owned(&labels)
            })
        });
        QuotaSeries { name: Arc::clone(&quota.name), mode: quota.mode, decisions }
    }
}

impl QuotaSeries {
    fn count(&self, outcome: Outcome, source: Source) {
        // The discriminants follow the declarations, as the arrays `ALL` do.
        if let Some(counter) = self.decisions.get(outcome as usize).and_then(|by| by.get(source as usize)) {
            counter.inc();
        }
    }
}

/// A quota of one mode.
fn id(quota: &Quota) -> u64 {
    quota.fingerprint().rotate_left(1) ^ u64::from(quota.mode == Mode::Shadow)
}

fn each_label(quota: &Arc<str>, mode: Mode, mut each: impl FnMut(DecisionLabels)) {
    for outcome in Outcome::ALL {
        for source in Source::ALL {
            each(DecisionLabels { quota: Arc::clone(quota), mode, outcome, source });
        }
    }
}

impl EncodeLabelValue for Mode {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        let text = match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        };
        EncodeLabelValue::encode(&text, encoder)
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl EncodeLabelValue for Source {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}
