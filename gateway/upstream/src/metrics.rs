//! What is counted about upstreams.
//!
//! Labels are the upstream's name and the configured address: as many series as the configuration has lines, however
//! many hosts a name resolves to. Series of an address that leaves the configuration are dropped with it.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::ejection::Conspicuous;
use crate::pool::NoEndpoint;
use crate::resilience::Cause;
use crate::state::BreakerState;

/// Why a request failed at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection: refused, unreachable, reset while connecting.
    Connect,
    /// No connection within the connect deadline.
    ConnectTimeout,
    /// The TLS handshake failed, or the certificate was not good.
    Tls,
    /// Nothing to read within the read deadline.
    ReadTimeout,
    /// Nothing could be written within the write deadline.
    WriteTimeout,
    /// The total deadline passed.
    TotalTimeout,
    /// The connection ended before the response did.
    Closed,
    /// What came is not a response.
    Protocol,
}

/// The metrics of all upstreams. Clones count into the same series.
#[derive(Debug, Clone)]
pub struct Metrics {
    active: Family<AddressLabels, Gauge>,
    picks: Family<AddressLabels, Counter>,
    connections: Family<ConnectionLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    endpoints: Family<AddressLabels, Gauge>,
    resolutions: Family<ResultLabels, Counter>,
    no_endpoint: Family<ReasonLabels, Counter>,
    shed: Family<ReasonLabels, Counter>,
    retries: Family<RetryLabels, Counter>,
    breakers: Family<StateLabels, Gauge>,
    breaker_opened: Family<AddressLabels, Counter>,
    unhealthy: Family<AddressLabels, Gauge>,
    ejected: Family<AddressLabels, Gauge>,
    ejections: Family<EjectionLabels, Counter>,
    ejections_withheld: Family<AddressLabels, Counter>,
    probes: Family<ResultLabels, Counter>,
    waiting: Family<UpstreamLabels, Gauge>,
    connect_seconds: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    response_seconds: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
}

/// The series of one upstream that belong to no address.
#[derive(Debug)]
pub(crate) struct PoolMetrics {
    no_endpoint: [Counter; NoEndpoint::ALL.len()],
    /// By cause; of each those that the budget held, and those that it did not.
    retries: [[Counter; RETRY_OUTCOMES.len()]; RETRY_CAUSES.len()],
}

/// The series of one upstream about shedding.
#[derive(Debug)]
pub(crate) struct SheddingMetrics {
    waiting: Gauge,
    full: Counter,
    in_vain: Counter,
}

/// The series of one address, looked up once.
#[derive(Debug)]
pub(crate) struct AddressMetrics {
    pub(crate) active: Gauge,
    pub(crate) picks: Counter,
    pub(crate) connections_new: Counter,
    pub(crate) connections_reused: Counter,
    pub(crate) connect_seconds: Histogram,
    pub(crate) response_seconds: Histogram,
    pub(crate) endpoints: Gauge,
    pub(crate) resolved: Counter,
    pub(crate) resolution_failed: Counter,
    failures: [Counter; Failure::ALL.len()],
    breakers: [Gauge; BreakerState::ALL.len()],
    breaker_opened: Counter,
    unhealthy: Gauge,
    ejected: Gauge,
    ejections: [Counter; Conspicuous::ALL.len()],
    ejections_withheld: Counter,
    probed_good: Counter,
    probed_bad: Counter,
}

/// What gauges count of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) breaker: BreakerState,
    pub(crate) unhealthy: bool,
    pub(crate) ejected: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    upstream: Arc<str>,
    address: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    upstream: Arc<str>,
    address: Arc<str>,
    origin: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    upstream: Arc<str>,
    address: Arc<str>,
    kind: Failure,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    upstream: Arc<str>,
    address: Arc<str>,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    upstream: Arc<str>,
    address: Arc<str>,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EjectionLabels {
    upstream: Arc<str>,
    address: Arc<str>,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    upstream: Arc<str>,
    cause: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    upstream: Arc<str>,
    reason: &'static str,
}

const CONNECTION_ORIGINS: [&str; 2] = ["new", "reused"];
const RESULTS: [&str; 2] = ["ok", "failed"];
const RETRY_CAUSES: [Cause; 4] = [Cause::Connect, Cause::Closed, Cause::Timeout, Cause::Status(0)];
const RETRY_OUTCOMES: [&str; 2] = ["made", "over_budget"];
const SHED_REASONS: [&str; 2] = ["line_full", "waited"];

/// Upper bounds in seconds, from a connection on the same host to the default connect deadline.
const CONNECT_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Upper bounds in seconds, from a look-up in memory to a long answer of a language model.
const RESPONSE_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

impl Failure {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::ReadTimeout,
        Self::WriteTimeout,
        Self::TotalTimeout,
        Self::Closed,
        Self::Protocol,
    ];

    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::ReadTimeout => "read_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
        }
    }
}

impl EncodeLabelValue for Failure {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            active: Family::default(),
            picks: Family::default(),
            connections: Family::default(),
            failures: Family::default(),
            endpoints: Family::default(),
            resolutions: Family::default(),
            no_endpoint: Family::default(),
            shed: Family::default(),
            retries: Family::default(),
            breakers: Family::default(),
            breaker_opened: Family::default(),
            unhealthy: Family::default(),
            ejected: Family::default(),
            ejections: Family::default(),
            ejections_withheld: Family::default(),
            probes: Family::default(),
            waiting: Family::default(),
            connect_seconds: Family::new_with_constructor(|| Histogram::new(CONNECT_SECONDS)),
            response_seconds: Family::new_with_constructor(|| Histogram::new(RESPONSE_SECONDS)),
        }
    }
}

impl Metrics {
    /// Puts the metrics on show, as `rampart_upstream_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("rampart_upstream");
        registry.register("active_requests", "Requests in flight at an address", self.active.clone());
        registry.register("picks", "Requests and retries given to an address", self.picks.clone());
        registry.register("connections", "Connections used, by whether they were new", self.connections.clone());
        registry.register("failures", "Requests that failed at an address, by kind", self.failures.clone());
        registry.register("endpoints", "Socket addresses behind an address", self.endpoints.clone());
        registry.register("resolutions", "Resolutions of a name, by result", self.resolutions.clone());
        registry.register("no_endpoint", "Requests that no endpoint could take, by reason", self.no_endpoint.clone());
        registry.register(
            "retries",
            "Further attempts that a failure called for, by cause, and whether the budget held them",
            self.retries.clone(),
        );
        registry.register("breakers", "Endpoints of an address by the state of their breaker", self.breakers.clone());
        registry.register("breaker_opened", "How often a breaker opened", self.breaker_opened.clone());
        registry.register("unhealthy", "Endpoints that fail their health check", self.unhealthy.clone());
        registry.register("ejected", "Endpoints taken out because of their answers", self.ejected.clone());
        registry.register(
            "ejections",
            "Endpoints taken out because of their answers, by reason",
            self.ejections.clone(),
        );
        registry.register(
            "ejections_withheld",
            "Bad answers for which an endpoint was not taken out because enough others were",
            self.ejections_withheld.clone(),
        );
        registry.register(
            "probes",
            "Questions of the health check, by whether the answer was good",
            self.probes.clone(),
        );
        registry.register("shed", "Requests that an upstream was not given, by reason", self.shed.clone());
        registry.register("waiting_requests", "Requests in line for an upstream", self.waiting.clone());
        registry.register(
            "connect_seconds",
            "Time to open a connection, TLS handshake included",
            self.connect_seconds.clone(),
        );
        registry.register(
            "response_seconds",
            "Time from sending a request to the header of its response",
            self.response_seconds.clone(),
        );
    }

    pub(crate) fn pool(&self, upstream: &Arc<str>) -> PoolMetrics {
        let no_endpoint = NoEndpoint::ALL.map(|reason| {
            let reason = reason.as_str();
            self.no_endpoint.get_or_create_owned(&ReasonLabels { upstream: Arc::clone(upstream), reason })
        });
        let retries = RETRY_CAUSES.map(|cause| {
            RETRY_OUTCOMES.map(|outcome| {
                let (upstream, cause) = (Arc::clone(upstream), cause.as_str());
                self.retries.get_or_create_owned(&RetryLabels { upstream, cause, outcome })
            })
        });
        PoolMetrics { no_endpoint, retries }
    }

    pub(crate) fn shedding(&self, upstream: &Arc<str>) -> SheddingMetrics {
        let [full, in_vain] = SHED_REASONS
            .map(|reason| self.shed.get_or_create_owned(&ReasonLabels { upstream: Arc::clone(upstream), reason }));
        let waiting = self.waiting.get_or_create_owned(&UpstreamLabels { upstream: Arc::clone(upstream) });
        SheddingMetrics { waiting, full, in_vain }
    }

    pub(crate) fn address(&self, upstream: &Arc<str>, address: &Arc<str>) -> AddressMetrics {
        let both = || (Arc::clone(upstream), Arc::clone(address));
        let [connections_new, connections_reused] = CONNECTION_ORIGINS.map(|origin| {
            let (upstream, address) = both();
            self.connections.get_or_create_owned(&ConnectionLabels { upstream, address, origin })
        });
        let [resolved, resolution_failed] = RESULTS.map(|result| {
            let (upstream, address) = both();
            self.resolutions.get_or_create_owned(&ResultLabels { upstream, address, result })
        });
        let failures = Failure::ALL.map(|kind| {
            let (upstream, address) = both();
            self.failures.get_or_create_owned(&FailureLabels { upstream, address, kind })
        });
        let breakers = BreakerState::ALL.map(|state| {
            let ((upstream, address), state) = (both(), state.as_str());
            self.breakers.get_or_create_owned(&StateLabels { upstream, address, state })
        });
        let ejections = Conspicuous::ALL.map(|reason| {
            let ((upstream, address), reason) = (both(), reason.as_str());
            self.ejections.get_or_create_owned(&EjectionLabels { upstream, address, reason })
        });
        let [probed_good, probed_bad] = RESULTS.map(|result| {
            let (upstream, address) = both();
            self.probes.get_or_create_owned(&ResultLabels { upstream, address, result })
        });
        let (upstream, address) = both();
        let of_upstream = UpstreamLabels { upstream: Arc::clone(&upstream) };
        let of_address = AddressLabels { upstream, address };
        AddressMetrics {
            active: self.active.get_or_create_owned(&of_address),
            picks: self.picks.get_or_create_owned(&of_address),
            endpoints: self.endpoints.get_or_create_owned(&of_address),
            connect_seconds: self.connect_seconds.get_or_create_owned(&of_upstream),
            response_seconds: self.response_seconds.get_or_create_owned(&of_upstream),
            connections_new,
            connections_reused,
            resolved,
            resolution_failed,
            failures,
            breakers,
            breaker_opened: self.breaker_opened.get_or_create_owned(&of_address),
            unhealthy: self.unhealthy.get_or_create_owned(&of_address),
            ejected: self.ejected.get_or_create_owned(&of_address),
            ejections,
            ejections_withheld: self.ejections_withheld.get_or_create_owned(&of_address),
            probed_good,
            probed_bad,
        }
    }

    /// Drops the series of an address.
    pub(crate) fn forget_address(&self, upstream: &Arc<str>, address: &Arc<str>) {
        let both = || (Arc::clone(upstream), Arc::clone(address));
        for origin in CONNECTION_ORIGINS {
            let (upstream, address) = both();
            self.connections.remove(&ConnectionLabels { upstream, address, origin });
        }
        for result in RESULTS {
            let (upstream, address) = both();
            let labels = ResultLabels { upstream, address, result };
            self.resolutions.remove(&labels);
            self.probes.remove(&labels);
        }
        for state in BreakerState::ALL.map(BreakerState::as_str) {
            let (upstream, address) = both();
            self.breakers.remove(&StateLabels { upstream, address, state });
        }
        for reason in Conspicuous::ALL.map(Conspicuous::as_str) {
            let (upstream, address) = both();
            self.ejections.remove(&EjectionLabels { upstream, address, reason });
        }
        for kind in Failure::ALL {
            let (upstream, address) = both();
            self.failures.remove(&FailureLabels { upstream, address, kind });
        }
        let (upstream, address) = both();
        let labels = AddressLabels { upstream, address };
        self.active.remove(&labels);
        self.picks.remove(&labels);
        self.endpoints.remove(&labels);
        self.breaker_opened.remove(&labels);
        self.unhealthy.remove(&labels);
        self.ejected.remove(&labels);
        self.ejections_withheld.remove(&labels);
    }

    /// Drops the series of an upstream that belong to no address.
    pub(crate) fn forget_pool(&self, upstream: &Arc<str>) {
        let with = |reason| ReasonLabels { upstream: Arc::clone(upstream), reason };
        for reason in NoEndpoint::ALL.map(NoEndpoint::as_str) {
            self.no_endpoint.remove(&with(reason));
        }
        for reason in SHED_REASONS {
            self.shed.remove(&with(reason));
        }
        for cause in RETRY_CAUSES.map(Cause::as_str) {
            for outcome in RETRY_OUTCOMES {
                self.retries.remove(&RetryLabels { upstream: Arc::clone(upstream), cause, outcome });
            }
        }
        let labels = UpstreamLabels { upstream: Arc::clone(upstream) };
        self.waiting.remove(&labels);
        self.connect_seconds.remove(&labels);
        self.response_seconds.remove(&labels);
    }
}

impl PoolMetrics {
    pub(crate) fn no_endpoint(&self, reason: NoEndpoint) {
        // The discriminants follow the declaration, as `NoEndpoint::ALL` does.
        if let Some(counter) = self.no_endpoint.get(reason as usize) {
            counter.inc();
        }
    }
}

impl PoolMetrics {
    pub(crate) fn retry(&self, cause: Cause, made: bool) {
        let of_cause = RETRY_CAUSES.iter().zip(&self.retries).find(|(known, _)| known.as_str() == cause.as_str());
        if let Some((_, [counted_made, over_budget])) = of_cause {
            if made { counted_made } else { over_budget }.inc();
        }
    }
}

impl SheddingMetrics {
    pub(crate) fn set_waiting(&self, waiting: usize) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    pub(crate) fn full(&self) {
        self.full.inc();
    }

    pub(crate) fn waited_in_vain(&self) {
        self.in_vain.inc();
    }
}

impl AddressMetrics {
    pub(crate) fn failed(&self, failure: Failure) {
        // The discriminants follow the declaration, as `Failure::ALL` does.
        if let Some(counter) = self.failures.get(failure as usize) {
            counter.inc();
        }
    }

    /// Counts an endpoint as it is `now`, and no more as it was `before`.
    pub(crate) fn show(&self, before: Option<Shown>, now: Option<Shown>) {
        for (shown, by) in before.map(|shown| (shown, -1)).into_iter().chain(now.map(|shown| (shown, 1))) {
            // The discriminants follow the declaration, as `BreakerState::ALL` does.
            if let Some(gauge) = self.breakers.get(shown.breaker as usize) {
                gauge.inc_by(by);
            }
            self.unhealthy.inc_by(by * i64::from(shown.unhealthy));
            self.ejected.inc_by(by * i64::from(shown.ejected));
        }
    }

    pub(crate) fn breaker_opened(&self) {
        self.breaker_opened.inc();
    }

    pub(crate) fn ejected(&self, why: Conspicuous) {
        if let Some(counter) = self.ejections.get(why as usize) {
            counter.inc();
        }
    }

    pub(crate) fn ejection_withheld(&self) {
        self.ejections_withheld.inc();
    }

    pub(crate) fn probed(&self, good: bool) {
        if good { &self.probed_good } else { &self.probed_bad }.inc();
    }
}
