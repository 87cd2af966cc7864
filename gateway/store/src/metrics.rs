//! What is counted about Redis. No label holds an address or a key: there are as many series as this file has words.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::roll::Census;

/// The metrics of the Redis layer. Clones count into the same series.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) up: Gauge,
    pub(crate) breaker_open: Gauge,
    pub(crate) instances: Gauge,
    gateways: Family<KeyLabels, Gauge>,
    commands: Family<CommandLabels, Counter>,
    seconds: Family<NameLabels, Histogram, fn() -> Histogram>,
    trips: Family<CauseLabels, Counter>,
    connections: Connections,
}

/// How the use of Redis for one command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It answered.
    Ok,
    /// It answered with an error.
    Refused,
    /// It did not answer in time.
    Deadline,
    /// The connection ended before the answer.
    Lost,
    /// It was not asked: no connection, or the breaker is open.
    Skipped,
}

/// Connections as they are at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// With a command under way.
    pub active: usize,
    /// Open, without a command.
    pub idle: usize,
    /// Configured, open or not.
    pub total: usize,
}

pub(crate) type CountConnections = Weak<dyn Fn() -> ConnectionCounts + Send + Sync>;

#[derive(Clone, Default)]
struct Connections(Arc<Mutex<Option<CountConnections>>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    command: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// Upper bounds in seconds: from a server on the same host to the longest deadline.
const SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 1.0];

// === impl Outcome ===

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Deadline => "deadline",
            Self::Lost => "lost",
            Self::Skipped => "skipped",
        }
    }
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        Self {
            up: Gauge::default(),
            breaker_open: Gauge::default(),
            instances: Gauge::default(),
            gateways: Family::default(),
            commands: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            trips: Family::default(),
            connections: Connections::default(),
        }
    }
}

impl Metrics {
    /// Puts the metrics on show, as `rampart_redis_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("rampart_redis");
        registry.register("up", "1 while Redis can be used", self.up.clone());
        registry.register(
            "breaker_open",
            "Connections whose breaker is open: nothing is sent but probes",
            self.breaker_open.clone(),
        );
        registry.register("instances", "Gateways that share quotas, this one included", self.instances.clone());
        registry.register(
            "gateways",
            "Living gateways with this prefix, by whether they have this gateway's cluster key",
            self.gateways.clone(),
        );
        registry.register("commands", "Commands, by name and outcome", self.commands.clone());
        registry.register("command_seconds", "Time until a command was answered or given up", self.seconds.clone());
        registry.register("breaker_trips", "How often the breaker opened, by cause", self.trips.clone());
        registry.register_collector(Box::new(self.connections.clone()));
    }

    pub(crate) fn command(&self, command: &'static str, outcome: Outcome, seconds: f64) {
        self.commands.get_or_create(&CommandLabels { command, outcome: outcome.as_str() }).inc();
        if outcome != Outcome::Skipped {
            self.seconds.get_or_create(&NameLabels { command }).observe(seconds);
        }
    }

    pub(crate) fn gateways(&self, census: Census) {
        for (key, count) in [("own", census.own), ("other", census.other)] {
            self.gateways.get_or_create(&KeyLabels { key }).set(count.into());
        }
    }

    pub(crate) fn tripped(&self, cause: &'static str) {
        self.trips.get_or_create(&CauseLabels { cause }).inc();
    }

    /// From now on connections are counted by `count`, for as long as it lives.
    pub(crate) fn count_connections(&self, count: CountConnections) {
        *self.connections.0.lock() = Some(count);
    }
}

// === impl Connections ===

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let count = self.0.lock().as_ref().and_then(Weak::upgrade);
        let counts = count.map(|count| count()).unwrap_or_default();
        let of = |count: usize| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        let total = of(counts.total);
        let family = Family::<StateLabels, Gauge>::default();
        for (state, count) in [("active", counts.active), ("idle", counts.idle)] {
            family.get_or_create(&StateLabels { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let states =
            encoder.encode_descriptor("connections", "Open connections, by state", None, family.metric_type())?;
        family.encode(states)?;
        let all = encoder.encode_descriptor("pool_connections", "Configured connections", None, total.metric_type())?;
        total.encode(all)
    }
}
