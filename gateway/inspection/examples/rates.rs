//! Measures the shipped rules on recorded requests: what is blocked of the attacks and of the benign, by which rules, and
//! what the inspection costs.
//!
//! `cargo run --release -p rampart-inspection --example rates -- [--list attack|benign] [--source NAME] [FILE.jsonl ...]`
//! Without files the corpora under `$RAMPART_SHARED/corpora` are read.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a measuring program for the command line, no part of the gateway"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rampart_inspection::{Findings, Profile, RouteExclusions, Scratch};
use rampart_message::{Body, Head, Headers, Message, Version};

#[path = "../tests/rules_dir/mod.rs"]
mod rules_dir;

struct Request {
    id: String,
    source: String,
    attack: bool,
    method: String,
    uri: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn read(path: &PathBuf) -> Vec<Request> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let parse = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let headers = value["headers"].as_array().into_iter().flatten();
        let pair = |h: &serde_json::Value| (latin1(h[0].as_str().unwrap_or("")), latin1(h[1].as_str().unwrap_or("")));
        Request {
            id: text("id"),
            source: text("source"),
            attack: text("label") == "attack",
            method: text("method"),
            uri: latin1(&text("uri")),
            headers: headers.map(pair).collect(),
            body: STANDARD.decode(text("body_b64")).expect("base64"),
        }
    };
    text.lines().map(parse).collect()
}

struct Measured {
    findings: Findings,
    parse_ns: u64,
    inspect_ns: u64,
}

/// Parses and inspects one request `repeat` times and keeps the fastest of each.
fn run(
    request: &Request,
    profile: &Profile,
    exclusions: &RouteExclusions,
    buffers: &mut (Scratch, rampart_message::Scratch),
    repeat: u32,
) -> Measured {
    let fields: Vec<(&[u8], &[u8])> = request.headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    let headers = Headers::new(&fields);
    let head = Head {
        method: request.method.as_bytes(),
        target: &request.uri,
        version: Version::Http11,
        authority: None,
        headers,
    };
    let mut best = Measured { findings: Findings::default(), parse_ns: u64::MAX, inspect_ns: u64::MAX };
    for _ in 0..repeat {
        let start = Instant::now();
        let body = Body::open(&headers, &request.body, &profile.limits);
        let mut message = Message::parse_head(head, &profile.limits, &mut buffers.1);
        if !request.body.is_empty() {
            message.parse_body(&body, &profile.limits);
        }
        let parsed = start.elapsed();
        let start = Instant::now();
        best.findings = profile.inspect(exclusions, &message, &mut buffers.0);
        best.inspect_ns = best.inspect_ns.min(start.elapsed().as_nanos() as u64);
        best.parse_ns = best.parse_ns.min(parsed.as_nanos() as u64);
        message.recycle(&mut buffers.1);
    }
    best
}

#[derive(Default)]
struct Row {
    requests: usize,
    blocked: usize,
    by_limit: usize,
    times: Vec<u64>,
}

#[derive(Default)]
struct Totals {
    rows: BTreeMap<(String, bool), Row>,
    rules: BTreeMap<(String, bool), usize>,
    limits: BTreeMap<(String, bool), usize>,
}

struct Options {
    list: Option<String>,
    source: Option<String>,
    files: Vec<PathBuf>,
}

fn options() -> Options {
    let mut options = Options { list: None, source: None, files: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => options.list = arguments.next(),
            "--source" => options.source = arguments.next(),
            file => options.files.push(file.into()),
        }
    }
    if options.files.is_empty() {
        let shared = std::env::var_os("RAMPART_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
        options.files =
            ["blazehttp", "payloads", "agents"].iter().map(|n| shared.join(format!("corpora/{n}.jsonl"))).collect();
    }
    options
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0)
}

fn main() {
    let options = options();
    let mut texts = rules_dir::texts(&rules_dir::folder());
    // Exclusions of the shipped routes; the rest of that file is not ours to read.
    let start = Instant::now();
    let shipped = rules_dir::compile(&texts, &["tasks"]);
    println!(
        "{} rules compiled in {:?}, cases: {} passed",
        shipped.catalogue.len(),
        start.elapsed(),
        shipped.cases.passed
    );
    texts.clear();
    for finding in &shipped.findings {
        println!("{finding}");
    }
    for failure in &shipped.cases.failures {
        println!("{}: {failure}", failure.location);
    }
    println!("untested: {:?}", shipped.cases.untested);
    for profile in shipped.profiles.values() {
        let unfiltered: Vec<_> = profile.rules.unfiltered().collect();
        println!("profile {}: {} rules, without literals: {unfiltered:?}", profile.name, profile.rules.len());
    }
    let mut buffers = (Scratch::default(), rampart_message::Scratch::new());
    let mut totals = Totals::default();
    for file in &options.files {
        for request in read(file) {
            judge(&request, &shipped, &options, &mut buffers, &mut totals);
        }
    }
    print(&mut totals);
    small_requests(&shipped, &mut buffers);
}

fn judge(
    request: &Request,
    shipped: &rules_dir::Shipped,
    options: &Options,
    buffers: &mut (Scratch, rampart_message::Scratch),
    totals: &mut Totals,
) {
    if options.source.as_ref().is_some_and(|wanted| !request.source.starts_with(wanted.as_str())) {
        return;
    }
    let (profile, route) = match request.uri.as_slice() {
        b"/v1/chat/completions" => ("prompt", "chat"),
        uri if uri.starts_with(b"/api/v1/tasks") => ("default", "tasks"),
        _ => ("default", "other"),
    };
    let Some(profile) = shipped.profiles.get(profile) else { return };
    let measured = run(request, profile, &shipped.exclusions.for_route(route), buffers, 3);
    let findings = measured.findings;
    let blocked = findings.outcome.is_block();
    let row = totals.rows.entry((request.source.clone(), request.attack)).or_default();
    row.requests += 1;
    row.blocked += usize::from(blocked);
    row.by_limit += usize::from(blocked && findings.score < profile.threshold);
    row.times.push(measured.inspect_ns);
    for found in &findings.matches {
        *totals.rules.entry((found.rule.to_string(), request.attack)).or_default() += 1;
    }
    if let Some(limit) = findings.limit.as_ref() {
        *totals
            .limits
            .entry((format!("{} {}", limit.code(), limit.limit.unwrap_or("")), request.attack))
            .or_default() += 1;
    }
    let wanted = match options.list.as_deref() {
        Some("attack") => request.attack && !blocked,
        Some("benign") => !request.attack && blocked,
        _ => false,
    };
    if wanted {
        let first = findings.matches.first();
        println!(
            "{} {} {} | {:?} {} {:?} | {:?}",
            request.id,
            request.method,
            request.uri.escape_ascii().to_string().chars().take(300).collect::<String>(),
            first.map(|m| m.rule.to_string()),
            first.map(|m| m.target.clone()).unwrap_or_default(),
            first.map(|m| m.value.escape_ascii().to_string()),
            findings.limit.map(|l| (l.code(), l.detail, l.location)),
        );
    }
}

fn print(totals: &mut Totals) {
    println!(
        "{:<22}{:<8}{:>8}{:>9}{:>8}{:>9}{:>10}{:>9}{:>9}",
        "source", "label", "requests", "blocked", "limits", "%", "mean ns", "p50", "p99"
    );
    for ((source, attack), row) in &mut totals.rows {
        row.times.sort_unstable();
        let label = if *attack { "attack" } else { "benign" };
        let share = 100.0 * row.blocked as f64 / row.requests as f64;
        let mean = row.times.iter().sum::<u64>() / row.times.len() as u64;
        println!(
            "{source:<22}{label:<8}{:>8}{:>9}{:>8}{share:>9.2}{mean:>10}{:>9}{:>9}",
            row.requests,
            row.blocked,
            row.by_limit,
            percentile(&row.times, 50),
            percentile(&row.times, 99)
        );
    }
    for ((rule, attack), count) in &totals.rules {
        println!("  {:<7}{rule:<34}{count}", if *attack { "attack" } else { "benign" });
    }
    for ((limit, attack), count) in &totals.limits {
        println!("  {:<7}{limit:<60}{count}", if *attack { "attack" } else { "benign" });
    }
}

/// The two requests of the speed budget.
fn small_requests(shipped: &rules_dir::Shipped, buffers: &mut (Scratch, rampart_message::Scratch)) {
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
    let headers = [
        ("Host", "api.example.com"),
        (
            "User-Agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
        ),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.9,de;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Referer", "https://www.example.com/agents/overview"),
        ("Cookie", "session=3f786850e387550fdab836ed7e6dc881de23001b; theme=dark"),
        ("Cache-Control", "no-cache"),
        ("Connection", "keep-alive"),
        ("X-Request-Id", "0192b0f8-5a3c-7c3e-9d1f-3a5b7c9d1e2f"),
    ];
    let get = Request {
        id: "get".into(),
        source: "small".into(),
        attack: false,
        method: "GET".into(),
        uri: b"/api/v1/agents?limit=20&skip=40&sort=created_at".to_vec(),
        headers: pairs(&headers),
        body: Vec::new(),
    };
    let step = r#"{"name":"fetch","text":"Collect the figures of the last quarter and put them into a table","retries":3,"done":false},"#;
    let mut body =
        format!(r#"{{"title":"Quarterly report","owner":"anna","tags":["finance","q3"],"steps":[{}"#, step.repeat(11));
    body.pop();
    body.push_str("]}");
    let mut with_type = headers.to_vec();
    with_type.push(("Content-Type", "application/json"));
    let post = Request {
        id: "post".into(),
        method: "POST".into(),
        uri: b"/api/v1/tasks".to_vec(),
        headers: pairs(&with_type),
        body: body.into_bytes(),
        ..get
    };
    let get = Request {
        id: "get".into(),
        source: "small".into(),
        attack: false,
        method: "GET".into(),
        uri: b"/api/v1/agents?limit=20&skip=40&sort=created_at".to_vec(),
        headers: pairs(&headers),
        body: Vec::new(),
    };
    let Some(profile) = shipped.profiles.get("default") else { return };
    for (name, request) in [("GET, 10 headers, 3 parameters", get), ("POST, JSON", post)] {
        let measured = run(&request, profile, &RouteExclusions::default(), buffers, 20_000);
        println!(
            "{name}, {} byte body: parse {} ns, inspect {} ns, {:?}",
            request.body.len(),
            measured.parse_ns,
            measured.inspect_ns,
            measured.findings.outcome
        );
    }
}
