//! What a choice costs, lease taken and dropped: `cargo bench -p rampart-upstream`. The target is below 100 ns for
//! pools of usual size, in the release profile and without contention.

use std::hint::black_box;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Instant;

use rampart_settings::{Document, Report, Source, read};
use rampart_upstream::{Metrics, Pool, RawUpstream, Resolved, Upstream, hash_key};

const PICKS: u32 = 2_000_000;

fn pool(balance: &str, endpoints: u16) -> Option<Pool> {
    let report = Report::new();
    let text = format!("addresses = [\"agents.internal:80\"]\nbalance = \"{balance}\"");
    let document = Document::parse(Source::new("bench", &text), &report)?;
    let raw: RawUpstream = read(&document, &report)?;
    let upstream = Upstream::compile("bench", &raw, &document.root(&report))?;
    let mut resolved = Resolved::default();
    let sockets = (0..endpoints).map(|n| SocketAddr::from(([10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]], 80)));
    resolved.insert("agents.internal:80", sockets.collect());
    Some(Pool::new(&upstream, &resolved, &Metrics::default()))
}

/// Nanoseconds for each choice, on so many threads at once.
fn measure(pool: &Pool, threads: u32) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for number in 0..PICKS {
                    black_box(pool.pick(|| hash_key(&number.to_le_bytes()), &[], start).is_ok());
                }
            });
        }
    });
    start.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for balance in ["round_robin", "least_connections", "consistent_hash"] {
        for endpoints in [1, 3, 16, 64, 256] {
            let Some(pool) = pool(balance, endpoints) else { continue };
            let (alone, beside) = (measure(&pool, 1), measure(&pool, 2));
            writeln!(out, "{balance} of {endpoints}: {alone:.0} ns a choice, {beside:.0} ns with two threads")?;
        }
    }
    Ok(())
}
