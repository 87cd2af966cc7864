//! A route as it is used: checked, with everything that it refers to resolved.

mod compile;
mod edits;
mod rewrite;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use rampart_identity::{Access, Cors};
use rampart_inspection::{BodyMode, Profile, RouteExclusions};
use rampart_limits::Quota;
use rampart_message::{Limits, PathPolicy};
use rampart_upstream::{Deadlines, Resilience};

use crate::query::QueryRules;
use crate::snapshot::UpstreamIndex;

pub(crate) use compile::{Known, compile};
pub use edits::HeaderEdits;
pub use rewrite::Rewrite;

/// What happens to a request for some place.
#[derive(Debug)]
pub struct Route {
    /// Position among the snapshot's routes.
    pub index: usize,
    /// Its name in logs, metrics and exclusions.
    pub name: Arc<str>,
    /// Where the request goes.
    pub action: Action,
    /// What counts its requests.
    pub quotas: RouteQuotas,
    /// Who may call; `None` is anybody.
    pub access: Option<Access>,
    /// Headers in which routes of the same upstream tell it who is calling: what a request says in them does not go on.
    pub reserved: Arc<[HeaderName]>,
    /// Which web pages may call from a browser; `None` leaves it to the backend.
    pub cors: Option<Arc<Cors>>,
    /// When a request is tried again.
    pub resilience: Arc<Resilience>,
    /// How it is inspected.
    pub profile: Arc<Profile>,
    /// What is not judged here.
    pub exclusions: RouteExclusions,
    /// Content limits: the profile's, with the route's own body limit.
    pub limits: Limits,
    /// What happens to the body: the route's word, else the profile's.
    pub body: BodyMode,
    /// Bytes of body at most. `None` where the body streams without a limit.
    pub body_limit_bytes: Option<u64>,
    /// From the head to the last byte of the body, where the route has its own.
    pub body_deadline: Option<Duration>,
    /// Which odd paths are taken.
    pub path_policy: PathPolicy,
    /// What the query has to be.
    pub query: QueryRules,
    /// How the path changes on the way to the upstream.
    pub rewrite: Rewrite,
    /// Deadlines towards the upstream: the route's, else the upstream's.
    pub deadlines: Deadlines,
    /// Whether requests may become WebSockets.
    pub websocket: bool,
    /// Changes to the header that the upstream sees.
    pub request_headers: HeaderEdits,
    /// Changes to the header that the client sees.
    pub response_headers: HeaderEdits,
}

/// The quotas of a route, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct RouteQuotas {
    /// Those that need not know who is calling: asked before any credential is looked at.
    pub open: Vec<Arc<Quota>>,
    /// Those whose key is part of an identity.
    pub identified: Vec<Arc<Quota>>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To an upstream.
    Forward(UpstreamIndex),
    /// Back to the client, with another address.
    Redirect(Redirect),
}

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `Location`, without the request's query. A valid field value.
    pub to: Box<str>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Whether the request's query is appended.
    pub keep_query: bool,
}

/// Of a route without an upstream.
const UNHURRIED: Deadlines =
    Deadlines { connect: Duration::MAX, read: Duration::MAX, write: Duration::MAX, total: Duration::MAX };

impl Route {
    /// A route of no configuration: every request takes it, and `profile` judges it with nothing excluded. For tools that
    /// ask about a profile alone; there is no upstream behind it.
    pub fn of_profile(profile: &Arc<Profile>) -> Self {
        Self {
            index: 0,
            name: Arc::clone(&profile.name),
            action: Action::Forward(UpstreamIndex(usize::MAX)),
            quotas: RouteQuotas::default(),
            access: None,
            reserved: Arc::default(),
            cors: None,
            resilience: Arc::default(),
            profile: Arc::clone(profile),
            exclusions: RouteExclusions::default(),
            limits: profile.limits,
            body: profile.body,
            body_limit_bytes: Some(profile.limits.body as u64),
            body_deadline: None,
            path_policy: PathPolicy::LENIENT,
            query: QueryRules::default(),
            rewrite: Rewrite::default(),
            deadlines: UNHURRIED,
            websocket: false,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
        }
    }

    /// The upstream that requests go to; `None` for a redirect.
    pub fn upstream(&self) -> Option<UpstreamIndex> {
        match self.action {
            Action::Forward(upstream) => Some(upstream),
            Action::Redirect(_) => None,
        }
    }
}
