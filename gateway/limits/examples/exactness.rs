//! Ten million requests of a million keys, for each algorithm, each decision judged by the slow and obvious oracle.
//!
//! `cargo run --release -p rampart-limits --example exactness [REQUESTS] [KEYS]`

#![expect(clippy::print_stdout, clippy::expect_used, reason = "for developers: it prints, and ends where it is wrong")]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::time::Instant;

use oracle::{History, Numbers, START, charge, quota};
use rampart_limits::{Limits, LimitsConfig, Metrics, Micros};

const QUOTAS: [(&str, &str); 5] = [
    ("gcra", "limit = 7\nper = \"60s\"\nburst = 4"),
    ("gcra, fast", "limit = 1000\nper = \"7s\"\nburst = 2"),
    ("sliding_log", "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\""),
    ("window", "algorithm = \"window\"\nlimit = 5\nper = \"60s\""),
    ("window, calendar", "algorithm = \"window\"\nlimit = 9\nper = \"hour\""),
];

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let requests = arguments.next().unwrap_or(10_000_000);
    let keys = arguments.next().unwrap_or(1_000_000);
    let mut wrong_in_all = 0;
    for (name, toml) in QUOTAS {
        wrong_in_all += run(name, toml, requests, keys);
    }
    assert_eq!(wrong_in_all, 0, "wrong decisions");
}

fn run(name: &str, toml: &str, requests: u64, keys: u64) -> u64 {
    let quota = quota("q", toml);
    // Room for each key, live or not: what is full is another example's.
    let limits = Limits::new(&LimitsConfig { memory_bytes: 512 << 20 }, Metrics::default());
    let mut histories = vec![History::default(); usize::try_from(keys).unwrap_or(0)];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    // All of them within three times the span of the quota.
    let step_us = (quota.rule.window_s().unwrap_or(60) * 3 * Micros::SECOND / requests.max(1)).max(1);
    let (mut now, mut wrong, mut refused) = (START, 0_u64, 0_u64);
    let begun = Instant::now();
    for _ in 0..requests {
        now += numbers.below(2 * step_us + 1);
        // Half of the requests come from a hundredth of the keys.
        let of = if numbers.below(2) == 0 { keys } else { (keys / 100).max(1) };
        let number = numbers.below(of);
        let cost = 1 + numbers.below(8) / 7;
        let settled = limits.take(&[charge(&quota, number, cost)], Micros(now));
        refused += u64::from(settled.refused().is_some());
        let history = usize::try_from(number).ok().and_then(|number| histories.get_mut(number));
        let judged = settled.states.first().zip(history).map(|(state, history)| history.judge(state, cost, now));
        if let Some(Err(why)) = judged {
            wrong += 1;
            if wrong <= 3 {
                println!("{name}: {why}");
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let occupancy = limits.occupancy();
    println!(
        "{name:<17} {requests} requests of {keys} keys: {wrong} wrong decisions ({refused} refused, {} keys held, {} \
         bytes, {seconds:.1} s with the oracle)",
        occupancy.keys, occupancy.bytes
    );
    wrong
}
