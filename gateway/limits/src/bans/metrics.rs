//! What is counted about bans. Labels are names of the rules: as many series as the rules have bans.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Origin;

/// The metrics of bans. Clones count into the same series.
#[derive(Debug, Clone, Default)]
pub(crate) struct BanMetrics {
    offences: Family<BanLabels, Counter>,
    made: Family<MadeLabels, Counter>,
    pub(super) refused: Counter,
    pub(super) held: Gauge,
    pub(super) lifted: Counter,
    pub(super) pushed_out: Counter,
    pub(super) unshared: Counter,
    pub(super) forged: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BanLabels {
    ban: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MadeLabels {
    ban: Arc<str>,
    origin: &'static str,
}

impl BanMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("rampart_ban");
        registry.register("offences", "Refused requests that count towards a ban", self.offences.clone());
        registry.register("made", "Bans made, by where", self.made.clone());
        registry.register("refused_requests", "Requests of banned addresses", self.refused.clone());
        registry.register("held", "Addresses banned, or remembered for a longer next ban", self.held.clone());
        registry.register("lifted", "Bans lifted by hand", self.lifted.clone());
        registry.register("pushed_out", "Bans given up because the table was full", self.pushed_out.clone());
        registry.register("unshared", "Offences and bans that other gateways were not told", self.unshared.clone());
        registry.register("forged", "Shared bans not believed: not written by a gateway", self.forged.clone());
    }

    pub(super) fn offence(&self, ban: &Arc<str>) {
        self.offences.get_or_create_owned(&BanLabels { ban: Arc::clone(ban) }).inc();
    }

    pub(super) fn made(&self, ban: &Arc<str>, origin: Origin) {
        self.made.get_or_create_owned(&MadeLabels { ban: Arc::clone(ban), origin: origin.as_str() }).inc();
    }

    /// Drops the series of a ban that left the rules.
    pub(super) fn forget(&self, ban: &Arc<str>) {
        self.offences.remove(&BanLabels { ban: Arc::clone(ban) });
        for origin in Origin::ALL {
            self.made.remove(&MadeLabels { ban: Arc::clone(ban), origin: origin.as_str() });
        }
    }
}
