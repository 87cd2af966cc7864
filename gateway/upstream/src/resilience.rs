//! `[resilience.NAME]`: which attempts are followed by another, and when.
//!
//! An attempt is repeated where that can do no harm and may do good: the request is idempotent (RFC 9110 section 9.2.2), or
//! nothing of it was sent, the cause is one of `retry_on`, and attempts are left. The wait before it is drawn from nothing
//! up to a bound that doubles ("full jitter"), so that requests that failed together do not come back together. Whether
//! the upstream can bear another attempt says its budget ([`Pool::withdraw_retry`](crate::Pool::withdraw_retry)).
//!
//! After the first byte of a response nothing is repeated; that is known to whoever forwards the response, not here.

use std::sync::Arc;
use std::time::Duration;

use rampart_settings::{Duration as RawDuration, Place, nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::Failure;
use crate::share::{RawShare, Share};
use crate::upstream::bounded;

/// Attempts of one request at most, whatever the configuration says.
pub const MAX_ATTEMPTS: u32 = 10;

/// Retries without regard to the share at most, each second.
const MAX_BUDGET_MIN: u32 = 100_000;

/// The longest wait before an attempt.
const LONGEST_BACKOFF: RawDuration = RawDuration::minutes(1);

/// The shortest deadline of an attempt.
const SHORTEST_TRY: RawDuration = RawDuration::millis(1);

/// The longest deadline of an attempt.
const LONGEST_TRY: RawDuration = RawDuration::hours(24);

/// What happens when an attempt at an upstream fails. Routes refer to it by `resilience`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawResilience {
    /// Attempts of one request, the first included: 1 (no retries) to 10.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles with every attempt. The wait itself is drawn at random
    /// between nothing and this.
    pub backoff: RawDuration,
    /// What the longest wait grows to.
    pub backoff_up_to: RawDuration,
    /// What is followed by another attempt: `"connect"` (no connection: nothing was sent), `"closed"` (the connection
    /// ended before a response), `"timeout"` (no response within `per_try` or the read deadline), and statuses from 500
    /// to 599.
    #[schemars(length(max = 32))]
    pub retry_on: Vec<RawCause>,
    /// How long one attempt may wait for the header of its response, and between two pieces of it. Without it the `read`
    /// deadline of the upstream counts. Not for routes whose body mode is `stream`.
    pub per_try: Option<RawDuration>,
    /// Retries of all requests to the upstream, as a share of its requests of the last 10 seconds.
    #[schemars(extend("examples" = ["20%", 0.2]))]
    pub budget: RawShare,
    /// Retries that are let through whatever the share, each second.
    #[schemars(range(max = 100_000))]
    pub budget_min_per_second: u32,
    /// Take a request with an `Idempotency-Key` for idempotent, whatever its method: right where the backend does what one
    /// key asks for only once.
    pub idempotency_key: bool,
    /// Repeat requests that are not idempotent (POST, PATCH), too: they may then take effect more than once.
    pub non_idempotent: bool,
}

/// What is followed by another attempt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawCause {
    /// A status of the upstream, from 500 to 599.
    Status(u16),
    /// `"connect"`, `"closed"` or `"timeout"`.
    Named(String),
}

/// Why an attempt did not succeed, as far as another may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// No connection, or no trusted one: nothing was sent.
    Connect,
    /// The connection ended before the response began.
    Closed,
    /// The response did not begin in time.
    Timeout,
    /// The upstream answered with this status.
    Status(u16),
}

/// What happens when an attempt fails, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resilience {
    /// The name in the configuration; `default` is built in.
    pub name: Arc<str>,
    /// Attempts of one request, the first included: 1 to [`MAX_ATTEMPTS`].
    pub attempts: u32,
    /// How long one attempt may wait for the header of its response, and between two pieces of it.
    pub per_try: Option<Duration>,
    /// Retries as a share of the recent requests.
    pub budget: Share,
    /// Retries that the budget always holds, each second.
    pub budget_min_per_second: u32,
    /// Whether a request with an `Idempotency-Key` is idempotent.
    pub idempotency_key: bool,
    backoff: Duration,
    backoff_up_to: Duration,
    retry_on: Vec<Cause>,
    non_idempotent: bool,
}

impl Default for RawResilience {
    fn default() -> Self {
        let named = |name: &str| RawCause::Named(name.to_owned());
        Self {
            attempts: 3,
            backoff: RawDuration::millis(25),
            backoff_up_to: RawDuration::millis(250),
            retry_on: [named("connect"), named("closed")]
                .into_iter()
                .chain([502, 503, 504].map(RawCause::Status))
                .collect(),
            per_try: None,
            budget: RawShare::percent(20),
            budget_min_per_second: 10,
            idempotency_key: false,
            non_idempotent: false,
        }
    }
}

impl Default for Resilience {
    /// What counts on routes that name none: the values that [`RawResilience`] has by default.
    fn default() -> Self {
        Self {
            name: "default".into(),
            attempts: 3,
            per_try: None,
            budget: Share::percent(20),
            budget_min_per_second: 10,
            idempotency_key: false,
            backoff: Duration::from_millis(25),
            backoff_up_to: Duration::from_millis(250),
            retry_on: vec![Cause::Connect, Cause::Closed, Cause::Status(502), Cause::Status(503), Cause::Status(504)],
            non_idempotent: false,
        }
    }
}

impl Cause {
    const NAMED: [(&'static str, Self); 3] =
        [("connect", Self::Connect), ("closed", Self::Closed), ("timeout", Self::Timeout)];

    /// The cause that a failure is; `None` where another attempt would not help (no time is left, what came is not HTTP).
    pub const fn of(failure: Failure) -> Option<Self> {
        match failure {
            Failure::Connect | Failure::ConnectTimeout | Failure::Tls => Some(Self::Connect),
            Failure::Closed => Some(Self::Closed),
            Failure::ReadTimeout | Failure::WriteTimeout => Some(Self::Timeout),
            Failure::TotalTimeout | Failure::Protocol => None,
        }
    }

    /// Its name in metrics and logs; statuses have one in common.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
        }
    }

    fn compile(raw: &RawCause, place: &Place<'_>) -> Option<Self> {
        match raw {
            RawCause::Status(status @ 500..=599) => return Some(Self::Status(*status)),
            RawCause::Status(status) => {
                place.error_help(
                    format!("an answer of {status} is not repeated"),
                    "statuses from 500 to 599 say that the upstream failed",
                );
            }
            RawCause::Named(name) => {
                let known = Self::NAMED.iter().find(|(known, _)| known == name);
                if let Some((_, cause)) = known {
                    return Some(*cause);
                }
                let near = nearest(name, Self::NAMED.iter().map(|(known, _)| *known));
                let help = near.map_or_else(
                    || "\"connect\", \"closed\", \"timeout\", or a status from 500 to 599".to_owned(),
                    |near| format!("did you mean \"{near}\"?"),
                );
                place.error_help(format!("\"{name}\" is not a cause of retries"), help);
            }
        }
        None
    }
}

impl Resilience {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. The value is used only if
    /// nothing was reported as an error.
    pub fn compile(name: &str, raw: &RawResilience, place: &Place<'_>) -> Self {
        if !(1..=MAX_ATTEMPTS).contains(&raw.attempts) {
            place.key("attempts").error(format!("from 1 to {MAX_ATTEMPTS}, not {}", raw.attempts));
        }
        if raw.budget_min_per_second > MAX_BUDGET_MIN {
            let place = place.key("budget_min_per_second");
            place.error(format!("at most {MAX_BUDGET_MIN}, not {}", raw.budget_min_per_second));
        }
        if raw.non_idempotent {
            place.key("non_idempotent").warn(
                "a request such as POST may take effect more than once",
                "right only where the backend takes a repeated request for the same one",
            );
        }
        let mut retry_on = Vec::with_capacity(raw.retry_on.len());
        for (index, cause) in raw.retry_on.iter().enumerate() {
            retry_on.extend(Cause::compile(cause, &place.key("retry_on").index(index)));
        }
        let budget = Share::compile(&raw.budget, &place.key("budget"));
        if raw.attempts > 1 && budget.is_zero() && raw.budget_min_per_second == 0 {
            place.key("budget").warn("there is no budget for retries: none will be made", "attempts = 1 says so");
        }
        let duration = |key, given, least, most| bounded(given, least, most, &place.key(key));
        Self {
            name: name.into(),
            attempts: raw.attempts.clamp(1, MAX_ATTEMPTS),
            per_try: raw.per_try.map(|given| duration("per_try", given, SHORTEST_TRY, LONGEST_TRY)),
            budget,
            budget_min_per_second: raw.budget_min_per_second.min(MAX_BUDGET_MIN),
            idempotency_key: raw.idempotency_key,
            backoff: duration("backoff", raw.backoff, RawDuration::ZERO, LONGEST_BACKOFF),
            backoff_up_to: duration("backoff_up_to", raw.backoff_up_to, RawDuration::ZERO, LONGEST_BACKOFF),
            retry_on,
            non_idempotent: raw.non_idempotent,
        }
    }

    /// Whether another attempt may follow the `attempt`-th (from 1), which ended by `cause` before any byte of a response
    /// went to the client. The budget has to be asked, too.
    pub fn may_retry(&self, attempt: u32, idempotent: bool, cause: Cause) -> bool {
        let harmless = idempotent || self.non_idempotent || cause == Cause::Connect;
        attempt < self.attempts && harmless && self.retry_on.contains(&cause)
    }

    /// How long to wait between the `attempt`-th attempt (from 1) and the next. `random` is evenly distributed.
    pub fn backoff(&self, attempt: u32, random: u64) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.backoff.saturating_mul(doubled).min(self.backoff_up_to);
        // A fraction of 2^64; a minute is far below 2^64 nanoseconds.
        let nanos = (longest.as_nanos() * u128::from(random)) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
