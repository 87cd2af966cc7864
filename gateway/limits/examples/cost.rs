//! What a local decision costs: CPU time for each, with a million keys in memory, hot and at random; and what hashing
//! a key, and a whole request of four quotas, costs.
//!
//! `cargo run --release -p rampart-limits --example cost [DECISIONS]`

#![expect(clippy::print_stdout, clippy::expect_used, reason = "for developers: it prints, and ends where it is wrong")]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::borrow::Cow;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use oracle::{Numbers, START, charge, cpu_ns, quota};
use rampart_limits::{Charge, Demand, KeySource, Limits, LimitsConfig, Metrics, Micros, Quota};

const KEYS: u64 = 1_000_000;

fn main() {
    let decisions = std::env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(4_000_000);
    for (name, toml) in [
        ("gcra", "limit = 100\nper = \"60s\""),
        ("sliding_log of 5", "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\""),
        ("window", "algorithm = \"window\"\nlimit = 100\nper = \"day\""),
        ("concurrency", "concurrency = 10"),
    ] {
        let quota = quota("q", toml);
        let limits = Limits::new(&LimitsConfig::default(), Metrics::default());
        limits.reconcile(&[Arc::clone(&quota)], &[]);
        for number in 0..KEYS {
            drop(limits.take(&[charge(&quota, number, 1)], Micros(START + number)));
        }
        let hot = measure(decisions, |index, _| one(&limits, &quota, 7, index));
        let spread = measure(decisions, |index, numbers| one(&limits, &quota, numbers.below(KEYS), index));
        println!("{name:<17} one key {hot:4} ns, {KEYS} keys at random {spread:4} ns a decision");
    }
    whole_request(decisions / 4);
}

fn one(limits: &Limits, quota: &Arc<Quota>, number: u64, index: u64) {
    // 250,000 requests in a second.
    let now = Micros(START + KEYS + index * 4);
    drop(black_box(limits.take(&[charge(quota, number, 1)], now)));
}

/// Nanoseconds of CPU for each, less what the numbers cost.
fn measure(count: u64, mut each: impl FnMut(u64, &mut Numbers)) -> u64 {
    let time = |each: &mut dyn FnMut(u64, &mut Numbers)| {
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        let begun = cpu_ns();
        for index in 0..count {
            each(index, &mut numbers);
        }
        cpu_ns() - begun
    };
    let empty = time(&mut |_, numbers| {
        black_box(numbers.below(KEYS));
    });
    time(&mut each).saturating_sub(empty) / count.max(1)
}

struct Request {
    client: IpAddr,
}

impl KeySource for Request {
    fn client(&self) -> IpAddr {
        self.client
    }
    fn header(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(b"4be9d7b2-3c53-4d51-b1a6-3e5b4b1f0c11"))
    }
    fn cookie(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
    fn query(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
    fn claim(&self, _: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("acme"))
    }
    fn subject(&self) -> Option<&str> {
        Some("alice")
    }
    fn tenant(&self) -> Option<&str> {
        Some("acme")
    }
    fn api_key(&self) -> Option<&str> {
        None
    }
    fn route(&self) -> &'static str {
        "agent list"
    }
    fn method(&self) -> &'static str {
        "GET"
    }
    fn request_bytes(&self) -> Option<u64> {
        Some(512)
    }
}

/// Keys, decision and settlement of a request of four quotas, clients at random.
fn whole_request(requests: u64) {
    let quotas = [
        quota("address", "limit = 1000\nper = \"60s\""),
        quota("route", "limit = 1000\nper = \"60s\"\nkey = [\"client_address\", \"route\", \"method\"]"),
        quota("tenant", "algorithm = \"window\"\nlimit = 1000000000\nper = \"day\"\nkey = \"tenant\""),
        quota("flight", "concurrency = 100\nkey = [\"subject\", \"header:x-session\"]"),
    ];
    let limits = Limits::new(&LimitsConfig::default(), Metrics::default());
    limits.reconcile(&quotas, &[]);
    let hasher = limits.hasher();
    let source = |number: u64| Request { client: IpAddr::from(number.to_be_bytes().map(u16::from)) };
    let keys = measure(requests, |_, numbers| {
        let source = source(numbers.below(KEYS));
        for quota in &quotas {
            black_box(quota.key(&source, &hasher));
        }
    });
    let whole = measure(requests, |index, numbers| {
        let source = source(numbers.below(KEYS));
        let charge = |quota: &Arc<Quota>| Charge {
            quota: Arc::clone(quota),
            key: quota.key(&source, &hasher),
            cost: quota.cost(&source),
        };
        let demand: Demand = quotas.iter().map(charge).collect();
        drop(black_box(limits.take(&demand, Micros(START + index * 4))));
    });
    println!("a request of four quotas: {whole:4} ns, of which {keys:3} ns are for hashing its keys");
}
