//! `ejection` of an upstream: which endpoints stand out among the others, and how many may be taken out at once.

use std::time::Duration;

use rampart_settings::{Duration as RawDuration, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::upstream::bounded;

const SHORTEST_TIME: RawDuration = RawDuration::millis(100);
const LONGEST_TIME: RawDuration = RawDuration::hours(24);

/// When an endpoint is taken out for a while because of its answers, as long as there are others.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawEjection {
    /// Whether endpoints are taken out at all.
    pub enabled: bool,
    /// Answers of 500 and above, or none, in a row. 0 turns this rule off.
    #[schemars(range(max = 10_000))]
    pub consecutive_5xx: u32,
    /// Answers of 502, 503 or 504, or none, in a row. 0 turns this rule off.
    #[schemars(range(max = 10_000))]
    pub consecutive_gateway: u32,
    /// How long an endpoint is out at first; doubled each time that it was not well for as long in between.
    #[serde(rename = "for")]
    pub time: RawDuration,
    /// How long it is out at most.
    pub up_to: RawDuration,
    /// How much of the pool may be out at once, in percent, rounded down; of two or more endpoints one may always be, and
    /// one always stays. 0: none is taken out.
    #[schemars(range(max = 100))]
    pub max_percent: u8,
}

/// When endpoints are taken out, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EjectionRules {
    /// Answers of 500 and above, or none, in a row; 0: never.
    pub consecutive_5xx: u32,
    /// Answers of 502, 503 or 504, or none, in a row; 0: never.
    pub consecutive_gateway: u32,
    /// How long at first.
    pub time: Duration,
    /// How long at most.
    pub up_to: Duration,
    /// The part of the pool that may be out at once; 1 to 100.
    pub max_percent: u8,
}

impl Default for RawEjection {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_5xx: 5,
            consecutive_gateway: 3,
            time: RawDuration::secs(30),
            up_to: RawDuration::minutes(5),
            max_percent: 50,
        }
    }
}

impl EjectionRules {
    /// Checks `raw`, which stands at `place`; `None` where none is to be taken out.
    pub(crate) fn compile(raw: &RawEjection, place: &Place<'_>) -> Option<Self> {
        if raw.max_percent > 100 {
            place.key("max_percent").error(format!("from 0 to 100, not {}", raw.max_percent));
        }
        let time = bounded(raw.time, SHORTEST_TIME, LONGEST_TIME, &place.key("for"));
        let up_to = bounded(raw.up_to, SHORTEST_TIME, LONGEST_TIME, &place.key("up_to"));
        if raw.enabled && up_to < time {
            place.key("up_to").error_help("shorter than `for`", "the time grows from `for` to `up_to`");
        }
        let rules = Self {
            consecutive_5xx: raw.consecutive_5xx,
            consecutive_gateway: raw.consecutive_gateway,
            time,
            up_to: up_to.max(time),
            max_percent: raw.max_percent.min(100),
        };
        let any = rules.consecutive_5xx > 0 || rules.consecutive_gateway > 0;
        (raw.enabled && any && rules.max_percent > 0).then_some(rules)
    }

    /// How many of `endpoints` may be out at once: the percentage, rounded down; but one, where there are two or more;
    /// and never all.
    pub fn most(&self, endpoints: usize) -> usize {
        let part = endpoints * usize::from(self.max_percent) / 100;
        part.max(1).min(endpoints.saturating_sub(1))
    }
}
