//! What keys take, in resident memory as the system counts it; then a flood of keys that never come back, which takes
//! no more than the bound, evicts idle keys only, and leaves those of honest clients alone.
//!
//! `cargo run --release -p rampart-limits --example memory [FLOOD]`

#![expect(clippy::print_stdout, clippy::expect_used, reason = "for developers: it prints, and ends where it is wrong")]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::sync::Arc;

use oracle::{START, charge, cpu_ns, quota};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rampart_limits::{Limits, LimitsConfig, Metrics, Micros, Outcome, Quota};

const KEYS: u64 = 1_000_000;

fn main() {
    let flood = std::env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(50_000_000);
    a_million_keys("gcra", "limit = 100\nper = \"60s\"");
    a_million_keys("sliding_log", "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"");
    a_million_keys("window", "algorithm = \"window\"\nlimit = 100\nper = \"hour\"");
    println!();
    // A key is live for 0.6 s: the flood finds idle ones.
    the_flood("all keys idle after 0.6 s", "limit = 100\nper = \"60s\"", flood);
    // A key is live for an hour: the flood fills the memory, then the quota chooses.
    the_flood("all keys live, at_bound = shared", "algorithm = \"window\"\nlimit = 100\nper = \"day\"", flood);
    let deny = "algorithm = \"window\"\nlimit = 100\nper = \"day\"\nat_bound = \"deny\"";
    the_flood("all keys live, at_bound = deny", deny, flood);
}

fn a_million_keys(name: &str, toml: &str) {
    let quota = quota("q", toml);
    let limits = Limits::new(&LimitsConfig::default(), Metrics::default());
    let before = begin();
    for number in 0..KEYS {
        drop(limits.take(&[charge(&quota, number, 1)], Micros(START)));
    }
    let occupancy = limits.occupancy();
    println!(
        "{name:<12} {} live keys: {:.1} MB counted, {:.1} MB resident ({:.1} MB at most while tables grew)",
        occupancy.keys,
        mega(occupancy.bytes),
        mega(resident("VmRSS:").saturating_sub(before)),
        mega(resident("VmHWM:").saturating_sub(before)),
    );
}

fn the_flood(name: &str, toml: &str, flood: u64) {
    const HONEST: u64 = 1_000;
    let quota = quota("q", toml);
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let limits = Limits::new(&LimitsConfig::default(), metrics);
    limits.reconcile(&[Arc::clone(&quota)], &[]);
    let before = begin();
    let mut outcomes = [0_u64; 2];
    let begun = cpu_ns();
    for number in 0..flood {
        // A million requests in a second; a thousandth of them are of honest clients, who were there first.
        let now = Micros(START + number);
        let key = if number < HONEST { number } else { HONEST + number };
        let refused = take(&limits, &quota, key, now) != Outcome::Allowed;
        outcomes = if refused { [outcomes[0], outcomes[1] + 1] } else { [outcomes[0] + 1, outcomes[1]] };
    }
    let spent_ns = cpu_ns() - begun;
    let peak = resident("VmHWM:").saturating_sub(before);
    let [admitted, refused] = outcomes;
    // Honest clients still have what they had: 99 each, where their keys are live.
    let now = Micros(START + flood);
    let left: u64 = (0..HONEST).map(|number| limits.peek(&quota, oracle::key(number), now).remaining).sum();
    println!("{name}: {flood} distinct keys, {admitted} admitted, {refused} refused");
    println!(
        "    {:.1} MB at most of {:.1} MB, {} keys held, {} ns a request; honest clients have {left} of {} left",
        mega(peak),
        mega(limits.occupancy().bound_bytes),
        limits.occupancy().keys,
        spent_ns / flood.max(1),
        HONEST * 100,
    );
    println!("    {}", shown(&registry));
    assert!(limits.occupancy().bytes <= limits.occupancy().bound_bytes, "the bound was passed");
}

fn take(limits: &Limits, quota: &Arc<Quota>, number: u64, now: Micros) -> Outcome {
    let settled = limits.take(&[charge(quota, number, 1)], now);
    settled.states.first().map_or(Outcome::AtBound, |state| state.outcome)
}

/// The metrics that tell of evictions and of full memory.
fn shown(registry: &Registry) -> String {
    let mut text = String::new();
    if encode(&mut text, registry).is_err() {
        return String::new();
    }
    let wanted = |line: &&str| line.starts_with("rampart_quota_evictions_total") || line.contains("_at_bound_total");
    text.lines().filter(wanted).collect::<Vec<_>>().join(", ")
}

/// Forgets the peak so far, and says how much is resident.
fn begin() -> usize {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    resident("VmRSS:")
}

/// Resident bytes of this process (`VmRSS:`), or the most of them (`VmHWM:`), where the system tells.
fn resident(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1_024
}

#[expect(clippy::cast_precision_loss, reason = "printed with a digit after the point")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
