//! The first step: may this head go on, by which route, and what happens to its body?
//!
//! The order is fixed. What cannot be parsed in one way is refused before anything looks at it; then the path is
//! normalised, the route found, and only then judged whether this route takes such a path, such a length, an upgrade.

use rampart_identity::preflight_method;
use rampart_inspection::{BodyMode, Findings, Mode};
use rampart_message::{Head, NormalisedPath, PathProblem, Target, TargetForm, path};
use rampart_policy::{Query, Route, Routed, Snapshot};

use crate::judgement::{Origin, Request, Seen, Workspace, judge};
use crate::{Code, Refusal, head};

/// What a head says of the body that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// There is none.
    Nothing,
    /// So many bytes follow.
    Length(u64),
    /// Bytes follow until their end is marked: chunked, or an HTTP/2 stream without a length.
    Unknown,
}

/// What happens to the body before the upstream hears of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPlan {
    /// There is none.
    None,
    /// Read it whole, at most so many bytes, and judge it.
    Buffer {
        /// Bytes at most; one more is a refusal.
        limit_bytes: u64,
    },
    /// Read so many bytes of it and judge them; the rest follows unread.
    Prefix {
        /// Bytes to judge.
        bytes: u64,
        /// Bytes at most of the whole; `None` is no limit.
        limit_bytes: Option<u64>,
    },
    /// Let it pass.
    Stream {
        /// Bytes at most of the whole; `None` is no limit.
        limit_bytes: Option<u64>,
    },
}

/// A head that may go on.
#[derive(Debug)]
pub struct Admission<'s, 'h> {
    /// Its route.
    pub route: &'s Route,
    /// The request, split and its path normalised: as it is matched, inspected and forwarded.
    pub request: Request<'h>,
    /// The host that the request is for, with its port if any.
    pub host: &'h [u8],
    /// What happens to the body.
    pub body: BodyPlan,
    /// Whether the connection becomes a WebSocket.
    pub websocket: bool,
}

/// A head that may not go on.
#[derive(Debug)]
pub struct Denied<'s> {
    /// Its route, where one was found.
    pub route: Option<&'s Route>,
    /// The refusal.
    pub refusal: Refusal,
    /// What inspection found, where it was asked.
    pub findings: Findings,
}

/// Judges a head. Errors are refusals; they are boxed because they are rare and large.
pub fn admit<'s, 'h>(
    snapshot: &'s Snapshot,
    head: &Head<'h>,
    origin: Origin<'h>,
    declared: Declared,
    workspace: &mut Workspace,
) -> Result<Admission<'s, 'h>, Box<Denied<'s>>> {
    let parsed =
        parse(head).map_err(|refusal| Box::new(Denied { route: None, refusal, findings: Findings::default() }))?;
    let Parsed { target, path, host } = parsed;
    let route = find(snapshot, head, &target, &path, host)
        .map_err(|refusal| Box::new(Denied { route: None, refusal, findings: Findings::default() }))?;
    if let Err(problem) = route.path_policy.check(path.problems()) {
        let request = Request { head: *head, target: Some(target), path: Some(path), origin };
        return Err(Box::new(odd_path(route, request, problem, workspace)));
    }
    let deny = |refusal| Box::new(Denied { route: Some(route), refusal, findings: Findings::default() });
    let websocket = head::websocket(head, declared).map_err(deny)?;
    if websocket && !route.websocket {
        return Err(deny(Refusal::new(Code::UpgradeRefused, "this route takes no WebSocket", "Send a plain request")));
    }
    let body = plan(route, declared, websocket).map_err(deny)?;
    let request = Request { head: *head, target: Some(target), path: Some(path), origin };
    Ok(Admission { route, request, host, body, websocket })
}

struct Parsed<'h> {
    target: Target<'h>,
    path: NormalisedPath<'h>,
    host: &'h [u8],
}

fn parse<'h>(head: &Head<'h>) -> Result<Parsed<'h>, Refusal> {
    head::framing(head)?;
    head::expectation(&head.headers)?;
    let target = Target::split(head.method, head.target).ok_or_else(|| {
        Refusal::new(Code::PathRefused, "the request target has none of the forms of RFC 9112", "Send a path")
    })?;
    if target.form == TargetForm::Authority {
        return Err(Refusal::new(Code::MethodNotAllowed, "CONNECT is not taken", "This is no forward proxy").allow(""));
    }
    let host = head::host(head, target.authority)?;
    Ok(Parsed { target, path: path::scan(target.path), host })
}

fn find<'s>(
    snapshot: &'s Snapshot,
    head: &Head<'_>,
    target: &Target<'_>,
    path: &NormalisedPath<'_>,
    host: &[u8],
) -> Result<&'s Route, Refusal> {
    let query = Query {
        host,
        path: path.as_bytes(),
        query: target.query.unwrap_or_default(),
        headers: head.headers,
        method: head.method,
    };
    match snapshot.route(&query) {
        Routed::Found(route) => Ok(route),
        Routed::MethodNotAllowed { allow } => preflighted(snapshot, &query).ok_or_else(|| {
            Refusal::new(
                Code::MethodNotAllowed,
                "this place does not take the method",
                "The Allow field lists the methods that it takes",
            )
            .allow(allow)
        }),
        Routed::NotFound => {
            Err(Refusal::new(Code::RouteNotFound, "no route matches the request", "Check host and path"))
        }
    }
}

/// The route that a browser asks about before it sends the request itself (Fetch standard, CORS preflight): such an
/// `OPTIONS` is answered here, for routes that have a CORS policy, whatever methods they list.
fn preflighted<'s>(snapshot: &'s Snapshot, query: &Query<'_>) -> Option<&'s Route> {
    let method = preflight_method(query.method, &query.headers)?;
    match snapshot.route(&Query { method, ..*query }) {
        Routed::Found(route) => Some(route).filter(|route| route.cors.is_some()),
        _ => None,
    }
}

/// A path that this route does not take. If a rule sees an attack in it the answer and the event say so; otherwise they
/// say what is odd. It is refused in every mode: what has two readings cannot be routed.
fn odd_path<'s>(route: &'s Route, request: Request<'_>, problem: PathProblem, workspace: &mut Workspace) -> Denied<'s> {
    let judged = judge(route, request, Seen::Whole(&[]), workspace);
    let refusal = judged
        .refusal
        .filter(|refusal| refusal.code == Code::PayloadBlocked)
        .unwrap_or_else(|| Refusal::new(Code::PathRefused, problem.to_string(), "Send the path in its plain form"));
    Denied { route: Some(route), refusal, findings: judged.findings }
}

fn plan(route: &Route, declared: Declared, websocket: bool) -> Result<BodyPlan, Refusal> {
    let limit = route.body_limit_bytes;
    if let Declared::Length(length) = declared
        && limit.is_some_and(|limit| length > limit)
    {
        return Err(too_large(limit.unwrap_or_default()));
    }
    if declared == Declared::Nothing && !websocket {
        return Ok(BodyPlan::None);
    }
    Ok(match route.body {
        _ if websocket => BodyPlan::Stream { limit_bytes: None },
        _ if route.profile.mode == Mode::Off => BodyPlan::Stream { limit_bytes: limit },
        BodyMode::Buffer => BodyPlan::Buffer { limit_bytes: limit.unwrap_or(route.limits.body as u64) },
        BodyMode::Prefix(bytes) => BodyPlan::Prefix { bytes: bytes as u64, limit_bytes: limit },
        BodyMode::Stream => BodyPlan::Stream { limit_bytes: limit },
    })
}

/// The refusal of a body that is larger than its route takes.
fn too_large(limit_bytes: u64) -> Refusal {
    Refusal::new(
        Code::BodyTooLarge,
        format!("the request body is larger than {limit_bytes} bytes"),
        "Send a smaller body",
    )
}
