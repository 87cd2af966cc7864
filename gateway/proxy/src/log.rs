//! The end of every request: metrics, the access log's line, and a security event where there is something to say.
//!
//! Queries, credentials and bodies are in none of them.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use http::header::USER_AGENT;
use pingora::proxy::Session;
use rampart_decision::Code;
use rampart_inspection::{Match, Oddity, Severity};
use rampart_record::{
    AccessEntry, MAX_FIELD_BYTES, MAX_PATH_BYTES, Redaction, RuleMatch, SecurityEvent, Verdict, escape,
};

use crate::context::Context;
use crate::metrics::Finished;
use crate::{Gateway, entry, head, refusal, watch};

/// Where a match is in the body of a response. What a rule kept from leaving is not to leave by the records.
const RESPONSE_BODY: &str = "response.body";

/// Closes the books on a request. In the first pass of a request that a subrequest took, there is nothing to close.
pub(crate) fn request(gateway: &Gateway, session: &Session, ctx: &mut Context) {
    if ctx.spent {
        return;
    }
    watch::end(ctx);
    ctx.upstream.ended.get_or_insert_with(Instant::now);
    let verdict = verdict(ctx);
    let (written, bytes_out) = sent(session, ctx);
    entry::settle(gateway, session, ctx, bytes_out);
    let total = ctx.started.elapsed();
    let finished = Finished {
        method: &session.req_header().method,
        status: written,
        verdict,
        total,
        overhead: total.saturating_sub(ctx.upstream_time()).saturating_sub(ctx.body.waited),
    };
    let metrics = gateway.metrics();
    metrics.finished(ctx.series.as_ref().unwrap_or_else(|| metrics.unrouted()), finished);
    if let Some(refusal) = &ctx.decided.refusal {
        metrics.refused(refusal.code);
    }
    gateway.parts.records.access(&entry(session, ctx, verdict, (written, bytes_out), total));
    if ctx.decided.refusal.is_some()
        || verdict != Verdict::Pass
        || !ctx.decided.matches.is_empty()
        || ctx.access.is_some()
    {
        gateway.parts.records.event(event(gateway, session, ctx, verdict, written));
    }
    // What the request holds of shared bounds goes back now, not when Pingora drops the context.
    ctx.body.permit = None;
    ctx.upstream.let_go();
    ctx.running = None;
}

/// Status and bytes of body that the client gets: of a response that was held back, the refusal's, or nothing.
fn sent(session: &Session, ctx: &Context) -> (u16, u64) {
    if ctx.hold.as_ref().is_some_and(|hold| hold.holds()) {
        let refusal = ctx.decided.refusal.as_deref();
        return refusal.map_or((0, 0), |refusal| {
            let length = refusal::length(refusal, ctx.request_id());
            (refusal.status, length as u64)
        });
    }
    let status = session.response_written().map_or(0, |written| written.status.as_u16());
    (status, session.body_bytes_sent() as u64)
}

/// What was refused bears its code's verdict, also when a failure came after a good judgement. A client that left is no
/// verdict.
fn verdict(ctx: &Context) -> Verdict {
    let refused = ctx.decided.refusal.as_ref().map(|refusal| refusal.code.verdict());
    refused.or(ctx.decided.verdict).unwrap_or(Verdict::Pass)
}

fn entry<'a>(
    session: &'a Session,
    ctx: &'a Context,
    verdict: Verdict,
    (status, bytes_out): (u16, u64),
    total: Duration,
) -> AccessEntry<'a> {
    let header = session.req_header();
    AccessEntry {
        time: ctx.time,
        request_id: ctx.request_id(),
        client: ctx.client,
        method: header.method.as_str().as_bytes(),
        host: head::host(header),
        path: header.raw_path(),
        protocol: ctx.protocol,
        status,
        // A subrequest may have read a stand-in.
        bytes_in: ctx.body.length.unwrap_or(session.body_bytes_read() as u64),
        bytes_out,
        micros: micros(total),
        upstream: ctx.upstream.socket,
        upstream_micros: micros(ctx.upstream_time()),
        route: ctx.route_name.as_deref(),
        verdict,
        identity: ctx.identity.as_deref(),
        user_agent: header.headers.get(USER_AGENT).map(http::HeaderValue::as_bytes).unwrap_or_default(),
    }
}

/// `written` is the status that the client got, 0 for none.
fn event(gateway: &Gateway, session: &Session, ctx: &mut Context, verdict: Verdict, written: u16) -> SecurityEvent {
    ctx.release();
    // What may be shown is the operator's present word, also about requests that began before it.
    let snapshot = gateway.parts.snapshot.load();
    let redaction = &snapshot.config.records.redaction;
    let header = session.req_header();
    let refused = ctx.decided.refusal.as_deref();
    let path = header.raw_path().split(|byte| *byte == b'?').next().unwrap_or_default();
    let matches = std::mem::take(&mut ctx.decided.matches);
    let oddity = ctx.decided.oddity.take().map(odd_match);
    SecurityEvent {
        time: ctx.time,
        request_id: ctx.request_id().to_owned(),
        client_request_id: ctx.client_id.as_deref().map(str::to_owned),
        snapshot: ctx.digest.clone().unwrap_or_default(),
        client: ctx.client,
        identity: ctx.identity.as_deref().map(str::to_owned),
        route: ctx.route_name.clone(),
        method: escape(header.method.as_str().as_bytes(), MAX_FIELD_BYTES),
        path: escape(path, MAX_PATH_BYTES),
        verdict,
        code: refused.map(|refusal| refusal.code).or(ctx.decided.code).map(Code::as_str).map(Cow::Borrowed),
        cause: refused.and_then(|refusal| refusal.cause.clone()).or(ctx.decided.cause.take()).map(Into::into),
        score: ctx.decided.score,
        // What cuts a response off comes after its status.
        status: refused.map(|refusal| if written == 0 { refusal.status } else { written }),
        micros: micros(ctx.decided.took),
        rules: std::mem::take(&mut ctx.decided.rules),
        access: ctx.access.take(),
        matches: oddity.into_iter().chain(matches.into_iter().map(|found| rule_match(redaction, found))).collect(),
    }
}

fn rule_match(redaction: &Redaction, found: Match) -> RuleMatch {
    let value =
        if found.target == RESPONSE_BODY { String::new() } else { redaction.value(&found.target, &found.value) };
    RuleMatch {
        rule: found.rule,
        category: Cow::Borrowed(found.category.as_str()),
        severity: Cow::Borrowed(found.severity.as_str()),
        paranoia: found.paranoia,
        value,
        target: found.target,
        transform: found.transform,
        message: found.message,
    }
}

/// A limit exceeded, or content with more than one reading, in the form of a match: the limit's name or the problem's code
/// stands where a rule's id would. It has no value: what is too long is not worth keeping.
fn odd_match(oddity: Oddity) -> RuleMatch {
    let category = if oddity.is_limit() { "content_limit" } else { "malformed_content" };
    RuleMatch {
        rule: oddity.limit.unwrap_or_else(|| oddity.code()).into(),
        category: Cow::Borrowed(category),
        severity: Cow::Borrowed(Severity::Critical.as_str()),
        paranoia: 1,
        target: oddity.location,
        transform: String::new(),
        value: String::new(),
        message: oddity.detail,
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
