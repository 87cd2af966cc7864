//! The second step: inspection, and what follows from what it found.
//!
//! A body that is large or slow is not worth waiting for when its head already says no: the caller asks [`judge_head`]
//! first, and [`judge`] once the body is there. For a small body one call of [`judge`] sees both.

use std::borrow::Cow;
use std::time::SystemTime;

use rampart_inspection::{Action, Connection, Findings, Oddity, Outcome, Profile, Transaction};
use rampart_message::{Body, Head, Message, NormalisedPath, ProblemCode, Target, path};
use rampart_policy::Route;
use rampart_record::Verdict;

use crate::{Code, Exchange, Refusal};

/// Buffers that are used again from request to request. One per worker.
#[derive(Debug, Default)]
pub struct Workspace {
    message: rampart_message::Scratch,
    pub(crate) inspection: rampart_inspection::Scratch,
}

/// What inspection said of a request.
#[derive(Debug)]
pub struct Judgement {
    /// Pass, would block, or the verdict of the refusal.
    pub verdict: Verdict,
    /// The code of the refusal, or in mode `detect` of what it would have been.
    pub code: Option<Code>,
    /// What to tell the client, if it is refused.
    pub refusal: Option<Refusal>,
    /// What was found, for the event.
    pub findings: Findings,
    /// What is still to be judged once the request has passed: its response, where the profile asks for that.
    pub exchange: Option<Box<Exchange>>,
}

/// What inspection needs to know of a request beside its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'o> {
    /// Who talks to whom.
    pub connection: Connection,
    /// The id of the request.
    pub request_id: &'o str,
    /// The time.
    pub now: SystemTime,
}

/// A request to judge, without its body.
#[derive(Debug, Clone)]
pub struct Request<'h> {
    /// The head as received.
    pub head: Head<'h>,
    /// The request target, split; `None` where it has no form, which inspection notes.
    pub target: Option<Target<'h>>,
    /// The normalised path; `None` where the target has none.
    pub path: Option<NormalisedPath<'h>>,
    /// Where it comes from.
    pub origin: Origin<'h>,
}

impl<'h> Request<'h> {
    /// A request that nobody has looked at yet.
    pub fn new(head: Head<'h>, origin: Origin<'h>) -> Self {
        let target = Target::split(head.method, head.target);
        let path = target.filter(|target| target.path.starts_with(b"/")).map(|target| path::scan(target.path));
        Self { head, target, path, origin }
    }
}

/// Inspects a head whose body was not read. Only what the head alone can tell is asked: [`judge`] is asked again, about
/// the whole, unless this refuses.
pub fn judge_head(route: &Route, request: Request<'_>, workspace: &mut Workspace) -> Judgement {
    let Request { head, target, path, origin } = request;
    let Workspace { message: buffers, inspection } = workspace;
    let message = Message::with_path(head, target, path, &route.limits, buffers);
    let profile = &route.profile;
    let mut findings = profile.inspect_head(&route.exclusions, &message, inspection);
    if let Some(mut transaction) = begin(route, origin, inspection) {
        transaction.request_head(profile.exempt(&route.exclusions), &message, origin.now, inspection);
        profile.join(&mut findings, &transaction);
        if findings.outcome.is_block() {
            transaction.log(origin.now, inspection);
            profile.join(&mut findings, &transaction);
        }
        transaction.recycle(inspection);
    }
    message.recycle(buffers);
    conclude(profile, findings)
}

/// What was read of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'b> {
    /// All of it; empty where there is none.
    Whole(&'b [u8]),
    /// Its beginning; the rest passes unread.
    Prefix(&'b [u8]),
}

/// Inspects a request with what was read of its body.
pub fn judge(route: &Route, request: Request<'_>, body: Seen<'_>, workspace: &mut Workspace) -> Judgement {
    let Request { head, target, path, origin } = request;
    let Workspace { message: buffers, inspection } = workspace;
    let opened = match body {
        Seen::Whole([]) | Seen::Prefix([]) => None,
        Seen::Whole(bytes) => Some(Body::open(&head.headers, bytes, &route.limits)),
        Seen::Prefix(bytes) => Some(Body::open_prefix(&head.headers, bytes, &route.limits)),
    };
    let mut message = Message::with_path(head, target, path, &route.limits, buffers);
    if let Some(opened) = &opened {
        message.parse_body(opened, &route.limits);
    }
    let profile = &route.profile;
    let mut findings = profile.inspect(&route.exclusions, &message, inspection);
    let mut exchange = None;
    if let Some(mut transaction) = begin(route, origin, inspection) {
        transaction.request(profile.exempt(&route.exclusions), &message, &route.limits, origin.now, inspection);
        profile.join(&mut findings, &transaction);
        if findings.outcome.is_block() {
            transaction.log(origin.now, inspection);
            profile.join(&mut findings, &transaction);
            transaction.recycle(inspection);
        } else {
            exchange = Some(Box::new(Exchange::new(route, transaction, findings.clone())));
        }
    }
    message.recycle(buffers);
    Judgement { exchange, ..conclude(profile, findings) }
}

fn begin(route: &Route, origin: Origin<'_>, scratch: &mut rampart_inspection::Scratch) -> Option<Transaction> {
    route.profile.begin(origin.connection, origin.request_id, origin.now, scratch)
}

fn conclude(profile: &Profile, findings: Findings) -> Judgement {
    match findings.outcome {
        Outcome::Pass => Judgement { verdict: Verdict::Pass, code: None, refusal: None, findings, exchange: None },
        Outcome::WouldBlock => {
            let code = refusal(profile, &findings, 400).code;
            Judgement { verdict: Verdict::WouldBlock, code: Some(code), refusal: None, findings, exchange: None }
        }
        Outcome::Block { status } => {
            let refusal = refusal(profile, &findings, status);
            Judgement {
                verdict: refusal.code.verdict(),
                code: Some(refusal.code),
                refusal: Some(refusal),
                findings,
                exchange: None,
            }
        }
    }
}

fn refusal(profile: &Profile, findings: &Findings, status: u16) -> Refusal {
    match (&findings.limit, findings.sentence(profile.disclose_location)) {
        (Some(oddity), None) => odd(oddity, profile.disclose_location),
        (_, sentence) => {
            let error = sentence.map_or(Cow::Borrowed("Request blocked"), Cow::Owned);
            let refusal = Refusal::new(Code::PayloadBlocked, error, "Request blocked for security reasons");
            Refusal { status, ..refusal.sent_to(redirect(findings)) }
        }
    }
}

/// Where a rule sends the client instead.
pub(crate) fn redirect(findings: &Findings) -> Option<String> {
    match &findings.interruption.as_ref()?.action {
        Action::Redirect(to) => Some(to.clone()),
        Action::Deny | Action::Drop => None,
    }
}

/// The refusal of a message that exceeds a limit or has more than one reading.
fn odd(oddity: &Oddity, disclose: bool) -> Refusal {
    let mut error = sentence(oddity);
    if disclose && !oddity.location.is_empty() {
        error.push_str(" in ");
        error.push_str(&oddity.location);
    }
    if disclose && !oddity.detail.is_empty() {
        error.push_str(": ");
        error.push_str(&oddity.detail);
    }
    let detail = if oddity.is_limit() { "Request blocked: it exceeds a limit" } else { "Send well-formed content" };
    Refusal::new(code_of(oddity), error, detail)
}

/// "Limit exceeded", "Malformed json": the stable code as people write it.
fn sentence(oddity: &Oddity) -> String {
    let mut words = oddity.code().replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn code_of(oddity: &Oddity) -> Code {
    match (oddity.status(), oddity.problem) {
        (413, _) => Code::BodyTooLarge,
        (414, _) => Code::UriTooLong,
        (415, _) => Code::ContentEncodingUnsupported,
        (431, _) => Code::HeadersTooLarge,
        (_, Some(ProblemCode::AmbiguousFraming)) => Code::FramingInvalid,
        (_, Some(ProblemCode::BadPath | ProblemCode::BadTarget)) => Code::PathRefused,
        _ if oddity.is_limit() => Code::ContentLimit,
        _ => Code::MalformedContent,
    }
}
