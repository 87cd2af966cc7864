//! A request's way in: bans, quotas, preflights and identity, as `decision` orders them; here is what has to be waited
//! for, what the answer says of it, and the settling of accounts once the answer is known.
//!
//! Waits are bounded below this file: a count in Redis by the command deadline, a key set by the fetch's.

use std::time::SystemTime;

use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName, HeaderValue, VARY};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use rampart_decision::{Admission, Asking, Beside, Code, Declared, Entry, Refusal, Step};
use rampart_identity::{MissingKey, OWN_FIELDS, PreflightAnswer};
use rampart_limits::{Actual, Demand};
use rampart_message::Headers;
use rampart_policy::Route;
use rampart_record::{AdminAction, Outcome, Verdict};

use crate::Gateway;
use crate::clock::steady;
use crate::context::Context;
use crate::response::X_REQUEST_ID;

/// One request's way in, and what follows from it for both directions.
#[derive(Default)]
pub(crate) struct Way {
    entry: Entry,
    /// Fields of the answer, whoever gives it.
    answer: Vec<(HeaderName, HeaderValue)>,
    /// Whether the answer's CORS fields are the gateway's to write.
    cors: bool,
    /// What the upstream is told of the caller; `None` takes a field out.
    pub(crate) forward: Vec<(HeaderName, Option<HeaderValue>)>,
}

/// What a request has to wait for before it is known whether it may come in.
pub(crate) enum Wait {
    Count(Demand),
    Refresh(MissingKey),
}

/// What follows from a look at the way in.
pub(crate) enum Entered {
    Passed,
    Refused(Box<Refusal>),
    Preflight(PreflightAnswer),
    Waits(Wait),
}

/// Goes on with the way in of an admitted head.
pub(crate) fn proceed(
    gateway: &Gateway,
    ctx: &mut Context,
    admission: &Admission<'_, '_>,
    declared: Declared,
) -> Entered {
    let route = admission.route;
    let asking = Asking { route, request: &admission.request, client: ctx.client, host: admission.host, declared };
    let beside = Beside { runtime: &gateway.parts.runtime, now: SystemTime::now(), micros: steady() };
    let step = ctx.way.entry.proceed(asking, beside);
    if let Some(note) = ctx.way.entry.take_note() {
        ctx.access = Some(note);
    }
    ctx.identity = ctx.way.entry.label().map(Into::into);
    speak_for(ctx, route, &admission.request.head.headers);
    state_quotas(ctx);
    match step {
        Step::Count(demand) => Entered::Waits(Wait::Count(demand)),
        Step::Refresh(missing) => Entered::Waits(Wait::Refresh(missing)),
        Step::Refused(refusal) => Entered::Refused(refusal),
        Step::Preflight(answer) => Entered::Preflight(answer),
        Step::Passed => {
            shadow(ctx);
            if let Some(access) = &route.access {
                ctx.way.forward = access.forward(&admission.request.head.headers, ctx.way.entry.principal());
            }
            Entered::Passed
        }
    }
}

/// From here on the answer's CORS fields are the gateway's to write, where the route has a policy; also those of a refusal,
/// which a page could not read without them.
pub(crate) fn speak_for(ctx: &mut Context, route: &Route, headers: &Headers<'_>) {
    if let Some(cors) = route.cors.as_ref().filter(|_| !ctx.way.cors) {
        ctx.way.answer = cors.fields(headers);
        ctx.way.cors = true;
    }
}

/// A quota in shadow mode would have refused: that is worth an event.
fn shadow(ctx: &mut Context) {
    let Some(state) = ctx.way.entry.shadowed() else { return };
    ctx.decided.cause = Some(format!("quota {}: {}", state.quota.name, state.outcome.as_str()).into());
    ctx.decided.verdict = Some(Verdict::WouldBlock);
    ctx.decided.code = Some(Code::RateLimited);
}

/// Waits, and hands in what came of it. The refusal, if a quota is spent.
pub(crate) async fn wait(gateway: &Gateway, ctx: &mut Context, wait: Wait) -> Option<Box<Refusal>> {
    let runtime = &gateway.parts.runtime;
    match wait {
        Wait::Count(demand) => {
            let settled = runtime.limits().take_shared(&demand, steady()).await;
            if let Some(route) = &ctx.route_name {
                runtime.limits().count_route(route, &settled);
            }
            let refusal = ctx.way.entry.counted(settled);
            if refusal.is_some() {
                state_quotas(ctx);
            }
            refusal
        }
        Wait::Refresh(missing) => {
            runtime.issuers().refresh(&missing).await;
            ctx.way.entry.refreshed();
            None
        }
    }
}

/// `RateLimit-Policy` and `RateLimit`, as things stand.
fn state_quotas(ctx: &mut Context) {
    for (name, value) in ctx.way.entry.fields() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            ctx.way.answer.retain(|(known, _)| *known != name);
            ctx.way.answer.push((name, value));
        }
    }
}

// === impl Way ===

impl Way {
    /// Writes what the way in has to say into the head of an answer.
    pub(crate) fn tell(&self, header: &mut ResponseHeader) -> pingora::Result<()> {
        if self.cors {
            for name in &OWN_FIELDS {
                header.remove_header(name);
            }
        }
        for (name, value) in &self.answer {
            if *name == VARY {
                header.append_header(name, value)?;
            } else {
                header.insert_header(name, value)?;
            }
        }
        Ok(())
    }

    /// What [`Way::tell`] has to say, for whoever answers when the context is gone.
    pub(crate) fn told(&self) -> Self {
        Self { answer: self.answer.clone(), cors: self.cors, ..Self::default() }
    }
}

/// Answers a preflight.
pub(crate) async fn preflight(session: &mut Session, answer: PreflightAnswer, ctx: &Context) -> pingora::Result<()> {
    if !session.is_body_done() {
        session.set_keepalive(None);
    }
    let mut header = ResponseHeader::build(answer.status, Some(8))?;
    ctx.way.tell(&mut header)?;
    // What pages may read is for the answer to the request itself.
    header.remove_header(&ACCESS_CONTROL_EXPOSE_HEADERS);
    for (name, value) in answer.fields {
        header.insert_header(name, value)?;
    }
    header.insert_header(X_REQUEST_ID, ctx.request_id())?;
    session.write_response_header(Box::new(header), true).await
}

/// Settles the accounts of a request that is over: what it did cost, and whether its client has earned a ban.
pub(crate) fn settle(gateway: &Gateway, session: &Session, ctx: &mut Context, bytes_out: u64) {
    let limits = gateway.parts.runtime.limits();
    let actual = Actual {
        request_bytes: Some(session.body_bytes_read() as u64),
        response_bytes: Some(bytes_out),
        ..Actual::default()
    };
    for reservation in ctx.way.entry.take_reservations() {
        limits.settle(reservation, &actual, steady());
    }
    let Some(refusal) = &ctx.decided.refusal else { return };
    let Some(ban) = limits.bans().offence(ctx.client, refusal.code.as_str(), steady()) else { return };
    let seconds = ban.retry_after_s(steady());
    log::warn!(target: "rampart", "ban {}: {} for {seconds} s", ban.ban, ctx.client);
    gateway.parts.records.action(AdminAction {
        time: ctx.time,
        actor: format!("ban {}", ban.ban).into(),
        client: None,
        action: "ban".into(),
        target: Some(ctx.client.to_string()),
        outcome: Outcome::Done,
        detail: Some(format!("for {seconds} s; last refusal: {}, request {}", refusal.code.as_str(), ctx.request_id())),
    });
}
