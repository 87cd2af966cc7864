//! `shedding` of an upstream: how many requests it gets at once, and how many may wait for that, how long.

use std::time::Duration;

use rampart_settings::{Duration as RawDuration, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::upstream::bounded;

/// Requests in flight or waiting that can be configured at most.
const MOST: u32 = 1_000_000;
const LONGEST_WAIT: RawDuration = RawDuration::minutes(1);

/// How much an upstream is given at once. What is more waits for a moment, then gets 503 with `Retry-After`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawShedding {
    /// Requests in flight at all addresses together, from this gateway. 0: no limit.
    #[schemars(range(max = 1_000_000))]
    pub max_in_flight: u32,
    /// Requests that may wait for one of those to end, first come first served.
    #[schemars(range(max = 1_000_000))]
    pub max_waiting: u32,
    /// How long a request may wait.
    pub wait: RawDuration,
}

/// How much an upstream is given at once, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheddingRules {
    /// Requests in flight; at least 1.
    pub max_in_flight: u32,
    /// Requests that wait.
    pub max_waiting: u32,
    /// How long one waits at most.
    pub wait: Duration,
}

impl Default for RawShedding {
    fn default() -> Self {
        Self { max_in_flight: 0, max_waiting: 100, wait: RawDuration::millis(100) }
    }
}

impl SheddingRules {
    /// Checks `raw`, which stands at `place`; `None` where there is to be no limit.
    pub(crate) fn compile(raw: &RawShedding, place: &Place<'_>) -> Option<Self> {
        for (key, given) in [("max_in_flight", raw.max_in_flight), ("max_waiting", raw.max_waiting)] {
            if given > MOST {
                place.key(key).error(format!("at most {MOST}, not {given}"));
            }
        }
        let wait = bounded(raw.wait, RawDuration::ZERO, LONGEST_WAIT, &place.key("wait"));
        if raw.max_in_flight == 0 {
            if place.key("max_waiting").exists() || place.key("wait").exists() {
                place.warn("without effect: there is no limit that requests would wait for", "set max_in_flight");
            }
            return None;
        }
        Some(Self { max_in_flight: raw.max_in_flight.min(MOST), max_waiting: raw.max_waiting.min(MOST), wait })
    }
}
