//! What a script costs over a local redis-server: `cargo run --release -p rampart-store --features testing --example
//! latency`. Prints calls a second and percentiles for 1, 16 and 64 callers at a time, and the price of asking while
//! Redis is down.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people; a failure ends it")]

use std::time::{Duration, Instant};

use rampart_store::testing::{Redis as Server, config};
use rampart_store::{Arg, Metrics, Redis, Script, State};

const SPAN: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let mut server = Server::start();
    let settings = format!("command_deadline = \"200ms\"\n{}", server.settings());
    let redis = Redis::start(config(&settings, ""), &Metrics::default()).await;
    redis.watch().wait_for(|state| *state == State::Up).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for callers in [1, 16, 64] {
        let times = run(&redis, callers).await;
        let at = |share: usize| times.get(times.len() * share / 1_000).copied().unwrap_or_default();
        let rate = times.len() as u64 / SPAN.as_secs();
        println!("{callers:>3} callers: {rate:>7}/s  p50 {:?}  p99 {:?}  p99.9 {:?}", at(500), at(990), at(999));
    }
    server.kill();
    redis.watch().wait_for(|state| *state != State::Up).await.unwrap();
    let begun = Instant::now();
    let key = redis.key("latency", b"tag", b"");
    for _ in 0..100_000 {
        let _ = redis.get(&key).await;
    }
    println!("down: {:?} for a call that is not made", begun.elapsed() / 100_000);
}

async fn run(redis: &Redis, callers: u64) -> Vec<Duration> {
    let end = Instant::now() + SPAN;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let redis = redis.clone();
            tokio::spawn(async move {
                let script = Script::new("latency", 1, "return redis.call('INCRBY', KEYS[1], ARGV[1])");
                let mut times = Vec::new();
                while Instant::now() < end {
                    let key = redis.key("latency", &caller.to_be_bytes(), b"");
                    let begun = Instant::now();
                    redis.eval(&script, &[key], &[Arg::Int(1)]).await.unwrap();
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort_unstable();
    times
}
