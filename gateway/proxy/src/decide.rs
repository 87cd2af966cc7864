//! The order of things for one request: head, admission, way in, body, judgement. What is decided is decided by
//! `rampart-decision`; here is what has to be waited for in between.
//!
//! A head whose body is large, of unknown length or still held back by the client is judged before the body is asked for.
//! A large body is judged on a blocking thread, so that it does not hold up the others of its worker; no more of them at a
//! time than there are processors, so that a crowd of large bodies does not hold up all others.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use rampart_decision::query::{self, Query};
use rampart_decision::{
    Admission, BodyPlan, Code, Declared, Denied, Judgement, Origin, Refusal, Request, Seen, Workspace, admit, judge,
    judge_head,
};
use rampart_identity::PreflightAnswer;
use rampart_inspection::{BodyMode, Findings};
use rampart_message::{Head, NormalisedPath};
use rampart_policy::{Action, Redirect, Snapshot};
use rampart_record::{MAX_RULES, Verdict};
use rampart_upstream::Balance;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::{self, Buffered, Carriage, Want};
use crate::context::{Context, RequestName};
use crate::entry::{Entered, Wait};
use crate::watch::Watch;
use crate::workspace::with_workspace;
use crate::{Gateway, entry, forward, head, held, refusal, response};

/// A head is judged by itself first where more than this follows, in bytes.
const JUDGE_HEAD_FIRST_BYTES: u64 = 64 * 1024;
/// What a compressed byte may come to; the profiles' bound by default.
const COMPRESSION: usize = 100;
/// Bodies from this size on are judged on a blocking thread, in bytes.
pub(crate) const OFFLOAD_BYTES: usize = 256 * 1024;

/// What follows from a head.
enum Next {
    Refuse(Box<Refusal>),
    Redirect(Redirect),
    Preflight(PreflightAnswer),
    /// Whether the caller may come in has to be asked elsewhere; then the head is looked at again.
    Wait(Wait),
    /// Nothing of the body is to be read.
    Forward,
    Read(Want),
}

/// Decides a request. `true`: it has been answered, there is nothing to forward.
pub(crate) async fn request(gateway: &Gateway, session: &mut Session, ctx: &mut Context) -> Result<bool> {
    head::complete(session);
    let snapshot = gateway.parts.snapshot.load_full();
    head::identify(session, &snapshot, ctx);
    ctx.running = Some(gateway.metrics().running());
    ctx.pin = Some(Arc::clone(&snapshot));
    match look(gateway, session, &snapshot, ctx).await {
        Next::Wait(_) => refuse(session, ctx, Box::new(unjudged())).await,
        Next::Preflight(answer) => {
            entry::preflight(session, answer, ctx).await?;
            Ok(true)
        }
        Next::Refuse(refusal) => refuse(session, ctx, refusal).await,
        Next::Redirect(redirect) => {
            response::redirect(session, &redirect, ctx).await?;
            Ok(true)
        }
        Next::Forward => {
            go_on(session).await?;
            if holds(ctx) && ctx.body.length == Some(0) {
                held::carry(session, ctx, Bytes::new()).await?;
                return Ok(true);
            }
            Ok(false)
        }
        Next::Read(want) => with_body(gateway, session, &snapshot, ctx, want).await,
    }
}

/// Looks at the head as often as there is something to wait for: at most once for each quota stage and a key set.
async fn look(gateway: &Gateway, session: &mut Session, snapshot: &Arc<Snapshot>, ctx: &mut Context) -> Next {
    loop {
        let began = Instant::now();
        let next = decide_head(gateway, session, snapshot, ctx);
        ctx.decided.took += began.elapsed();
        match next {
            Next::Wait(wait) => {
                if let Some(refusal) = entry::wait(gateway, ctx, wait).await {
                    return Next::Refuse(refusal);
                }
            }
            next => return next,
        }
    }
}

async fn with_body(
    gateway: &Gateway,
    session: &mut Session,
    snapshot: &Arc<Snapshot>,
    ctx: &mut Context,
    want: Want,
) -> Result<bool> {
    go_on(session).await?;
    let mut permit = gateway.parts.budget.permit();
    let began = Instant::now();
    let read = body::read(session, want, &mut permit).await;
    ctx.body.waited = began.elapsed();
    ctx.body.permit = Some(permit);
    let buffered = match read {
        Ok(buffered) => buffered,
        Err(fault) => {
            // Where the next request would begin is not known, whatever Pingora makes of a body that broke off.
            session.set_keepalive(None);
            return refuse(session, ctx, Box::new(fault.into())).await;
        }
    };
    let Some(turn) = turn(&gateway.judging, weight(session, &buffered), want.deadline).await else {
        let refusal = Refusal::new(
            Code::BufferExhausted,
            "The gateway has as many request bodies to judge as it can",
            "Try again later.",
        );
        return refuse(session, ctx, Box::new(refusal.retry_after_s(1))).await;
    };
    let began = Instant::now();
    let judged = judge_body(session, snapshot, ctx, &buffered, turn).await;
    ctx.decided.took += began.elapsed();
    let refusal = match judged {
        Some(judged) => note(ctx, judged),
        None => Some(Box::new(unjudged())),
    };
    if let Some(refusal) = refusal {
        return refuse(session, ctx, refusal).await;
    }
    carry(session, ctx, buffered).await
}

fn unjudged() -> Refusal {
    Refusal::new(Code::Internal, "The request could not be judged", "Try again later.")
}

/// Tells a client that waits for it to send its body.
async fn go_on(session: &mut Session) -> Result<()> {
    if head::expects_continue(session.req_header()) && session.as_http1().is_some() && !session.is_body_done() {
        // Writing it makes Pingora forget that the connection is to be kept.
        let keepalive = session.get_keepalive();
        session.write_continue_response().await?;
        session.set_keepalive(keepalive);
    }
    Ok(())
}

async fn carry(session: &mut Session, ctx: &mut Context, buffered: Buffered) -> Result<bool> {
    ctx.body.length = buffered.whole.then_some(buffered.bytes.len() as u64);
    ctx.body.streams = !buffered.whole;
    ctx.body.carriage = buffered.carriage;
    if holds(ctx) && buffered.whole {
        ctx.body.carriage = Carriage::Subrequest;
    }
    if ctx.body.carriage != Carriage::Subrequest {
        return Ok(false);
    }
    held::carry(session, ctx, buffered.bytes).await?;
    Ok(true)
}

/// Whether the response may have to be held back. A WebSocket's never is: it has no body.
fn holds(ctx: &Context) -> bool {
    !ctx.upgrade && ctx.watch.as_ref().is_some_and(Watch::holds)
}

async fn refuse(session: &mut Session, ctx: &mut Context, refusal: Box<Refusal>) -> Result<bool> {
    // What the client is still sending is no reason to hold memory for it.
    ctx.body.permit = None;
    let written = refusal::answer(session, &refusal, ctx.request_id(), &ctx.way).await;
    ctx.decided.refusal = Some(refusal);
    written.map(|()| true)
}

/// Everything that the head alone decides.
fn decide_head(gateway: &Gateway, session: &mut Session, snapshot: &Snapshot, ctx: &mut Context) -> Next {
    let declared = if session.is_body_empty() {
        Declared::Nothing
    } else {
        body::declared_length(session).map_or(Declared::Unknown, Declared::Length)
    };
    if let Err(refusal) = head::check(session) {
        return Next::Refuse(Box::new(refusal));
    }
    let waits = head::expects_continue(session.req_header());
    let name = ctx.id.clone();
    let next = head::with_head(session.req_header(), |head| {
        with_workspace(|workspace| {
            let origin = head::origin(session, name.as_ref(), ctx.client);
            let fresh;
            let mut admission = match admit(snapshot, &head, origin, declared, workspace) {
                Ok(admission) => admission,
                Err(denied) => return denied_by(gateway, ctx, &head, *denied),
            };
            enter(gateway, snapshot, session, ctx, &admission);
            match entry::proceed(gateway, ctx, &admission, declared) {
                Entered::Passed => {}
                Entered::Refused(refusal) => return Next::Refuse(refusal),
                Entered::Preflight(answer) => return Next::Preflight(answer),
                Entered::Waits(wait) => return Next::Wait(wait),
            }
            match query::check(admission.route, admission.request.target.and_then(|target| target.query)) {
                Query::Unchanged => {}
                Query::Refused(refusal) => return Next::Refuse(refusal),
                Query::Rewritten(query) => {
                    fresh = query::retarget(head.target, &query);
                    ctx.requeried = Some(fresh.clone());
                    admission = query::readmit(admission, &fresh);
                    retarget(session, ctx, &admission);
                }
            }
            if let Action::Redirect(redirect) = &admission.route.action {
                return Next::Redirect(with_query(redirect, admission.request.target.and_then(|target| target.query)));
            }
            judge_first(ctx, admission, declared, waits, workspace)
        })
    });
    if matches!(next, Next::Forward) {
        // Bytes that pass unread are timed piece by piece; a WebSocket's silence is the upstream deadline's matter.
        session.set_read_timeout((!ctx.upgrade).then_some(ctx.body_deadline()));
    }
    next
}

/// Judges an admitted head, unless a small body is about to come with which it is judged at once; says what to read.
fn judge_first(
    ctx: &mut Context,
    admission: Admission<'_, '_>,
    declared: Declared,
    waits: bool,
    workspace: &mut Workspace,
) -> Next {
    let Admission { route, request, body: plan, .. } = admission;
    let deadline = route.body_deadline.unwrap_or(ctx.arrival.body_deadline);
    let soon = matches!(declared, Declared::Length(length) if !waits && length <= JUDGE_HEAD_FIRST_BYTES);
    let judged = match plan {
        // Of a body that passes unread nothing more will be known: the head is all there is to judge.
        BodyPlan::None | BodyPlan::Stream { .. } => Some(judge(route, request, Seen::Whole(&[]), workspace)),
        BodyPlan::Buffer { .. } | BodyPlan::Prefix { .. } if soon => None,
        _ => Some(judge_head(route, request, workspace)),
    };
    if let Some(refusal) = judged.and_then(|judged| note(ctx, judged)) {
        return Next::Refuse(refusal);
    }
    match plan {
        BodyPlan::None | BodyPlan::Stream { .. } => Next::Forward,
        BodyPlan::Buffer { limit_bytes } => Next::Read(Want { limit_bytes, prefix_bytes: None, deadline }),
        BodyPlan::Prefix { bytes, limit_bytes } => {
            Next::Read(Want { limit_bytes: limit_bytes.unwrap_or(u64::MAX), prefix_bytes: Some(bytes), deadline })
        }
    }
}

/// Takes over what a denial says.
fn denied_by(gateway: &Gateway, ctx: &mut Context, head: &Head<'_>, denied: Denied<'_>) -> Next {
    if let Some(route) = denied.route {
        entry::speak_for(ctx, route, &head.headers);
        ctx.route_name = Some(Arc::clone(&route.name));
        ctx.series = Some(gateway.metrics().route(&route.name));
    }
    found(ctx, denied.findings);
    Next::Refuse(Box::new(denied.refusal))
}

/// Takes over what an admission says.
fn enter(gateway: &Gateway, snapshot: &Snapshot, session: &Session, ctx: &mut Context, admission: &Admission<'_, '_>) {
    let route = admission.route;
    ctx.route = Some(route.index);
    ctx.route_name = Some(Arc::clone(&route.name));
    ctx.series = Some(gateway.metrics().route(&route.name));
    ctx.upgrade = admission.websocket;
    ctx.unhurried = admission.websocket || route.body == BodyMode::Stream;
    let header = session.req_header();
    let matched = admission.request.path.as_ref().map(NormalisedPath::as_bytes).unwrap_or_default();
    retarget(session, ctx, admission);
    match admission.body {
        BodyPlan::Stream { limit_bytes } => {
            ctx.body.streams = true;
            ctx.body.limit_bytes = limit_bytes.unwrap_or(0);
        }
        BodyPlan::Prefix { limit_bytes, .. } => ctx.body.limit_bytes = limit_bytes.unwrap_or(0),
        BodyPlan::None => ctx.body.length = Some(0),
        BodyPlan::Buffer { .. } => {}
    }
    let upstream = route.upstream().and_then(|index| snapshot.upstream(index));
    if let Some(upstream) = upstream.filter(|upstream| upstream.balance == Balance::ConsistentHash) {
        let path = matched;
        ctx.hash = upstream.hash_on.key(&head::Keyed { headers: &header.headers, client: ctx.client, path });
    }
}

/// Notes the target that the upstream gets.
fn retarget(session: &Session, ctx: &mut Context, admission: &Admission<'_, '_>) {
    let matched = admission.request.path.as_ref().map(NormalisedPath::as_bytes).unwrap_or_default();
    let path = admission.route.rewrite.apply(matched);
    let query = admission.request.target.and_then(|target| target.query);
    ctx.target = forward::target(session.req_header().raw_path(), &path, query);
}

fn with_query(redirect: &Redirect, query: Option<&[u8]>) -> Redirect {
    let mut redirect = redirect.clone();
    if let Some(query) = query.and_then(|query| std::str::from_utf8(query).ok()).filter(|_| redirect.keep_query) {
        let mark = if redirect.to.contains('?') { '&' } else { '?' };
        redirect.to = format!("{}{mark}{query}", redirect.to).into();
    }
    redirect
}

/// How much there is to judge, in bytes: of what is compressed, as much as it may come to.
fn weight(session: &Session, buffered: &Buffered) -> usize {
    let compressed = session.req_header().headers.contains_key(http::header::CONTENT_ENCODING);
    buffered.bytes.len().saturating_mul(if compressed { COMPRESSION } else { 1 })
}

/// Where a judgement runs: at once, or on a blocking thread for as long as its permit is held.
enum Turn {
    Here,
    Offloaded(OwnedSemaphorePermit),
}

/// Waits for the turn of a body of so many bytes. `None` where it does not come in time.
async fn turn(judging: &Arc<Semaphore>, bytes: usize, deadline: Duration) -> Option<Turn> {
    if bytes < OFFLOAD_BYTES {
        return Some(Turn::Here);
    }
    let permit = tokio::time::timeout(deadline, Arc::clone(judging).acquire_owned()).await;
    permit.ok()?.ok().map(Turn::Offloaded)
}

/// Judges the request with what was read of its body. `None` where that failed: such a request does not pass.
async fn judge_body(
    session: &Session,
    snapshot: &Arc<Snapshot>,
    ctx: &Context,
    buffered: &Buffered,
    turn: Turn,
) -> Option<Judgement> {
    let route = ctx.route?;
    let (bytes, whole) = (buffered.bytes.clone(), buffered.whole);
    let Turn::Offloaded(permit) = turn else {
        let origin = head::origin(session, ctx.id.as_ref(), ctx.client);
        return judged((session.req_header(), ctx.requeried.as_deref()), origin, snapshot, route, &bytes, whole);
    };
    let (header, snapshot) = (session.req_header().clone(), Arc::clone(snapshot));
    let (name, connection) = (ctx.id.clone(), head::connection(session, ctx.client));
    let requeried = ctx.requeried.clone();
    let task = tokio::task::spawn_blocking(move || {
        // Given back when the work is done, not when its request is given up: that does not stop the work.
        let _permit = permit;
        let origin = Origin { connection, request_id: RequestName::text(name.as_ref()), now: SystemTime::now() };
        judged((&header, requeried.as_deref()), origin, &snapshot, route, &bytes, whole)
    });
    task.await.unwrap_or_else(|error| {
        log::error!("a judgement failed: {error}");
        None
    })
}

/// Judges a head as received, but for its target where the route takes another query.
fn judged(
    (header, target): (&RequestHeader, Option<&[u8]>),
    origin: Origin<'_>,
    snapshot: &Snapshot,
    route: usize,
    bytes: &Bytes,
    whole: bool,
) -> Option<Judgement> {
    let route = snapshot.routes.get(route)?;
    head::with_head(header, |head| {
        let head = Head { target: target.unwrap_or(head.target), ..head };
        let seen = if whole { Seen::Whole(bytes) } else { Seen::Prefix(bytes) };
        with_workspace(|workspace| Some(judge(route, Request::new(head, origin), seen, workspace)))
    })
}

/// Takes over a judgement; gives the refusal, if it is one.
fn note(ctx: &mut Context, judgement: Judgement) -> Option<Box<Refusal>> {
    let Judgement { verdict, code, refusal, findings, exchange } = judgement;
    ctx.watch = exchange.map(Watch::new);
    if verdict != Verdict::Pass || ctx.decided.verdict.is_none() {
        ctx.decided.verdict = Some(verdict);
        ctx.decided.code = code;
    }
    found(ctx, findings);
    refusal.map(Box::new)
}

/// The later findings are the fuller ones: they saw the body too.
pub(crate) fn found(ctx: &mut Context, findings: Findings) {
    ctx.decided.score = ctx.decided.score.max(findings.anomaly_score());
    if findings.rules().next().is_some() {
        ctx.decided.rules = findings.rules().take(MAX_RULES).cloned().collect();
    }
    if !findings.matches.is_empty() {
        ctx.decided.matches = findings.matches;
    }
    if findings.limit.is_some() {
        ctx.decided.oddity = findings.limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_wait_for_their_turn_and_not_for_ever() {
        let judging = Arc::new(Semaphore::new(1));
        let deadline = Duration::from_millis(20);
        let first = turn(&judging, OFFLOAD_BYTES, deadline).await;
        assert!(matches!(first, Some(Turn::Offloaded(_))));
        assert!(matches!(turn(&judging, OFFLOAD_BYTES - 1, deadline).await, Some(Turn::Here)));
        let began = Instant::now();
        assert!(turn(&judging, OFFLOAD_BYTES, deadline).await.is_none());
        assert!(began.elapsed() >= deadline);
        drop(first);
        assert!(turn(&judging, OFFLOAD_BYTES, deadline).await.is_some());
    }
}
