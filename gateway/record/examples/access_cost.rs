//! What one access line costs the thread that records it: `cargo run --release -p rampart-record --example access_cost`.
//!
//! Prints nanoseconds a line for encoding alone, and for recording into a file from one and from several threads at a
//! pace that the disk can keep up with (every line is checked to have been taken).

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program for people, run by hand")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rampart_record::{
    AccessEntry, Clock, Destination, FaultReport, FileConfig, JournalConfig, Metrics, Overload, RecordConfig, Records,
    SystemClock, Timestamp, Verdict,
};

const LINES: u64 = 400_000;
/// Lines recorded in a row; then the thread rests, so that the writer is never the bottleneck.
const BURST: u64 = 500;

fn main() {
    println!("encode alone         {:>5} ns a line", encode());
    for threads in [1, 2, 4] {
        let folder = std::env::temp_dir().join(format!("rampart-access-cost-{}", std::process::id()));
        let (nanos, dropped) = record(&folder, threads);
        println!("record, {threads} thread(s)  {nanos:>5} ns a line, {dropped} dropped");
        std::fs::remove_dir_all(&folder).expect("own folder");
    }
}

fn entry(time: Timestamp, micros: u64) -> AccessEntry<'static> {
    AccessEntry {
        time,
        request_id: "01JD3XK5V8W2Q4R6T7Y9ZABCDE",
        client: [203, 0, 113, 9].into(),
        method: b"POST",
        host: b"agents.example:8080",
        path: b"/api/v1/tasks/7f3c/steps",
        protocol: "HTTP/1.1",
        status: 200,
        bytes_in: 1_432,
        bytes_out: 5_120,
        micros,
        upstream: Some(([10, 0, 3, 17], 9_000).into()),
        upstream_micros: 640,
        route: Some("create task"),
        identity: None,
        verdict: Verdict::Pass,
        user_agent:
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
    }
}

fn encode() -> u128 {
    let time = SystemClock.now();
    let mut line = Vec::with_capacity(1_024);
    let began = Instant::now();
    for n in 0..LINES {
        line.clear();
        entry(time, std::hint::black_box(n)).encode(&mut line);
        std::hint::black_box(&line);
    }
    began.elapsed().as_nanos() / u128::from(LINES)
}

fn record(folder: &Path, threads: u64) -> (u64, u64) {
    let file = FileConfig { path: folder.join("access.jsonl"), rotate_bytes: None, rotate_age: None, keep: 1 };
    let access = JournalConfig {
        name: "access",
        destination: Destination::File(file),
        overload: Overload::Drop,
        buffer_bytes: 8 << 20,
    };
    let config = RecordConfig { access: Some(access), ..RecordConfig::default() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let report: FaultReport = Arc::new(|fault| eprintln!("{fault}"));
    let records = Records::open(&config, &clock, &Metrics::default(), &report).expect("a folder of our own");
    let nanos = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..LINES / threads / BURST {
                    let time = clock.now();
                    let began = Instant::now();
                    for n in 0..BURST {
                        records.access(&entry(time, n));
                    }
                    let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    nanos.fetch_add(spent, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
        }
    });
    records.close(Duration::from_secs(10));
    let dropped = records.status().iter().map(|status| status.dropped).sum();
    (nanos.load(Ordering::Relaxed) / LINES, dropped)
}
