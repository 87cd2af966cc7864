//! `[quota.NAME]` and `[limits]` checked, with everything that is wrong reported.

use std::sync::Arc;

use rampart_settings::{Duration, Place, Size};

use super::{Cost, Quota};
use crate::algorithm::{Rule, Span};
use crate::key::{InvalidKeyPart, KeyPart};
use crate::raw::{
    AtBound, OnStoreFailure, RawAlgorithm, RawCalendar, RawCost, RawCostKind, RawKey, RawLimits, RawPer, RawQuota,
};

/// Units that `sliding_log` counts at most: each is a moment kept in memory.
pub const MAX_SLIDING_LOG: u64 = 10_000;

/// Parts of a key at most.
pub const MAX_KEY_PARTS: usize = 8;

/// Units of a limit at most. A `RateLimit` field carries 15 digits (RFC 9651 section 3.3.1).
const MAX_UNITS: u64 = 1_000_000_000_000;
const MAX_CONCURRENCY: u32 = 1_000_000;
const SHORTEST_PER: Duration = Duration::millis(1);
const LONGEST_PER: Duration = Duration::days(366);
const LEAST_MEMORY: Size = Size::mib(1);
const MOST_MEMORY: Size = Size::gib(64);

/// `[limits]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Bytes that the keys of all quotas take at most.
    pub memory_bytes: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { memory_bytes: RawLimits::default().memory.get() }
    }
}

impl LimitsConfig {
    /// Checks `raw`, which stands at `place`.
    pub fn compile(raw: &RawLimits, place: &Place<'_>) -> Self {
        let place = place.key("memory");
        if raw.memory < LEAST_MEMORY {
            place.error(format!("{} is too little: at least {LEAST_MEMORY}", raw.memory));
        } else if raw.memory > MOST_MEMORY {
            place.error(format!("{} is too much: at most {MOST_MEMORY}", raw.memory));
        }
        Self { memory_bytes: raw.memory.clamp(LEAST_MEMORY, MOST_MEMORY).get() }
    }
}

impl Quota {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. `None` where it cannot be
    /// used; otherwise a value that is used only if nothing was reported as an error.
    pub fn compile(name: &str, raw: &RawQuota, place: &Place<'_>) -> Option<Self> {
        check_name(name, place);
        let rule = compile_rule(raw, place);
        let parts = compile_parts(raw.key.as_ref(), &place.key("key"));
        let cost = compile_cost(raw, rule.as_ref(), place);
        let needs_identity = parts.iter().any(KeyPart::needs_identity);
        warn_of_free_choice(&parts, place);
        let paid = cost == Cost::LlmTokens;
        let mut quota = Self {
            name: Arc::from(name),
            rule: rule?,
            ipv6_prefix: compile_prefix(raw.ipv6_prefix, &parts, &place.key("ipv6_prefix")),
            parts,
            cost,
            reserve: compile_reserve(raw.reserve, cost, &place.key("reserve")),
            count_cache_hits: raw.count_cache_hits,
            mode: raw.mode,
            on_store_failure: raw.on_store_failure.unwrap_or(if paid {
                OnStoreFailure::Deny
            } else {
                OnStoreFailure::Local
            }),
            at_bound: raw.at_bound.unwrap_or(if needs_identity { AtBound::Deny } else { AtBound::Shared }),
            scope: raw.scope,
            every_route: raw.every_route,
            fingerprint: 0,
        };
        warn_of_the_impossible(&quota, place);
        quota.fingerprint = quota.compute_fingerprint();
        Some(quota)
    }
}

/// The name stands in the `RateLimit` fields, as a string of printable ASCII (RFC 9651 section 3.3.3).
fn check_name(name: &str, place: &Place<'_>) {
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !fits {
        place.error_at_key(
            format!("{name:?} cannot name a quota"),
            Some("1 to 64 printable ASCII characters: clients see it in the RateLimit fields".to_owned()),
        );
    }
}

fn compile_rule(raw: &RawQuota, place: &Place<'_>) -> Option<Rule> {
    if let Some(limit) = raw.concurrency {
        return compile_concurrency(limit, place);
    }
    let limit = compile_limit(raw.limit, place);
    let algorithm = raw.algorithm.unwrap_or_default();
    let span = compile_span(raw.per, algorithm, place);
    if algorithm != RawAlgorithm::Gcra && raw.burst.is_some() {
        place.key("burst").error_help("only `gcra` has a burst", "remove it, or set algorithm = \"gcra\"");
    }
    let (limit, span) = (limit?, span?);
    match (algorithm, span) {
        (RawAlgorithm::Window, span) => Some(Rule::Window { limit, span }),
        (_, Span::Calendar(_)) => None,
        (RawAlgorithm::Gcra, Span::Every(period_us)) => {
            let burst = raw.burst.unwrap_or(limit);
            if burst > MAX_UNITS {
                place.key("burst").error(format!("{burst} is too much: at most {MAX_UNITS}"));
            } else if u128::from(burst) * u128::from(period_us) > u128::from(limit) * LONGEST_PER.get().as_micros() {
                // A backlog is counted up to that long; a larger bucket would never be full.
                place.key("burst").error_help(
                    format!("at this rate a burst of {burst} comes back only after more than {LONGEST_PER}"),
                    "lower it, or raise `limit`; \"window\" counts from one date to the next",
                );
            }
            Some(Rule::Gcra { limit, burst: burst.min(MAX_UNITS), period_us })
        }
        (RawAlgorithm::SlidingLog, Span::Every(period_us)) => {
            if limit > MAX_SLIDING_LOG {
                place.key("limit").error_help(
                    format!("sliding_log keeps each of {limit} moments in memory: at most {MAX_SLIDING_LOG}"),
                    "\"gcra\" and \"window\" count as much as you like",
                );
            }
            Some(Rule::SlidingLog { limit: limit.min(MAX_SLIDING_LOG), period_us })
        }
    }
}

fn compile_concurrency(limit: u32, place: &Place<'_>) -> Option<Rule> {
    for key in ["algorithm", "limit", "per", "burst", "cost", "reserve", "count_cache_hits"] {
        let place = place.key(key);
        if place.exists() {
            place.error_help(
                format!("`{key}` and `concurrency` do not go together"),
                "requests in flight and requests in a time are two quotas; a route may name both",
            );
        }
    }
    if !(1..=MAX_CONCURRENCY).contains(&limit) {
        place.key("concurrency").error(format!("from 1 to {MAX_CONCURRENCY}, not {limit}"));
        return None;
    }
    Some(Rule::Concurrency { limit: u64::from(limit) })
}

fn compile_limit(limit: Option<u64>, place: &Place<'_>) -> Option<u64> {
    let at = place.key("limit");
    match limit {
        None => {
            place.error_at_key(
                "a quota needs `limit` and `per`, or `concurrency`",
                Some("such as limit = 100 and per = \"60s\"".to_owned()),
            );
            None
        }
        Some(0) => {
            at.error_help("a limit of 0 refuses everything", "remove the route instead");
            None
        }
        Some(limit) if limit > MAX_UNITS => {
            at.error(format!("{limit} is too much: at most {MAX_UNITS}"));
            None
        }
        limit => limit,
    }
}

fn compile_span(per: Option<RawPer>, algorithm: RawAlgorithm, place: &Place<'_>) -> Option<Span> {
    let at = place.key("per");
    match per {
        None => {
            // A missing limit says both.
            if place.key("limit").exists() {
                place.error_at_key("a limit needs a time that it is for", Some("such as per = \"60s\"".to_owned()));
            }
            None
        }
        Some(RawPer::Calendar(calendar)) => {
            if algorithm != RawAlgorithm::Window {
                at.error_help(
                    "only `window` follows the calendar",
                    "write a duration such as \"24h\", or set algorithm = \"window\"",
                );
            }
            Some(Span::Calendar(calendar.into()))
        }
        Some(RawPer::Every(every)) if every < SHORTEST_PER || every > LONGEST_PER => {
            at.error(format!("{every} is not from {SHORTEST_PER} to {LONGEST_PER}"));
            None
        }
        Some(RawPer::Every(every)) => Some(Span::every(every.get())),
    }
}

impl From<RawCalendar> for crate::algorithm::Calendar {
    fn from(raw: RawCalendar) -> Self {
        match raw {
            RawCalendar::Hour => Self::Hour,
            RawCalendar::Day => Self::Day,
            RawCalendar::Month => Self::Month,
        }
    }
}

fn compile_parts(key: Option<&RawKey>, place: &Place<'_>) -> Box<[KeyPart]> {
    let alone = |text: &String| compile_part(text, place).into_iter().collect();
    let several = |texts: &Vec<String>| {
        match texts.len() {
            0 => place.error_help("a key needs a part", "key = \"client_address\""),
            count if count > MAX_KEY_PARTS => place.error(format!("{count} parts are more than {MAX_KEY_PARTS}")),
            _ => {}
        }
        let mut parts: Vec<KeyPart> = Vec::new();
        for (index, text) in texts.iter().take(MAX_KEY_PARTS).enumerate() {
            let place = place.index(index);
            match compile_part(text, &place) {
                Some(part) if parts.contains(&part) => {
                    place.warn(format!("\"{text}\" is listed twice"), "remove one of the two");
                }
                part => parts.extend(part),
            }
        }
        parts
    };
    let parts: Vec<KeyPart> = match key {
        None => Vec::new(),
        Some(RawKey::One(text)) => alone(text),
        Some(RawKey::Several(texts)) => several(texts),
    };
    if parts.is_empty() { Box::new([KeyPart::ClientAddress]) } else { parts.into() }
}

fn compile_part(text: &str, place: &Place<'_>) -> Option<KeyPart> {
    match KeyPart::parse(text) {
        Ok(part) => Some(part),
        Err(error) => {
            let help = match error {
                InvalidKeyPart::Kind => "such as \"client_address\", \"header:x-session\" or \"tenant\"",
                InvalidKeyPart::Token | InvalidKeyPart::Empty => "such as \"header:x-session\" or \"query:user\"",
            };
            place.error_help(format!("\"{text}\": {error}"), help);
            None
        }
    }
}

fn compile_prefix(prefix: Option<u8>, parts: &[KeyPart], place: &Place<'_>) -> u8 {
    const DEFAULT: u8 = 64;
    let Some(prefix) = prefix else { return DEFAULT };
    if !(1..=128).contains(&prefix) {
        place.error(format!("from 1 to 128, not {prefix}"));
    } else if prefix > 64 && parts.contains(&KeyPart::ClientAddress) {
        place.warn(
            format!("a client with a /64 network has 2^{} keys of this quota", prefix - 64),
            "an IPv6 customer gets a /64 or more: count it as one client",
        );
    }
    prefix.clamp(1, 128)
}

fn compile_cost(raw: &RawQuota, rule: Option<&Rule>, place: &Place<'_>) -> Cost {
    let place = place.key("cost");
    let cost = match raw.cost {
        None | Some(RawCost::Kind(RawCostKind::Request)) => Cost::Units(1),
        Some(RawCost::Units(units)) => {
            if !(1..=MAX_UNITS).contains(&units) {
                place.error(format!("from 1 to {MAX_UNITS}, not {units}"));
            }
            Cost::Units(units.clamp(1, MAX_UNITS))
        }
        Some(RawCost::Kind(RawCostKind::RequestBytes)) => Cost::RequestBytes,
        Some(RawCost::Kind(RawCostKind::ResponseBytes)) => Cost::ResponseBytes,
        Some(RawCost::Kind(RawCostKind::Bytes)) => Cost::Bytes,
        Some(RawCost::Kind(RawCostKind::LlmTokens)) => Cost::LlmTokens,
    };
    if matches!(rule, Some(Rule::SlidingLog { .. })) && !matches!(cost, Cost::Units(_)) {
        place.error_help(
            "sliding_log keeps a moment for each unit: it counts requests, not bytes or tokens",
            "\"gcra\" and \"window\" count these",
        );
        return Cost::Units(1);
    }
    cost
}

fn compile_reserve(reserve: Option<u64>, cost: Cost, place: &Place<'_>) -> u64 {
    let Some(reserve) = reserve else { return 1 };
    if matches!(cost, Cost::Units(_)) {
        place.warn("without effect: the cost is known beforehand", "remove it");
    }
    if !(1..=MAX_UNITS).contains(&reserve) {
        place.error(format!("from 1 to {MAX_UNITS}, not {reserve}"));
    }
    reserve.clamp(1, MAX_UNITS)
}

/// Quotas that refuse each and every request are taken as they are written, but hardly meant.
fn warn_of_the_impossible(quota: &Quota, place: &Place<'_>) {
    let most = quota.rule.most_at_once();
    if most == 0 {
        place.key("burst").warn(
            "a burst of 0 cannot be met: each request is refused",
            "burst is how many units may come at once; without it, as many as `limit`",
        );
        return;
    }
    let (key, least) = match quota.cost {
        Cost::Units(units) => ("cost", units),
        _ => ("reserve", quota.reserve),
    };
    if least > most {
        place.key(key).warn(
            format!("a request costs at least {least}, and at most {most} can be had at once: each is refused"),
            "raise `limit` (and `burst`), or lower the cost",
        );
    }
}

fn warn_of_free_choice(parts: &[KeyPart], place: &Place<'_>) {
    let bounds = |part: &KeyPart| *part == KeyPart::ClientAddress || part.needs_identity();
    if parts.iter().any(KeyPart::is_free_choice) && !parts.iter().any(bounds) {
        place.key("key").warn(
            "the client chooses this key: another value is a fresh quota",
            "a second quota by `client_address` or by an identity bounds such a client",
        );
    } else if parts.iter().any(KeyPart::is_free_choice) && parts.contains(&KeyPart::ClientAddress) {
        place.key("key").warn(
            "the client chooses a part of this key: another value is a fresh quota of the same address",
            "a second quota by `client_address` alone bounds such a client",
        );
    } else if parts.iter().all(|part| *part == KeyPart::Method) {
        place.key("key").warn("all clients together share this quota", "add \"client_address\" to give each its own");
    }
}

#[cfg(test)]
mod tests;
