//! A route as it is used: checked, with everything that it refers to resolved.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rampart_inspection::{BodyMode, Profile, RouteExclusions};
use rampart_message::{Limits, PathPolicy};
use rampart_upstream::Deadlines;

use crate::snapshot::UpstreamIndex;

/// What happens to a request for some place.
#[derive(Debug)]
pub struct Route {
    /// Position among the snapshot's routes.
    pub index: usize,
    /// Its name in logs, metrics and exclusions.
    pub name: Arc<str>,
    /// Where the request goes.
    pub action: Action,
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
    /// `Location`, without the request's query.
    pub to: Box<str>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Whether the request's query is appended.
    pub keep_query: bool,
}

/// How a path changes on the way to the upstream.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    strip_prefix: Option<Box<[u8]>>,
    change: Option<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    AddPrefix(Box<[u8]>),
    Replace { regex: regex::bytes::Regex, to: Box<[u8]> },
}

/// Changes to a header: what is removed, then what is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Fields that get this value, whatever was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields that are taken out.
    pub remove: Vec<HeaderName>,
}

impl Route {
    /// The upstream that requests go to; `None` for a redirect.
    pub fn upstream(&self) -> Option<UpstreamIndex> {
        match self.action {
            Action::Forward(upstream) => Some(upstream),
            Action::Redirect(_) => None,
        }
    }
}

impl Rewrite {
    /// Whether every path stays as it is.
    pub fn is_identity(&self) -> bool {
        self.strip_prefix.is_none() && self.change.is_none()
    }

    /// The path that the upstream sees, of a normalised path. It begins with a slash; what a regular expression made of
    /// the path is normalised again.
    pub fn apply<'p>(&self, path: &'p [u8]) -> Cow<'p, [u8]> {
        Cow::Borrowed(path)
    }
}

impl HeaderEdits {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}
