//! The slow and obvious way to count: every charge of a key is kept, and each question is answered from all of them.
//!
//! Nothing of the crate's arithmetic is used here. The steady rate is judged by its definition: over every span that
//! ends now, what was taken is at most `burst` plus what the rate gives for the span.
#![allow(dead_code, clippy::allow_attributes, reason = "each user needs another part")]
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rampart_limits::{Calendar, Charge, KeyHash, Micros, Outcome, Quota, QuotaState, RawQuota, Rule, Span};
use rampart_settings::{Document, Report, Source, read};

/// Midnight of a day in the middle of a month: 2026-11-20.
pub(crate) const START: u64 = 1_795_132_800_000_000;

/// The quota that `toml` describes.
pub(crate) fn quota(name: &str, toml: &str) -> Arc<Quota> {
    let report = Report::new();
    let document = Document::parse(Source::new("rules.toml", toml), &report).expect("TOML");
    let raw: RawQuota = read(&document, &report).expect("a quota");
    let quota = Quota::compile(name, &raw, &document.root(&report)).expect("a good quota");
    assert!(report.is_ok(), "{:?}", report.into_sorted());
    Arc::new(quota)
}

/// A key that is a number: tests of counting need no request.
pub(crate) fn key(number: u64) -> KeyHash {
    // Spread as a hash would be, and never two alike.
    let mixed = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ u128::from(number) << 64;
    KeyHash(mixed.to_be_bytes())
}

pub(crate) fn charge(quota: &Arc<Quota>, number: u64, cost: u64) -> Charge {
    Charge { quota: Arc::clone(quota), key: key(number), cost }
}

/// All that one key took.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Vec<(u64, u64)>);

impl History {
    pub(crate) fn take(&mut self, cost: u64, now: u64) {
        self.0.push((now, cost));
    }

    /// Units that could be had at `now`; below 0 if none could and more are owed.
    pub(crate) fn free(&self, rule: &Rule, now: u64) -> i128 {
        let taken_after = |begin: i128| -> i128 {
            self.0.iter().filter(|(at, _)| i128::from(*at) > begin).map(|(_, cost)| i128::from(*cost)).sum()
        };
        match *rule {
            Rule::Gcra { limit, burst, period_us } => self.free_of_rate(limit, burst, period_us, now),
            Rule::SlidingLog { limit, period_us } => {
                i128::from(limit) - taken_after(i128::from(now) - i128::from(period_us))
            }
            Rule::Window { limit, span } => i128::from(limit) - taken_after(i128::from(begin_of(span, now)) - 1),
            Rule::Concurrency { limit } => i128::from(limit) - taken_after(-1),
        }
    }

    fn free_of_rate(&self, limit: u64, burst: u64, period_us: u64, now: u64) -> i128 {
        let [limit, burst, period] = [limit, burst, period_us].map(i128::from);
        let mut free = burst;
        let mut sum = 0;
        for (at, cost) in self.0.iter().rev() {
            sum += i128::from(*cost);
            let given = burst * period + limit * i128::from(now - at);
            free = free.min((given - sum * period).div_euclid(period));
        }
        free
    }

    /// Checks a decision about `cost` at `now` against all that was taken before, and takes it if it was allowed.
    pub(crate) fn judge(&mut self, state: &QuotaState, cost: u64, now: u64) -> Result<(), String> {
        let rule = state.quota.rule;
        let free = self.free(&rule, now);
        let allowed = i128::from(cost) <= free;
        if allowed {
            self.take(cost, now);
        }
        let wrong = |what: &str| Err(format!("{what}: cost {cost} at {now}, {free} free, {state:?}, {self:?}"));
        if (state.outcome == Outcome::Allowed) != allowed {
            return wrong("decision");
        }
        let left = if allowed { free - i128::from(cost) } else { free }.max(0);
        if i128::from(state.remaining) != left {
            return wrong("remaining");
        }
        let later = |seconds: u64| self.free(&rule, now + seconds * Micros::SECOND);
        let retry = state.retry_after_s;
        if allowed && retry != 0 || !allowed && retry == 0 {
            return wrong("retry");
        }
        // Nobody knows when a request in flight ends, or when more can be had than ever is.
        let known = cost <= rule.most_at_once() && !rule.is_concurrency();
        let enough = |seconds: u64| later(seconds) >= i128::from(cost);
        if !allowed && known && (!enough(retry) || enough(retry - 1)) {
            return wrong("retry");
        }
        if rule.is_concurrency() {
            return Ok(());
        }
        let reset = state.reset_s;
        let full = left == i128::from(rule.most_at_once()) && later(0) == left && self.is_untouched(&rule, now);
        if (reset == 0) != full || reset > 0 && (later(reset) <= left || later(reset - 1) > left && reset > 1) {
            return wrong("reset");
        }
        Ok(())
    }

    /// Whether a key that never asked could not be told from it.
    fn is_untouched(&self, rule: &Rule, now: u64) -> bool {
        match *rule {
            Rule::Gcra { limit, period_us, .. } => {
                // Nothing is left of what was taken, not even a part of a unit.
                let mut sum = 0;
                self.0.iter().rev().all(|(at, cost)| {
                    sum += u128::from(*cost) * u128::from(period_us);
                    sum <= u128::from(limit) * u128::from(now - at)
                })
            }
            _ => self.free(rule, now) == i128::from(rule.limit()),
        }
    }
}

/// The beginning of the window that `now` lies in, by the calendar of another crate.
fn begin_of(span: Span, now: u64) -> u64 {
    let zoned = || {
        let seconds = i64::try_from(now / Micros::SECOND).expect("a year within the calendar");
        Timestamp::from_second(seconds).expect("a year within the calendar").to_zoned(TimeZone::UTC)
    };
    let micros = |zoned: jiff::Zoned| u64::try_from(zoned.timestamp().as_microsecond()).expect("after the epoch");
    match span {
        Span::Every(length) => now / length * length,
        Span::Calendar(Calendar::Hour) => micros(
            zoned()
                .round(jiff::ZonedRound::new().smallest(jiff::Unit::Hour).mode(jiff::RoundMode::Floor))
                .expect("an hour"),
        ),
        Span::Calendar(Calendar::Day) => micros(zoned().start_of_day().expect("a day")),
        Span::Calendar(Calendar::Month) => {
            micros(zoned().first_of_month().expect("a month").start_of_day().expect("a day"))
        }
    }
}

/// Small numbers that are the same in each run (xorshift64*).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }
}

/// Nanoseconds that this thread has run, where the system tells: others share the machine. Else 0.
pub(crate) fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}
