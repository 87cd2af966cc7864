//! The SecLang engine on recorded requests, in process: verdicts, time, and what each rule costs.
//!
//! `cargo run --release -p rampart-inspection --example crs -- [OPTIONS] [FILE.jsonl ...]`
//!
//! | option | |
//! |---|---|
//! | `--rules DIR` | a Core Rule Set: `crs-setup.conf*` and `rules/*.conf`; `$RAMPART_SHARED/crs` |
//! | `--paranoia N` | blocking and detection level; 1 |
//! | `--repeat N` | passes; of each request the fastest counts; 5 |
//! | `--only TEXT` | requests whose id holds it, with their matches |
//! | `--oracle FILE` | verdicts of libmodsecurity (`tests/bench/inspection`): says what differs, by rule |
//! | `--out FILE` | a JSON line for each request, as `rampart replay` writes it |
//! | `--slowest N` | the requests that took longest |
//! | `--cost file`, `--cost rule` | what leaving out each file, or each rule, saves |
//!
//! Without files the recorded browsing under `$RAMPART_SHARED/corpora` is read. Times include the parsing of the message.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measuring program for the command line, no part of the gateway"
)]

mod options;
mod oracle;
mod recorded;
mod rules;

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use rampart_inspection::{Beginning, Connection, Exempt, Scratch, SecLang};
use rampart_message::{Body, Head, Headers, Limits, Message};

use crate::options::{Cost, Options};
use crate::recorded::Request;

/// What became of a request.
pub(crate) struct Verdict {
    /// Of a refusal.
    pub(crate) status: Option<u16>,
    pub(crate) score: u32,
    /// Ids of the rules that matched and say so.
    pub(crate) rules: Vec<u32>,
    /// Parsing of the message alone.
    pub(crate) parsing: Duration,
    /// All of it.
    pub(crate) took: Duration,
}

/// What a worker keeps from request to request.
#[derive(Default)]
struct Buffers {
    message: rampart_message::Scratch,
    inspection: Scratch,
}

fn main() {
    let options = Options::of_arguments();
    let requests = recorded::read(&options.files, options.only.as_deref());
    let began = Instant::now();
    let rules = rules::load(&options.rules, options.paranoia, &rules::Without::default());
    println!("{} rules left of {} files, loaded in {:?}", rules.len(), rules.files().len(), began.elapsed());
    for note in rules.notes() {
        println!("note: {}:{}: {}", note.file.display(), note.line, note.text);
    }
    let limits = recorded::limits();
    let verdicts = judge_all(&rules, &requests, &limits, options.repeat);
    report(&requests, &verdicts);
    if options.only.is_some() {
        show(&rules, &requests, &limits);
    }
    if let Some(path) = &options.oracle {
        oracle::compare(path, &requests, &verdicts);
    }
    if let Some(path) = &options.out {
        write(path, &requests, &verdicts);
    }
    slowest(&requests, &verdicts, options.slowest);
    match options.cost {
        Some(Cost::Files) => cost(&options, &requests, &rules::files(&options.rules), rules::Without::file),
        Some(Cost::Rules) => cost(&options, &requests, &rules::ids(&options.rules), |id| rules::Without::rule(*id)),
        None => {}
    }
}

/// The fastest of `repeat` passes for each request.
fn judge_all(rules: &SecLang, requests: &[Request], limits: &Limits, repeat: u32) -> Vec<Verdict> {
    let mut buffers = Buffers::default();
    let mut best: Vec<Verdict> = requests.iter().map(|one| judge(rules, one, limits, &mut buffers)).collect();
    for _ in 1..repeat {
        for (request, best) in requests.iter().zip(&mut best) {
            let again = judge(rules, request, limits, &mut buffers);
            if again.took < best.took {
                *best = again;
            }
        }
    }
    best
}

fn judge(rules: &SecLang, request: &Request, limits: &Limits, buffers: &mut Buffers) -> Verdict {
    let fields: Vec<(&[u8], &[u8])> = request.headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    let began = Instant::now();
    let headers = Headers::new(&fields);
    let body = Body::open(&headers, &request.body, limits);
    let message = parse(request, headers, &body, limits, &mut buffers.message);
    let parsing = began.elapsed();
    let transaction = run(rules, &message, limits, &mut buffers.inspection);
    message.recycle(&mut buffers.message);
    let took = began.elapsed();
    let mut found: Vec<u32> = transaction.matched().iter().map(|rule| rule.id).collect();
    found.sort_unstable();
    found.dedup();
    let verdict = Verdict {
        status: transaction.interruption().map(|interruption| interruption.status),
        score: transaction.score(),
        rules: found,
        parsing,
        took,
    };
    transaction.recycle(&mut buffers.inspection);
    verdict
}

fn parse<'a>(
    request: &'a Request,
    headers: Headers<'a>,
    body: &'a Body<'a>,
    limits: &Limits,
    scratch: &mut rampart_message::Scratch,
) -> Message<'a> {
    let head =
        Head { method: &request.method, target: &request.uri, version: request.version, authority: None, headers };
    let mut message = Message::parse_head(head, limits, scratch);
    if !request.body.is_empty() {
        message.parse_body(body, limits);
    }
    message
}

fn run(
    rules: &SecLang,
    message: &Message<'_>,
    limits: &Limits,
    scratch: &mut Scratch,
) -> rampart_inspection::Transaction {
    let beginning = Beginning {
        connection: Connection {
            client: SocketAddr::from(([127, 0, 0, 1], 40_000)),
            server: SocketAddr::from(([127, 0, 0, 1], 80)),
        },
        unique_id: "0192b0f8-5a3c-7c3e-9d1f-3a5b7c9d1e2f",
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        detect: false,
        work: u64::MAX,
    };
    let mut transaction = rules.begin(&beginning, scratch);
    transaction.request(Exempt::default(), message, limits, beginning.now, scratch);
    transaction
}

/// Every match of every request.
fn show(rules: &SecLang, requests: &[Request], limits: &Limits) {
    let mut buffers = Buffers::default();
    for request in requests {
        let fields: Vec<(&[u8], &[u8])> = request.headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let headers = Headers::new(&fields);
        let body = Body::open(&headers, &request.body, limits);
        let message = parse(request, headers, &body, limits, &mut buffers.message);
        let transaction = run(rules, &message, limits, &mut buffers.inspection);
        println!("{} {:?}", request.id, transaction.interruption());
        for line in transaction.log_lines() {
            println!("    {line}");
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn mean(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64() * 1e6 / times.len().max(1) as f64
}

fn report(requests: &[Request], verdicts: &[Verdict]) {
    println!(
        "{:<22}{:<8}{:>9}{:>9}{:>12}{:>10}{:>10}{:>10}",
        "source", "label", "requests", "refused", "parsing us", "mean us", "p50", "p99"
    );
    let mut groups: Vec<(&str, &str)> = requests.iter().map(|one| (&*one.source, &*one.label)).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let of: Vec<&Verdict> = requests
            .iter()
            .zip(verdicts)
            .filter(|(one, _)| (&*one.source, &*one.label) == group)
            .map(|(_, verdict)| verdict)
            .collect();
        row(group, &of);
    }
    row(("all", ""), &verdicts.iter().collect::<Vec<_>>());
}

fn row((source, label): (&str, &str), verdicts: &[&Verdict]) {
    let parsing: Vec<Duration> = verdicts.iter().map(|verdict| verdict.parsing).collect();
    let mut times: Vec<Duration> = verdicts.iter().map(|verdict| verdict.took).collect();
    times.sort_unstable();
    let refused = verdicts.iter().filter(|verdict| verdict.status.is_some()).count();
    println!(
        "{source:<22}{label:<8}{:>9}{refused:>9}{:>12.2}{:>10.2}{:>10.2}{:>10.2}",
        verdicts.len(),
        mean(&parsing),
        mean(&times),
        percentile(&times, 50),
        percentile(&times, 99)
    );
}

fn slowest(requests: &[Request], verdicts: &[Verdict], count: usize) {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(verdicts[*at].took));
    for at in order.into_iter().take(count) {
        let (request, verdict) = (&requests[at], &verdicts[at]);
        println!(
            "{:>10.1} us  {} bytes of head, {} of body  {} matches  {}",
            verdict.took.as_secs_f64() * 1e6,
            request.uri.len() + request.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>(),
            request.body.len(),
            verdict.rules.len(),
            request.id
        );
    }
}

/// What a pass takes less when each of `parts` is left out, the dearest first.
fn cost<T: std::fmt::Display>(
    options: &Options,
    requests: &[Request],
    parts: &[T],
    without: impl Fn(&T) -> rules::Without,
) {
    let limits = recorded::limits();
    let time = |without: &rules::Without| {
        let rules = rules::load(&options.rules, options.paranoia, without);
        let verdicts = judge_all(&rules, requests, &limits, options.repeat);
        mean(&verdicts.iter().map(|verdict| verdict.took).collect::<Vec<_>>())
    };
    let whole = time(&rules::Without::default());
    let mut saved: Vec<(f64, &T)> = parts.iter().map(|part| (whole - time(&without(part)), part)).collect();
    saved.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("mean {whole:.2} us; without, less:");
    for (less, part) in saved {
        println!("  {less:>8.2} us  {:>5.1} %  {part}", 100.0 * less / whole);
    }
}

fn write(path: &std::path::Path, requests: &[Request], verdicts: &[Verdict]) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("the file can be written"));
    for (request, verdict) in requests.iter().zip(verdicts) {
        let line = serde_json::json!({
            "id": request.id,
            "label": request.label,
            "verdict": if verdict.status.is_some() { "block" } else { "pass" },
            "status": verdict.status,
            "score": verdict.score,
            "rules": verdict.rules,
            "micros": verdict.took.as_secs_f64() * 1e6,
        });
        writeln!(out, "{line}").expect("the file can be written");
    }
}
