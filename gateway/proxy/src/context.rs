//! What is known of one request, from its first phase to its log line.
//!
//! The snapshot is pinned until the response head has been shaped, then let go: a stream of hours holds no configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pingora::proxy::Session;
use rampart_decision::{Code, Refusal};
use rampart_identity::{Entrance, RequestIdText};
use rampart_inspection::{Match, Oddity};
use rampart_policy::{Route, Snapshot};
use rampart_record::{AccessNote, Timestamp, Verdict};
use rampart_upstream::{EndpointId, Lease, Slot};

use crate::body::Carriage;
use crate::budget::Permit;
use crate::entry::Way;
use crate::held::Hold;
use crate::listener::Arrival;
use crate::metrics::{Gauged, RouteMetrics};
use crate::watch::Watch;

/// The id of a request: made here, or taken over from a client that may choose it.
#[derive(Clone, Debug)]
pub(crate) enum RequestName {
    Made(RequestIdText),
    Taken(Box<str>),
}

impl RequestName {
    /// The id; empty where there is none yet.
    pub(crate) fn text(name: Option<&Self>) -> &str {
        match name {
            Some(Self::Made(text)) => text.as_str(),
            Some(Self::Taken(text)) => text,
            None => "",
        }
    }
}

/// One request, as the proxy's phases pass it on. Opaque outside of this crate.
pub struct Context {
    pub(crate) arrival: Arrival,
    pub(crate) started: Instant,
    pub(crate) time: Timestamp,
    pub(crate) id: Option<RequestName>,
    /// What the client sent as an id, where it was not taken over.
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) client: IpAddr,
    /// The scheme and the port that the client used.
    pub(crate) entrance: Entrance,
    pub(crate) trace: bool,
    /// Protocol version that the client spoke; a subrequest's head does not know it.
    pub(crate) protocol: &'static str,
    pub(crate) pin: Option<Arc<Snapshot>>,
    /// Digest of the snapshot that decided, once there is something to record.
    pub(crate) digest: Option<Arc<str>>,
    pub(crate) route: Option<usize>,
    pub(crate) route_name: Option<Arc<str>>,
    pub(crate) series: Option<Arc<RouteMetrics>>,
    /// What consistent hashing goes by, where the upstream is spread so.
    pub(crate) hash: u64,
    /// Whether the request may become a WebSocket.
    pub(crate) upgrade: bool,
    /// Whether the exchange may last as long as it likes: no total deadline.
    pub(crate) unhurried: bool,
    /// The target to forward, where it is not the received one.
    pub(crate) target: Option<Bytes>,
    /// The received target with the query that the route takes, where that is another.
    pub(crate) requeried: Option<Bytes>,
    /// Who the client proved to be, as records name it.
    pub(crate) identity: Option<Box<str>>,
    /// A sign-in, or why there was none, for the event.
    pub(crate) access: Option<AccessNote>,
    /// How the request came in: quotas, identity.
    pub(crate) way: Way,
    pub(crate) decided: Decided,
    pub(crate) body: Body,
    pub(crate) upstream: Towards,
    pub(crate) running: Option<Gauged>,
    /// The response, where it is inspected.
    pub(crate) watch: Option<Watch>,
    /// Shared with the pass that holds the response back, where it may have to be.
    pub(crate) hold: Option<Arc<Hold>>,
    /// A subrequest has this request now, with its real context; nothing more is to be done or logged here.
    pub(crate) spent: bool,
}

/// What the decision said.
#[derive(Default)]
pub(crate) struct Decided {
    pub(crate) verdict: Option<Verdict>,
    pub(crate) refusal: Option<Box<Refusal>>,
    pub(crate) score: u32,
    pub(crate) matches: Vec<Match>,
    /// Ids of all rules that matched.
    pub(crate) rules: Vec<Arc<str>>,
    /// The limit exceeded, or what has more than one reading, where that is what the verdict rests on.
    pub(crate) oddity: Option<Oddity>,
    /// Code that the event shows where nothing was refused (`would_block`).
    pub(crate) code: Option<Code>,
    /// What the event says beyond the code, where nothing was refused.
    pub(crate) cause: Option<Box<str>>,
    /// Time of the decisions alone.
    pub(crate) took: Duration,
}

/// The body on its way.
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) carriage: Carriage,
    /// Whether the carriage has been emptied into this attempt's filter.
    pub(crate) filled: bool,
    /// Length, where the whole body is in hand.
    pub(crate) length: Option<u64>,
    /// Whether bytes pass that were not read here.
    pub(crate) streams: bool,
    /// Most bytes that may pass in all; 0 means no limit.
    pub(crate) limit_bytes: u64,
    pub(crate) passed_bytes: u64,
    /// Time spent waiting for the client's body.
    pub(crate) waited: Duration,
    pub(crate) permit: Option<Permit>,
}

/// The upstream's side.
#[derive(Default)]
pub(crate) struct Towards {
    pub(crate) lease: Option<Lease>,
    /// The request's place among those of the upstream.
    pub(crate) slot: Option<Slot>,
    /// Picked for the next attempt when the last one failed.
    pub(crate) next: Option<Lease>,
    /// How long to wait before it.
    pub(crate) pause: Duration,
    pub(crate) tried: Vec<EndpointId>,
    /// Attempts so far, the present one included.
    pub(crate) attempts: u32,
    /// Whether a response header, interim ones included, came in this attempt.
    pub(crate) answered: bool,
    /// Whether an attempt was repeated that failed through nobody's fault.
    pub(crate) free_used: bool,
    /// Interim responses so far.
    pub(crate) interim: u32,
    /// When the request was ready for the upstream.
    pub(crate) began: Option<Instant>,
    /// When this attempt's connection was asked for.
    pub(crate) asked: Option<Instant>,
    /// When the request was sent off.
    pub(crate) sent: Option<Instant>,
    /// When the response was complete.
    pub(crate) ended: Option<Instant>,
    /// From there to the end of the response; `None` for streams.
    pub(crate) total: Option<Duration>,
    pub(crate) socket: Option<SocketAddr>,
}

// === impl Towards ===

impl Towards {
    /// Another attempt, whose connection is asked for now.
    pub(crate) fn begin_attempt(&mut self) {
        self.attempts += 1;
        self.answered = false;
        self.asked = Some(Instant::now());
    }

    /// Of the time for the whole exchange, what is left, which may be nothing; `None` where it has no end.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let spent = self.began.map(|began| began.elapsed()).unwrap_or_default();
        self.total.map(|total| total.saturating_sub(spent))
    }

    /// Lets go of what the request holds of the upstream's bounds.
    pub(crate) fn let_go(&mut self) {
        self.lease = None;
        self.next = None;
        self.slot = None;
    }
}

// === impl Context ===

impl Context {
    pub(crate) fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            started: Instant::now(),
            time: Timestamp::default(),
            id: None,
            client_id: None,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            entrance: Entrance::default(),
            trace: false,
            protocol: "",
            pin: None,
            digest: None,
            route: None,
            hash: 0,
            upgrade: false,
            unhurried: false,
            route_name: None,
            series: None,
            target: None,
            requeried: None,
            identity: None,
            access: None,
            way: Way::default(),
            decided: Decided::default(),
            body: Body::default(),
            upstream: Towards::default(),
            running: None,
            watch: None,
            hold: None,
            spent: false,
        }
    }

    /// What is left in the first pass of a request that a subrequest has taken.
    pub(crate) fn spent() -> Self {
        Self { spent: true, ..Self::new(Arrival::current()) }
    }

    pub(crate) fn request_id(&self) -> &str {
        RequestName::text(self.id.as_ref())
    }

    /// The route, as long as the snapshot is pinned.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.pin.as_ref()?.routes.get(self.route?)
    }

    /// From the head to the last byte of the body.
    pub(crate) fn body_deadline(&self) -> Duration {
        self.route().and_then(|route| route.body_deadline).unwrap_or(self.arrival.body_deadline)
    }

    /// Lets go of the configuration; what an event needs of it stays.
    pub(crate) fn release(&mut self) {
        if let Some(snapshot) = self.pin.take() {
            self.digest = Some(snapshot.digest.as_str().into());
        }
    }

    /// Whether the request can be sent again from its start.
    pub(crate) fn repeatable(&self, session: &mut Session) -> bool {
        self.body.carriage.repeatable() && (!self.body.streams || session.is_body_empty())
    }

    /// How long the upstream took, from the first pick to the end of its response; zero where none was asked.
    pub(crate) fn upstream_time(&self) -> Duration {
        let Some(began) = self.upstream.began else { return Duration::ZERO };
        self.upstream.ended.unwrap_or_else(Instant::now).saturating_duration_since(began)
    }
}
