//! `health` of an upstream: what its endpoints are asked, how often, and what a good answer is.

use std::ops::RangeInclusive;
use std::time::Duration;

use rampart_settings::{Duration as RawDuration, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::{Address, Scheme};
use crate::upstream::bounded;

const SHORTEST_EVERY: RawDuration = RawDuration::millis(100);
const LONGEST_EVERY: RawDuration = RawDuration::hours(1);
const SHORTEST_DEADLINE: RawDuration = RawDuration::millis(1);
const MAX_PATH: usize = 1_024;
const MAX_IN_A_ROW: u32 = 100;

/// A question that every endpoint is asked, again and again; who does not answer it gets no requests.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHealth {
    /// What is asked for by GET, such as `/health`; a query may follow.
    #[schemars(length(min = 1, max = 1_024))]
    pub path: String,
    /// How often. Each time is up to a tenth earlier or later, so that gateways do not ask in step.
    #[serde(default = "default_every")]
    pub every: RawDuration,
    /// How long a whole answer may take, the connection included.
    #[serde(default = "default_deadline")]
    pub deadline: RawDuration,
    /// Good answers in a row after which an endpoint that was unhealthy gets requests again.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 100))]
    pub healthy_after: u32,
    /// Bad answers in a row, or none, after which an endpoint gets no more requests.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_after: u32,
    /// Statuses that are good: numbers, and ranges such as `"200-299"` (which is the default).
    #[serde(default = "default_status")]
    #[schemars(length(min = 1, max = 32))]
    pub status: Vec<RawStatus>,
    /// The `Host` of the question. Default: that of the address.
    pub host: Option<String>,
}

/// One status, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawStatus {
    /// A status such as 200.
    One(u16),
    /// Statuses such as `"200-299"`.
    Range(String),
}

/// What endpoints are asked, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path, with its query: visible ASCII, with a slash at its beginning.
    pub path: Box<str>,
    /// How often, before [`HealthCheck::next_in`] has moved it.
    pub every: Duration,
    /// How long a whole answer may take. Shorter than `every`.
    pub deadline: Duration,
    /// Good answers in a row that make healthy.
    pub healthy_after: u32,
    /// Bad ones in a row that make unhealthy.
    pub unhealthy_after: u32,
    /// The `Host`, if not that of the address.
    pub host: Option<Box<str>>,
    good: Vec<RangeInclusive<u16>>,
}

impl HealthCheck {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it.
    pub(crate) fn compile(raw: &RawHealth, place: &Place<'_>) -> Self {
        let visible = raw.path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !raw.path.starts_with('/') || !visible || raw.path.len() > MAX_PATH {
            let help = "a slash, then at most 1023 visible ASCII characters and no #: \"/health\"";
            place.key("path").error_help(format!("\"{}\" is not a path", raw.path), help);
        }
        let in_a_row = |key, given: u32| {
            if !(1..=MAX_IN_A_ROW).contains(&given) {
                place.key(key).error(format!("from 1 to {MAX_IN_A_ROW}, not {given}"));
            }
            given.clamp(1, MAX_IN_A_ROW)
        };
        let every = bounded(raw.every, SHORTEST_EVERY, LONGEST_EVERY, &place.key("every"));
        let deadline = bounded(raw.deadline, SHORTEST_DEADLINE, LONGEST_EVERY, &place.key("deadline"));
        if deadline > every {
            place.key("deadline").error_help(
                format!("longer than the {} between two questions", raw.every),
                "an answer has to be there before the next question is due",
            );
        }
        let statuses = raw.status.iter().enumerate();
        let good: Vec<_> =
            statuses.filter_map(|(index, status)| range(status, &place.key("status").index(index))).collect();
        if raw.status.is_empty() {
            place.key("status").error_help("no status is good", "status = [\"200-299\"]");
        }
        Self {
            path: raw.path.as_str().into(),
            every,
            deadline: deadline.min(every),
            healthy_after: in_a_row("healthy_after", raw.healthy_after),
            unhealthy_after: in_a_row("unhealthy_after", raw.unhealthy_after),
            host: raw.host.as_deref().map(|host| host_header(host, &place.key("host"))),
            good,
        }
    }

    /// Whether an answer of this status is a good one.
    pub fn is_good(&self, status: u16) -> bool {
        self.good.iter().any(|range| range.contains(&status))
    }

    /// How long to wait before the first question to an endpoint: anything up to `every`. `random` is evenly distributed.
    pub fn first_in(&self, random: u64) -> Duration {
        part(self.every, random)
    }

    /// How long to wait from one question to the next: `every`, a tenth less to a tenth more.
    pub fn next_in(&self, random: u64) -> Duration {
        let tenth = self.every / 10;
        self.every.saturating_sub(tenth) + part(tenth * 2, random)
    }
}

/// The part of `whole` that `random` is of 2^64.
fn part(whole: Duration, random: u64) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn range(raw: &RawStatus, place: &Place<'_>) -> Option<RangeInclusive<u16>> {
    let (text, range) = match raw {
        RawStatus::One(status) => (status.to_string(), Some(*status..=*status)),
        RawStatus::Range(text) => {
            let number = |text: &str| if text.len() == 3 { text.parse::<u16>().ok() } else { None };
            let bounds = text.split_once('-').and_then(|(first, last)| Some(number(first)?..=number(last)?));
            (format!("\"{text}\""), bounds)
        }
    };
    let valid = range.filter(|range| !range.is_empty() && *range.start() >= 200 && *range.end() <= 599);
    if valid.is_none() {
        place.error_help(
            format!("{text} is not a status from 200 to 599, nor a range of them"),
            "write 204, or \"200-299\"",
        );
    }
    valid
}

fn host_header(text: &str, place: &Place<'_>) -> Box<str> {
    if text.contains(['/', '\\']) || Address::parse(&format!("http://{text}"), Scheme::Http).is_err() {
        place.error_help(format!("\"{text}\" is not a value of the Host header"), "such as \"api.example.com\"");
    }
    text.into()
}

fn default_every() -> RawDuration {
    RawDuration::secs(5)
}

fn default_deadline() -> RawDuration {
    RawDuration::secs(1)
}

fn two() -> u32 {
    2
}

fn three() -> u32 {
    3
}

fn default_status() -> Vec<RawStatus> {
    vec![RawStatus::Range("200-299".to_owned())]
}
