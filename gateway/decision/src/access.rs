//! Who may come in, between the head that was admitted and its inspection.
//!
//! The order is fixed: a banned address is turned away first, then the quotas that need no identity, so that guessing
//! credentials is counted before a credential is looked at; then the preflight of a browser, which carries none (one that
//! is answered here is not counted: the request that follows it is); then the identity, and the quotas that need it.
//!
//! Nothing here waits. Where an answer has to come from elsewhere, a quota counted in Redis or a key set that has to be
//! fetched, [`Entry::proceed`] says so ([`Step::Count`], [`Step::Refresh`]), the caller waits, hands the answer in and asks
//! again; the entry remembers how far it was.

mod asker;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use rampart_identity::{Checked, Denial, MissingKey, PreflightAnswer, Principal};
use rampart_limits::{Charge, Demand, Micros, Outcome, Quota, QuotaState, Reservation, Settled, fields};
use rampart_policy::{Route, Runtime};
use rampart_record::{AccessKind, AccessNote};
use smallvec::SmallVec;

use self::asker::Asker;
use crate::{Code, Declared, Refusal, Request};

/// What stands beside the snapshot, and the time.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'w> {
    /// Quotas, bans and key sets.
    pub runtime: &'w Runtime,
    /// The time, for credentials.
    pub now: SystemTime,
    /// The time of a clock that never goes back, for quotas.
    pub micros: Micros,
}

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a, 'h> {
    /// The route of the request.
    pub route: &'a Route,
    /// The request.
    pub request: &'a Request<'h>,
    /// The client's address.
    pub client: IpAddr,
    /// The host that it is for, with its port if any.
    pub host: &'a [u8],
    /// What is known of the body's length.
    pub declared: Declared,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// The caller may come in.
    Passed,
    /// The caller may not.
    Refused(Box<Refusal>),
    /// The request is a preflight, and this is its answer.
    Preflight(PreflightAnswer),
    /// Have these charges counted, then call [`Entry::counted`].
    Count(Demand),
    /// Have the issuer asked for this key, then call [`Entry::refreshed`].
    Refresh(MissingKey),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Bans,
    OpenQuotas,
    Preflight,
    Identity,
    IdentityQuotas,
    Done,
}

/// One request's way in.
#[derive(Debug, Default)]
pub struct Entry {
    stage: Stage,
    /// The key that its token names and that was asked for.
    asked: Option<MissingKey>,
    refreshed: bool,
    principal: Option<Principal>,
    label: Option<Box<str>>,
    note: Option<AccessNote>,
    states: SmallVec<[QuotaState; 4]>,
    reservations: SmallVec<[Reservation; 2]>,
}

// === impl Entry ===

impl Entry {
    /// Goes on from where it stopped.
    pub fn proceed(&mut self, asking: Asking<'_, '_>, beside: Beside<'_>) -> Step {
        loop {
            let step = match self.stage {
                Stage::Bans => banned(asking, beside).map(Step::Refused),
                // A preflight that is answered here costs nobody anything; its request is counted.
                Stage::OpenQuotas if is_good_preflight(asking) => None,
                Stage::OpenQuotas => self.count(&asking.route.quotas.open, asking, beside),
                Stage::Preflight => preflight(asking, beside),
                Stage::Identity => self.identify(asking, beside),
                Stage::IdentityQuotas => self.count(&asking.route.quotas.identified, asking, beside),
                Stage::Done => return Step::Passed,
            };
            match step {
                None => self.stage = self.stage.next(),
                Some(step) => return step,
            }
        }
    }

    /// Takes over what became of the charges of [`Step::Count`]; the refusal, if a quota is spent.
    pub fn counted(&mut self, settled: Settled) -> Option<Box<Refusal>> {
        self.stage = self.stage.next();
        self.take_over(settled)
    }

    /// The key set of [`Step::Refresh`] is as new as it can be.
    pub fn refreshed(&mut self) {
        self.refreshed = true;
    }

    /// Who the caller proved to be.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// Who that is, as records and quotas name it: `jwt:main:alice`, `api_key:ci`.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// A sign-in, or why there was none, as long as nobody took it.
    pub fn note(&self) -> Option<&AccessNote> {
        self.note.as_ref()
    }

    /// A sign-in, or why there was none: once.
    pub fn take_note(&mut self) -> Option<AccessNote> {
        self.note.take()
    }

    /// What the quotas said so far.
    pub fn states(&self) -> &[QuotaState] {
        &self.states
    }

    /// The quota in shadow mode that would have refused, if one would have.
    pub fn shadowed(&self) -> Option<&QuotaState> {
        self.states.iter().find(|state| state.outcome == Outcome::WouldRefuse)
    }

    /// What is charged for good, or given back, once the answer is known.
    pub fn take_reservations(&mut self) -> SmallVec<[Reservation; 2]> {
        std::mem::take(&mut self.reservations)
    }

    /// `RateLimit-Policy` and `RateLimit` of the answer, where the route has quotas to speak of.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let Some(fields) = fields(&self.states) else { return Vec::new() };
        vec![("RateLimit-Policy", fields.policy), ("RateLimit", fields.limit)]
    }

    fn count(&mut self, quotas: &[Arc<Quota>], asking: Asking<'_, '_>, beside: Beside<'_>) -> Option<Step> {
        if quotas.is_empty() {
            return None;
        }
        let limits = beside.runtime.limits();
        let asker = Asker { asking, principal: self.principal.as_ref(), label: self.label.as_deref() };
        let hasher = limits.hasher();
        let charge = |quota: &Arc<Quota>| {
            let (key, cost) = (quota.key(&asker, &hasher), quota.cost(&asker));
            Charge { quota: Arc::clone(quota), key, cost }
        };
        let demand: Demand = quotas.iter().map(charge).collect();
        if limits.waits(&demand) {
            return Some(Step::Count(demand));
        }
        let settled = limits.take(&demand, beside.micros);
        limits.count_route(&asking.route.name, &settled);
        self.take_over(settled).map(Step::Refused)
    }

    fn take_over(&mut self, settled: Settled) -> Option<Box<Refusal>> {
        let refusal = settled.refused().map(refusal_of).map(Box::new);
        self.reservations.extend(settled.reservation);
        self.states.extend(settled.states);
        refusal
    }

    fn identify(&mut self, asking: Asking<'_, '_>, beside: Beside<'_>) -> Option<Step> {
        let access = asking.route.access.as_ref()?;
        let (headers, issuers) = (&asking.request.head.headers, beside.runtime.issuers());
        let checked = match self.asked.as_ref().filter(|_| self.refreshed) {
            None => access.check(headers, issuers, beside.now),
            Some(missing) => access.check_again(headers, issuers, beside.now, missing),
        };
        beside.runtime.access_metrics().count(&checked);
        match checked {
            Checked::Anonymous => None,
            Checked::Known(principal) => {
                let label = principal.label();
                if beside.runtime.sign_ins().is_first(&label, asking.client, beside.now) {
                    self.note = Some(AccessNote { kind: AccessKind::SignIn, via: Some(principal.via()), reason: None });
                }
                self.principal = Some(principal);
                self.label = Some(label.into());
                None
            }
            Checked::Unknown(missing) => {
                self.asked = Some(missing.clone());
                Some(Step::Refresh(missing))
            }
            Checked::Refused(denial) => Some(self.deny(*denial)),
        }
    }

    fn deny(&mut self, denial: Denial) -> Step {
        self.note = Some(AccessNote {
            kind: AccessKind::Refused,
            via: denial.via,
            reason: Some(Cow::Borrowed(denial.reason.as_str())),
        });
        self.label = denial.principal.as_ref().map(|principal| principal.label().into());
        self.principal = denial.principal;
        let code = match denial.reason.status() {
            403 => Code::IdentityForbidden,
            503 => Code::IdentityUnavailable,
            _ if denial.reason.is_missing() => Code::IdentityMissing,
            _ if denial.reason.may_be_genuine() => Code::IdentityExpired,
            _ => Code::IdentityInvalid,
        };
        let (error, detail) = sentence(code);
        let mut refusal = Refusal::new(code, error, detail);
        for challenge in denial.challenges {
            refusal = refusal.field("WWW-Authenticate", challenge);
        }
        if code == Code::IdentityUnavailable {
            refusal = refusal.retry_after_s(1);
        }
        Step::Refused(Box::new(refusal))
    }
}

// === impl Stage ===

impl Stage {
    const fn next(self) -> Self {
        match self {
            Self::Bans => Self::OpenQuotas,
            Self::OpenQuotas => Self::Preflight,
            Self::Preflight => Self::Identity,
            Self::Identity => Self::IdentityQuotas,
            Self::IdentityQuotas | Self::Done => Self::Done,
        }
    }
}

/// The refusal by a quota. `RateLimit` is among the fields of the answer.
fn refusal_of(state: &QuotaState) -> Refusal {
    let refusal = match state.outcome {
        Outcome::Unavailable => Refusal::new(
            Code::LimitUnavailable,
            "The quota of this request cannot be counted at present",
            "Try again later.",
        ),
        _ => Refusal::new(
            Code::RateLimited,
            format!("The quota \"{}\" is spent", state.quota.name),
            "Send fewer requests; Retry-After says when the next one is taken.",
        ),
    };
    let seconds = u32::try_from(state.retry_after_s).unwrap_or(u32::MAX);
    refusal.because(format!("quota {}: {}", state.quota.name, state.outcome.as_str())).retry_after_s(seconds)
}

fn banned(asking: Asking<'_, '_>, beside: Beside<'_>) -> Option<Box<Refusal>> {
    let ban = beside.runtime.limits().bans().banned(asking.client, beside.micros)?;
    let refusal = Refusal::new(
        Code::Banned,
        "Requests from this address are not taken for a time",
        "Retry-After says when they are taken again.",
    );
    let seconds = u32::try_from(ban.retry_after_s(beside.micros)).unwrap_or(u32::MAX);
    Some(Box::new(refusal.because(format!("ban {}: {}", ban.ban, ban.reason)).retry_after_s(seconds)))
}

fn is_good_preflight(asking: Asking<'_, '_>) -> bool {
    let head = &asking.request.head;
    let answer = asking.route.cors.as_ref().and_then(|cors| cors.preflight(head.method, &head.headers));
    answer.is_some_and(|answer| answer.refused.is_none())
}

fn preflight(asking: Asking<'_, '_>, beside: Beside<'_>) -> Option<Step> {
    let metrics = beside.runtime.access_metrics();
    let cors = asking.route.cors.as_ref()?;
    let head = &asking.request.head;
    let Some(answer) = cors.preflight(head.method, &head.headers) else {
        return cors.refuses(&head.headers, asking.host).then(|| {
            metrics.count_cors_refused();
            Step::Refused(Box::new(origin_refused("the origin is not allowed")))
        });
    };
    metrics.count_preflight(&answer);
    Some(match answer.refused {
        None => Step::Preflight(answer),
        Some(reason) => Step::Refused(Box::new(origin_refused(reason))),
    })
}

/// `Vary` is among the fields of the answer.
fn origin_refused(reason: &'static str) -> Refusal {
    Refusal::new(Code::CorsRefused, reason, "The CORS policy of the route does not allow it")
}

/// What the client is told. Why exactly a credential does not hold is in the records.
const fn sentence(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::IdentityMissing => ("This route takes known callers only", "Send a token or an API key."),
        Code::IdentityForbidden => {
            ("The caller may not do this", "A scope or a claim that the route asks for is missing.")
        }
        Code::IdentityUnavailable => ("The caller's identity cannot be verified at present", "Try again later."),
        _ => ("The token or key does not hold", "Send one that is valid, in date, and meant for this service."),
    }
}

#[cfg(test)]
mod tests;
