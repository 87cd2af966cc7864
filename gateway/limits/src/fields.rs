//! The `RateLimit-Policy` and `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4) and
//! `Retry-After` (RFC 9110 section 10.2.3).
//!
//! Both are Lists of Strings with parameters (RFC 9651). `t` is the time within which no more than `r` can be had: what
//! is refused can never come sooner, so `Retry-After` is never before the end of it, as section 6 of the draft asks.
//! Quotas in shadow mode are not shown: they bind nobody yet. No partition key is shown: it would say who else shares
//! the quota.

use std::fmt::Write as _;

use crate::algorithm::Rule;
use crate::quota::Cost;
use crate::raw::Mode;
use crate::state::QuotaState;

/// The largest Integer of a structured field (RFC 9651 section 3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// The values of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `RateLimit-Policy`.
    pub policy: String,
    /// `RateLimit`.
    pub limit: String,
    /// `Retry-After`, in seconds and never 0; only on a refusal.
    pub retry_after_s: Option<u64>,
}

/// The fields that tell a client about its quotas; `None` if there is nothing to tell.
pub fn fields(states: &[QuotaState]) -> Option<Fields> {
    let mut shown = states.iter().filter(|state| state.quota.mode == Mode::Enforce).peekable();
    shown.peek()?;
    let mut fields = Fields { policy: String::new(), limit: String::new(), retry_after_s: None };
    for state in shown {
        if !fields.policy.is_empty() {
            fields.policy.push_str(", ");
            fields.limit.push_str(", ");
        }
        write_policy(&mut fields.policy, state);
        write_limit(&mut fields.limit, state);
        if state.outcome.is_refusal() {
            fields.retry_after_s = fields.retry_after_s.max(Some(state.retry_after_s.max(1)));
        }
    }
    Some(fields)
}

fn write_policy(text: &mut String, state: &QuotaState) {
    write_string(text, &state.quota.name);
    let _ = write!(text, ";q={}", state.limit.min(MAX_INTEGER));
    let unit = match (&state.quota.rule, state.quota.cost) {
        (Rule::Concurrency { .. }, _) => ";qu=\"concurrent-requests\"",
        (_, Cost::RequestBytes | Cost::ResponseBytes | Cost::Bytes) => ";qu=\"content-bytes\"",
        // Not a registered unit, so not `qu`; section 3.1 asks for a prefix.
        (_, Cost::LlmTokens) => ";rampart-qu=\"llm-tokens\"",
        (_, Cost::Units(_)) => "",
    };
    text.push_str(unit);
    if let Some(window_s) = state.quota.rule.window_s() {
        let _ = write!(text, ";w={}", window_s.clamp(1, MAX_INTEGER));
    }
}

fn write_limit(text: &mut String, state: &QuotaState) {
    write_string(text, &state.quota.name);
    let _ = write!(text, ";r={}", state.remaining.min(MAX_INTEGER));
    if state.reset_s > 0 {
        let _ = write!(text, ";t={}", state.reset_s.min(MAX_INTEGER));
    }
}

/// A String (RFC 9651 section 3.3.3): printable ASCII in quotes, with `"` and `\` escaped. What cannot stand in one
/// (names of quotas cannot hold it) becomes `?`.
fn write_string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => text.push('?'),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
