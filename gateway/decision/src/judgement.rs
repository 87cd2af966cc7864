//! The second step: inspection, and what follows from what it found.
//!
//! A body that is large or slow is not worth waiting for when its head already says no: the caller asks [`judge_head`]
//! first, and [`judge`] once the body is there. For a small body one call of [`judge`] sees both.

use std::borrow::Cow;

use rampart_inspection::{Findings, Oddity, Outcome, Profile};
use rampart_message::{Body, Head, Message, NormalisedPath, ProblemCode, Target, path};
use rampart_policy::Route;
use rampart_record::Verdict;

use crate::{Code, Refusal};

/// Buffers that are used again from request to request. One per worker.
#[derive(Debug, Default)]
pub struct Workspace {
    message: rampart_message::Scratch,
    inspection: rampart_inspection::Scratch,
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
}

/// Inspects a head whose body was not read.
pub fn judge_head(
    route: &Route,
    head: Head<'_>,
    target: Target<'_>,
    path: NormalisedPath<'_>,
    workspace: &mut Workspace,
) -> Judgement {
    let message = Message::with_path(head, Some(target), Some(path), &route.limits, &mut workspace.message);
    let findings = route.profile.inspect_head(&route.exclusions, &message, &mut workspace.inspection);
    message.recycle(&mut workspace.message);
    conclude(&route.profile, findings)
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
pub fn judge(
    route: &Route,
    head: Head<'_>,
    target: Target<'_>,
    path: NormalisedPath<'_>,
    body: Seen<'_>,
    workspace: &mut Workspace,
) -> Judgement {
    judge_parts(route, head, (Some(target), Some(path)), body, workspace)
}

/// Inspects a request of which nothing but its bytes is known: for tools that ask about a profile alone. A target of no
/// form is one of the things that inspection notes.
pub fn judge_alone(route: &Route, head: Head<'_>, body: Seen<'_>, workspace: &mut Workspace) -> Judgement {
    let target = Target::split(head.method, head.target);
    let path = target.filter(|target| target.path.starts_with(b"/")).map(|target| path::scan(target.path));
    judge_parts(route, head, (target, path), body, workspace)
}

fn judge_parts(
    route: &Route,
    head: Head<'_>,
    (target, path): (Option<Target<'_>>, Option<NormalisedPath<'_>>),
    body: Seen<'_>,
    workspace: &mut Workspace,
) -> Judgement {
    let opened = match body {
        Seen::Whole([]) | Seen::Prefix([]) => None,
        Seen::Whole(bytes) => Some(Body::open(&head.headers, bytes, &route.limits)),
        Seen::Prefix(bytes) => Some(Body::open_prefix(&head.headers, bytes, &route.limits)),
    };
    let mut message = Message::with_path(head, target, path, &route.limits, &mut workspace.message);
    if let Some(opened) = &opened {
        message.parse_body(opened, &route.limits);
    }
    let findings = route.profile.inspect(&route.exclusions, &message, &mut workspace.inspection);
    message.recycle(&mut workspace.message);
    conclude(&route.profile, findings)
}

fn conclude(profile: &Profile, findings: Findings) -> Judgement {
    match findings.outcome {
        Outcome::Pass => Judgement { verdict: Verdict::Pass, code: None, refusal: None, findings },
        Outcome::WouldBlock => {
            let code = refusal(profile, &findings, 400).code;
            Judgement { verdict: Verdict::WouldBlock, code: Some(code), refusal: None, findings }
        }
        Outcome::Block { status } => {
            let refusal = refusal(profile, &findings, status);
            Judgement { verdict: refusal.code.verdict(), code: Some(refusal.code), refusal: Some(refusal), findings }
        }
    }
}

fn refusal(profile: &Profile, findings: &Findings, status: u16) -> Refusal {
    match (&findings.limit, findings.sentence(profile.disclose_location)) {
        (Some(oddity), None) => odd(oddity, profile.disclose_location),
        (_, sentence) => {
            let error = sentence.map_or(Cow::Borrowed("Request blocked"), Cow::Owned);
            Refusal { status, ..Refusal::new(Code::PayloadBlocked, error, "Request blocked for security reasons") }
        }
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
