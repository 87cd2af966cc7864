//! Compares verdicts and fingerprints with the C library on generated values, and measures both.
//!
//! ```sh
//! apt-get install libmodsecurity-dev
//! cc -O2 gateway/inspection/examples/libinjection_oracle/oracle.c -lmodsecurity -o target/oracle
//! cargo run --release -p rampart-inspection --example libinjection_oracle -- target/oracle [COUNT [SEED]]
//! ```
//! Ends with 1 when there was a difference. Published attacks under `$RAMPART_SHARED` are among what is mutated.
#![expect(clippy::print_stdout, reason = "a program for the command line")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measuring program, not part of the gateway"
)]

mod generate;

use std::collections::BTreeSet;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use rampart_inspection::{detect_sqli, detect_xss};

/// How often the values are judged to measure.
const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let oracle = args.next().expect("the path of the oracle, as the head of this file says how to build it");
    let count = args.next().map_or(200_000, |text| text.parse().expect("a number of values"));
    let seed = args.next().map_or(1, |text| text.parse().expect("a seed"));

    let (words, published) = (words(), published());
    let mut pool = published.clone();
    pool.extend(["hello world", "it's a union of two", "1234", "name=value&x=y"].map(|text| text.as_bytes().to_vec()));
    let mut random = generate::Random::new(seed);
    let values: Vec<_> = (0..count).map(|_| generate::value(&mut random, &words, &pool)).collect();

    let differences = compare(&oracle, &values);
    measure(&oracle, "generated values", &values);
    measure(&oracle, "published attacks", &published);
    measure(&oracle, "recorded benign values", &benign());
    if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn compare(oracle: &str, values: &[Vec<u8>]) -> usize {
    let answers = ask(oracle, &[], values);
    assert_eq!(answers.len(), values.len() * 10, "the oracle ended early");
    let (mut differences, mut sqli, mut xss) = (0, 0, 0);
    let mut fingerprints = BTreeSet::new();
    for (value, answer) in values.iter().zip(answers.chunks(10)) {
        let theirs = String::from_utf8_lossy(&answer[..8]).trim_end_matches('\0').to_owned();
        let ours = detect_sqli(value).map(|found| found.to_string()).unwrap_or_default();
        let (their_xss, our_xss) = (answer[8] == b'1', detect_xss(value));
        if (&theirs, their_xss) != (&ours, our_xss) {
            differences += 1;
            println!("differs: {} theirs {theirs:?} {their_xss} ours {ours:?} {our_xss}", value.escape_ascii());
        }
        sqli += usize::from(!theirs.is_empty());
        xss += usize::from(their_xss);
        fingerprints.insert(theirs);
    }
    let distinct = values.iter().collect::<BTreeSet<_>>().len();
    println!(
        "{} values ({distinct} distinct; {sqli} SQL injection with {} fingerprints, {xss} cross-site scripting): {differences} differences",
        values.len(),
        fingerprints.len()
    );
    differences
}

fn measure(oracle: &str, what: &str, values: &[Vec<u8>]) {
    if values.is_empty() {
        return;
    }
    let (sqli, found_sqli) = fastest(values, |value| detect_sqli(value).is_some());
    let (xss, found_xss) = fastest(values, detect_xss);
    let found = found_sqli + found_xss;
    let theirs = ask(oracle, &["time", &ROUNDS.to_string()], values);
    let theirs = String::from_utf8_lossy(&theirs).into_owned();
    let theirs: Vec<&str> = theirs.split_whitespace().collect();
    let bytes = values.iter().map(Vec::len).sum::<usize>() as f64 / values.len() as f64;
    println!(
        "{what} ({}, {bytes:.0} bytes on average), ns each: sqli {sqli:.0} (C {}), xss {xss:.0} (C {}); found {found} (C {})",
        values.len(),
        theirs[0],
        theirs[1],
        theirs[2]
    );
}

/// Nanoseconds a value in the fastest round, which other work on the machine disturbed least; and how many were found.
fn fastest(values: &[Vec<u8>], detect: impl Fn(&[u8]) -> bool) -> (f64, usize) {
    let mut best = (f64::INFINITY, 0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let found = values.iter().filter(|value| std::hint::black_box(detect(value))).count();
        let each = start.elapsed().as_nanos() as f64 / values.len() as f64;
        if each < best.0 {
            best = (each, found);
        }
    }
    best
}

/// What the oracle writes when it is given the values.
fn ask(oracle: &str, args: &[&str], values: &[Vec<u8>]) -> Vec<u8> {
    let mut child =
        Command::new(oracle).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle");
    let mut input = BufWriter::new(child.stdin.take().unwrap());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for value in values {
                input.write_all(&u32::try_from(value.len()).unwrap().to_le_bytes()).unwrap();
                input.write_all(value).unwrap();
            }
        });
        output.read_to_end(&mut answers).unwrap();
    });
    assert!(child.wait().unwrap().success(), "the oracle failed");
    answers
}

fn shared() -> PathBuf {
    std::env::var_os("RAMPART_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from)
}

/// Every word, phrase and operator of the table, in upper and lower case.
fn words() -> Vec<Vec<u8>> {
    let table = include_str!("../../src/libinjection/sqli/words.txt");
    let words = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.get(2..));
    words.flat_map(|word| [word.as_bytes().to_vec(), word.to_ascii_lowercase().into_bytes()]).collect()
}

/// The lines of the published lists, as they are and percent-decoded.
fn published() -> Vec<Vec<u8>> {
    let Ok(folder) = std::fs::read_dir(shared().join("libinjection-tests/data")) else {
        return vec![b"1 or 1=1".to_vec()];
    };
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| lines(path)).flat_map(|line| [percent_decoded(&line), line]).collect()
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read(path).unwrap();
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// What a gateway sees most: the parts of benign requests on record (arguments, paths and values of headers).
fn benign() -> Vec<Vec<u8>> {
    let Ok(text) = std::fs::read_to_string(shared().join("corpora/blazehttp.jsonl")) else { return Vec::new() };
    let mut values = Vec::new();
    for line in text.lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        if request["label"] == "attack" {
            continue;
        }
        let uri = request["uri"].as_str().unwrap_or_default().to_owned();
        values.extend(uri.split(['?', '&']).map(|part| percent_decoded(part.as_bytes())));
        let headers = request["headers"].as_array().into_iter().flatten();
        values.extend(headers.filter_map(|pair| Some(pair.get(1)?.as_str()?.as_bytes().to_vec())));
    }
    values
}

fn percent_decoded(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    out
}
