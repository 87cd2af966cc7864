//! What a choice costs, lease taken and dropped: `cargo bench -p rampart-upstream`. The target is below 100 ns for
//! pools of usual size, in the release profile and without contention. Then the same with one endpoint of the pool
//! ejected and with all breakers open, and a whole request: admission, choice, answer.

use std::hint::black_box;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rampart_settings::{Document, Report, Source, read};
use rampart_upstream::{Failure, Force, Metrics, Pool, RawUpstream, RequestBody, Resolved, Upstream, hash_key};

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

/// Nanoseconds for each `run`, on so many threads at once.
fn measure(threads: u32, run: impl Fn(u32) + Sync) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..PICKS).for_each(&run));
        }
    });
    start.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for balance in ["round_robin", "least_connections", "consistent_hash"] {
        for endpoints in [1, 3, 16, 64, 256] {
            let Some(pool) = pool(balance, endpoints) else { continue };
            let now = Instant::now();
            let pick = |number: u32| pool.pick(|| hash_key(&number.to_le_bytes()), &[], RequestBody::InHand, now);
            let choice = |number| drop(black_box(pick(number)));
            let request = |number| {
                let slot = black_box(pool.admit(now));
                if let Ok(lease) = pick(number) {
                    lease.responded(200, Duration::from_millis(1), now);
                }
                drop(slot);
            };
            let (alone, beside) = (measure(1, choice), measure(2, choice));
            let (whole, whole_beside) = (measure(1, request), measure(2, request));
            // Three gateway errors in a row.
            let first = pick(0).map(|lease| lease.endpoint().id()).ok();
            for number in (0..PICKS).filter(|_| first.is_some()).take(64 * usize::from(endpoints)) {
                match pick(number) {
                    Ok(lease) if Some(lease.endpoint().id()) == first => lease.failed(Failure::Connect, now),
                    _ => {}
                }
            }
            let ejected = pool.states(now).iter().filter(|state| state.ejected_for.is_some()).count();
            let without = measure(1, choice);
            pool.force_breaker(Force::Open, None);
            let refused = measure(1, choice);
            writeln!(
                out,
                "{balance} of {endpoints}: {alone:.0} ns a choice, {beside:.0} ns with two threads, {without:.0} ns with \
                 {ejected} ejected, {refused:.0} ns with all breakers open; {whole:.0} ns a request, {whole_beside:.0} ns with two threads"
            )?;
        }
    }
    Ok(())
}
