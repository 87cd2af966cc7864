//! `breaker` of an upstream: when an endpoint is left alone, and for how long.

use std::time::Duration;

use rampart_settings::{Duration as RawDuration, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::share::{RawShare, Share};
use crate::upstream::bounded;

const SHORTEST_WINDOW: RawDuration = RawDuration::secs(1);
const LONGEST_WINDOW: RawDuration = RawDuration::minutes(10);
const SHORTEST_OPEN: RawDuration = RawDuration::millis(100);
const LONGEST_OPEN: RawDuration = RawDuration::hours(1);

/// When an endpoint that fails is left alone: no request goes there for a while, then one to see whether it is well.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawBreaker {
    /// Whether there is a breaker at all.
    pub enabled: bool,
    /// Failures in a row that open it: no connection, no answer in time, a broken answer, a status of 502, 503 or 504.
    /// 0 turns this rule off.
    #[schemars(range(max = 10_000))]
    pub consecutive: u32,
    /// The share of such failures among requests that opens it. `"0%"` turns this rule off. Other statuses from 500 on, and
    /// what comes of a request whose client has not sent all of its body, are left out: a client can bring them about.
    #[schemars(extend("examples" = ["50%", 0.5]))]
    pub error_rate: RawShare,
    /// Requests within the window below which there is no talk of a rate.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: u32,
    /// How far back the rate looks.
    pub window: RawDuration,
    /// How long it stays open before a request may probe the endpoint, and how long one that probes keeps others away.
    pub open_for: RawDuration,
    /// What that time grows to: it doubles with every probe that fails.
    pub open_up_to: RawDuration,
}

/// When a breaker opens, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it; 0: none do.
    pub consecutive: u32,
    /// The share of failures that opens it; none: none does.
    pub error_rate: Share,
    /// Requests within the window from which on the rate counts.
    pub min_requests: u32,
    /// How far back the rate looks.
    pub window: Duration,
    /// How long it is open at first.
    pub open_for: Duration,
    /// How long it is open at most.
    pub open_up_to: Duration,
}

impl Default for RawBreaker {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive: 5,
            error_rate: RawShare::percent(50),
            min_requests: 20,
            window: RawDuration::secs(10),
            open_for: RawDuration::secs(5),
            open_up_to: RawDuration::secs(60),
        }
    }
}

impl BreakerRules {
    /// Checks `raw`, which stands at `place`; `None` where there is to be no breaker.
    pub(crate) fn compile(raw: &RawBreaker, place: &Place<'_>) -> Option<Self> {
        if !(1..=1_000_000).contains(&raw.min_requests) {
            place.key("min_requests").error(format!("from 1 to 1000000, not {}", raw.min_requests));
        }
        let duration = |key, given, least, most| bounded(given, least, most, &place.key(key));
        let rules = Self {
            consecutive: raw.consecutive,
            error_rate: Share::compile(&raw.error_rate, &place.key("error_rate")),
            min_requests: raw.min_requests.max(1),
            window: duration("window", raw.window, SHORTEST_WINDOW, LONGEST_WINDOW),
            open_for: duration("open_for", raw.open_for, SHORTEST_OPEN, LONGEST_OPEN),
            open_up_to: duration("open_up_to", raw.open_up_to, SHORTEST_OPEN, LONGEST_OPEN),
        };
        if !raw.enabled {
            return None;
        }
        if rules.open_up_to < rules.open_for {
            place.key("open_up_to").error_help("shorter than open_for", "the time grows from open_for to open_up_to");
        }
        if rules.consecutive == 0 && rules.error_rate.is_zero() {
            place.warn("neither rule is on: the breaker never opens", "enabled = false says so");
        }
        Some(rules)
    }
}
