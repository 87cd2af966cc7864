//! What the proxy counts. Labels are bounded: routes come from configuration (and at most [`MAX_ROUTES`] of them, over all
//! reloads), methods and codes from closed sets, statuses by class. Never a path, an address or a user.
//!
//! A request costs a few atomic adds and two histogram observations: the series of a route are looked up once per request
//! by name, and each of its counters is resolved the first time it is needed.

use std::array;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Method;
use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rampart_decision::Code;
use rampart_record::Verdict;

/// Route names that get series of their own; those beyond share the name `other`.
pub const MAX_ROUTES: usize = 4_096;

/// Seconds of work in the gateway itself.
const OVERHEAD_S: [f64; 13] =
    [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 250e-3, 1.0];
/// Seconds from the first byte of a request to the last of its response.
const TOTAL_S: [f64; 13] = [1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 0.5, 1.0, 5.0, 30.0, 120.0];

/// Methods that have a label of their own (RFC 9110 section 9, RFC 5789); the last stands for all others.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "other"];
/// Status classes; `none` where no response was written.
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabels {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    listener: String,
    reason: &'static str,
}

/// Everything the proxy counts; the server registers it once.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    total: Family<RouteLabels, Histogram>,
    overhead: Family<RouteLabels, Histogram>,
    refusals: Vec<(Code, Counter)>,
    refusals_family: Family<CodeLabels, Counter>,
    in_flight: Gauge,
    connections: [Gauge; 2],
    connections_family: Family<ProtocolLabels, Gauge>,
    accepted: Counter,
    cut: Family<CutLabels, Counter>,
    buffered: Gauge<u64, AtomicU64>,
    budget: Gauge<u64, AtomicU64>,
    routes: RwLock<HashMap<Arc<str>, Arc<RouteMetrics>>>,
    /// Of requests that no route took.
    unrouted: Arc<RouteMetrics>,
}

/// The series of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    name: String,
    total: Histogram,
    overhead: Histogram,
    /// By method, status class and verdict.
    requests: [[[OnceLock<Counter>; Verdict::ALL.len()]; STATUSES.len()]; METHODS.len()],
}

/// Connections that a listener closed by itself, by reason.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) cap: Counter,
    pub(crate) handshake_failed: Counter,
    pub(crate) handshake_deadline: Counter,
    pub(crate) head_deadline: Counter,
    pub(crate) idle: Counter,
    /// A peer that may not announce clients (PROXY protocol).
    pub(crate) proxy_stranger: Counter,
    pub(crate) proxy_header: Counter,
    pub(crate) proxy_deadline: Counter,
}

/// One thing counted up in a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Gauged(Gauge);

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        let refusals_family = Family::<CodeLabels, Counter>::default();
        let connections_family = Family::<ProtocolLabels, Gauge>::default();
        let refusals = Code::ALL
            .iter()
            .map(|code| (*code, refusals_family.get_or_create(&CodeLabels { code: code.as_str() }).clone()))
            .collect();
        let total = Family::new_with_constructor(Self::total_histogram as fn() -> Histogram);
        let overhead = Family::new_with_constructor(Self::overhead_histogram as fn() -> Histogram);
        let unrouted = Arc::new(RouteMetrics::new("", &total, &overhead));
        Self {
            connections: ["http1", "http2"]
                .map(|protocol| connections_family.get_or_create(&ProtocolLabels { protocol }).clone()),
            requests: Family::default(),
            total,
            overhead,
            refusals,
            refusals_family,
            in_flight: Gauge::default(),
            connections_family,
            accepted: Counter::default(),
            cut: Family::default(),
            buffered: Gauge::default(),
            budget: Gauge::default(),
            routes: RwLock::default(),
            unrouted,
        }
    }
}

impl Metrics {
    fn total_histogram() -> Histogram {
        Histogram::new(TOTAL_S)
    }

    fn overhead_histogram() -> Histogram {
        Histogram::new(OVERHEAD_S)
    }

    /// Enters everything into `registry`, whose prefix is expected to be `rampart`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests by route, method, status class and verdict; the route is empty where none matched",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From the first byte of a request to the last of its response",
            Unit::Seconds,
            self.total.clone(),
        );
        registry.register_with_unit(
            "gateway_overhead",
            "Of a request's duration, what was spent in the gateway: not waiting for the client's body nor the upstream",
            Unit::Seconds,
            self.overhead.clone(),
        );
        registry.register(
            "refusals",
            "Requests that the gateway itself answered, by code",
            self.refusals_family.clone(),
        );
        registry.register("requests_in_flight", "Requests that run now", self.in_flight.clone());
        registry.register("connections", "Open client connections", self.connections_family.clone());
        registry.register("connections_accepted", "Client connections that were let in", self.accepted.clone());
        registry.register("connections_cut", "Client connections that a listener closed, by reason", self.cut.clone());
        registry.register_with_unit(
            "buffered",
            "Body bytes reserved in memory now",
            Unit::Bytes,
            self.buffered.clone(),
        );
        registry.register_with_unit(
            "buffer_budget",
            "Body bytes that may be in memory at a time",
            Unit::Bytes,
            self.budget.clone(),
        );
    }

    /// The series of the route called `name`.
    pub(crate) fn route(&self, name: &Arc<str>) -> Arc<RouteMetrics> {
        if let Some(known) = self.routes.read().get(name) {
            return Arc::clone(known);
        }
        let mut routes = self.routes.write();
        let shown = if routes.len() < MAX_ROUTES { name } else { "other" };
        let made = || Arc::new(RouteMetrics::new(shown, &self.total, &self.overhead));
        if routes.len() < MAX_ROUTES { Arc::clone(routes.entry(Arc::clone(name)).or_insert_with(made)) } else { made() }
    }

    /// The series of requests that no route took.
    pub(crate) fn unrouted(&self) -> &Arc<RouteMetrics> {
        &self.unrouted
    }

    /// Counts one finished request. `total` and `overhead` as in the histograms' help.
    pub(crate) fn finished(&self, route: &RouteMetrics, outcome: Finished) {
        let (method, status) = (method_index(outcome.method), status_index(outcome.status));
        let verdict = verdict_index(outcome.verdict);
        if let Some(counter) = route.requests.get(method).and_then(|m| m.get(status)).and_then(|s| s.get(verdict)) {
            counter
                .get_or_init(|| {
                    let labels = RequestLabels {
                        route: route.name.clone(),
                        method: METHODS.get(method).copied().unwrap_or("other"),
                        status: STATUSES.get(status).copied().unwrap_or("none"),
                        verdict: outcome.verdict.as_str(),
                    };
                    self.requests.get_or_create(&labels).clone()
                })
                .inc();
        }
        route.total.observe(outcome.total.as_secs_f64());
        route.overhead.observe(outcome.overhead.as_secs_f64());
    }

    /// Counts one answer that the gateway gave itself.
    pub(crate) fn refused(&self, code: Code) {
        if let Some((_, counter)) = self.refusals.iter().find(|(known, _)| *known == code) {
            counter.inc();
        }
    }

    /// Counts a request as running until the result is dropped.
    pub(crate) fn running(&self) -> Gauged {
        Gauged::new(&self.in_flight)
    }

    /// Counts a connection as open until the result is dropped.
    pub(crate) fn connection(&self, http2: bool) -> Gauged {
        self.accepted.inc();
        let [http1_gauge, http2_gauge] = &self.connections;
        Gauged::new(if http2 { http2_gauge } else { http1_gauge })
    }

    /// The counters of connections that `listener` closes.
    pub(crate) fn cut(&self, listener: &str) -> Cut {
        let of = |reason| self.cut.get_or_create(&CutLabels { listener: listener.to_owned(), reason }).clone();
        Cut {
            cap: of("cap"),
            handshake_failed: of("handshake_failed"),
            handshake_deadline: of("handshake_deadline"),
            head_deadline: of("head_deadline"),
            idle: of("idle"),
            proxy_stranger: of("proxy_stranger"),
            proxy_header: of("proxy_header"),
            proxy_deadline: of("proxy_deadline"),
        }
    }

    /// The gauges of the body budget: bytes reserved, and bytes allowed.
    pub(crate) fn budget(&self) -> (Gauge<u64, AtomicU64>, Gauge<u64, AtomicU64>) {
        (self.buffered.clone(), self.budget.clone())
    }
}

/// One finished request, for [`Metrics::finished`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished<'a> {
    pub(crate) method: &'a Method,
    /// 0 where none was written.
    pub(crate) status: u16,
    pub(crate) verdict: Verdict,
    pub(crate) total: Duration,
    pub(crate) overhead: Duration,
}

// === impl RouteMetrics ===

impl RouteMetrics {
    fn new(name: &str, total: &Durations, overhead: &Durations) -> Self {
        let labels = RouteLabels { route: name.to_owned() };
        Self {
            total: total.get_or_create(&labels).clone(),
            overhead: overhead.get_or_create(&labels).clone(),
            requests: array::from_fn(|_| array::from_fn(|_| array::from_fn(|_| OnceLock::new()))),
            name: labels.route,
        }
    }
}

type Durations = Family<RouteLabels, Histogram>;

fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::PATCH => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        _ => METHODS.len() - 1,
    }
}

fn status_index(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100),
        _ => 0,
    }
}

fn verdict_index(verdict: Verdict) -> usize {
    Verdict::ALL.iter().position(|known| *known == verdict).unwrap_or(0)
}

// === impl Gauged ===

impl Gauged {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut registry = Registry::with_prefix("rampart");
        metrics.register(&mut registry);
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &registry).unwrap();
        out
    }

    fn finished(method: &Method, status: u16) -> Finished<'_> {
        Finished {
            method,
            status,
            verdict: Verdict::Pass,
            total: Duration::from_millis(3),
            overhead: Duration::from_micros(30),
        }
    }

    #[test]
    fn a_request_is_one_series_of_its_route() {
        let metrics = Metrics::default();
        let route = metrics.route(&"agent list".into());
        metrics.finished(&route, finished(&Method::GET, 200));
        metrics.finished(&route, finished(&Method::GET, 204));
        metrics.finished(&route, finished(&Method::from_bytes(b"BREW").unwrap(), 0));
        metrics.refused(Code::RouteNotFound);
        let text = text(&metrics);
        for line in [
            r#"rampart_requests_total{route="agent list",method="GET",status="2xx",verdict="pass"} 2"#,
            r#"rampart_requests_total{route="agent list",method="other",status="none",verdict="pass"} 1"#,
            r#"rampart_request_duration_seconds_count{route="agent list"} 3"#,
            r#"rampart_gateway_overhead_seconds_bucket{le="0.00005",route="agent list"} 3"#,
            r#"rampart_refusals_total{code="route_not_found"} 1"#,
            r#"rampart_refusals_total{code="body_too_large"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn routes_beyond_the_bound_share_a_name() {
        let metrics = Metrics::default();
        for n in 0..MAX_ROUTES + 10 {
            metrics.route(&format!("r{n}").into());
        }
        assert_eq!(metrics.routes.read().len(), MAX_ROUTES);
        assert_eq!(metrics.route(&"one more".into()).name, "other");
        assert_eq!(metrics.route(&"r7".into()).name, "r7");
    }

    #[test]
    fn gauges_go_down_again() {
        let metrics = Metrics::default();
        let (one, two) = (metrics.connection(true), metrics.connection(false));
        assert!(text(&metrics).contains(r#"rampart_connections{protocol="http2"} 1"#));
        drop((one, two));
        assert!(text(&metrics).contains(r#"rampart_connections{protocol="http2"} 0"#));
        assert!(text(&metrics).contains("rampart_connections_accepted_total 2"));
    }
}
