//! Measures what the pattern of each shipped rule costs on texts that were made against it: beginnings of what it
//! matches, over and over, which never come to a match.
//!
//! `cargo run --release -p rampart-inspection --example worst -- [--rule ID] [--tries N]`
//!
//! A pattern with many bounded repetitions has so many states that the lazy automaton is thrown away again and again,
//! and then costs a hundred times what it should. What an attacker can make of a megabyte of body is the sum over the
//! rules; a rule over [`ALLOWED`] is printed as too dear, and the program ends with an error.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a measuring program for the command line, no part of the gateway"
)]

use std::process::ExitCode;
use std::time::Instant;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

#[path = "../tests/rules_dir/mod.rs"]
#[expect(dead_code, reason = "only the texts of the rules are read here")]
mod rules_dir;

/// Seconds for a mebibyte that one rule may cost at worst.
const ALLOWED: f64 = 0.1;
/// Bytes between two beginnings, at most.
const GAPS: [usize; 4] = [0, 3, 12, 40];
/// Bytes of one text.
const LENGTH: usize = 128 << 10;

/// Beginnings of what is written against the shipped rules, tried on each of them.
const KNOWN: [&str; 22] = [
    "(select+a",
    "(select a",
    "( select a(",
    "(case when a",
    "case when a",
    "case when a=",
    "case when (a then ",
    "if(a",
    "mid(a ",
    "hex(a ",
    "select a",
    "select a,",
    ";select a",
    "union select a",
    "union select a,a ",
    "' or a",
    "' or a(",
    "un/*",
    "<a ",
    "<a on",
    "{{a",
    "ignore all ",
];

/// A small generator of numbers (xorshift), so that every run makes the same texts.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % bound.max(1)
    }
}

/// Adds a text that a part of a pattern matches.
fn write(part: &Hir, dice: &mut Dice, out: &mut Vec<u8>) {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Unicode(_)) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let ranges = class.ranges();
            // Letters where the class has them: they are what runs on.
            let range = ranges.iter().find(|r| r.start() <= b'a' && b'a' <= r.end()).filter(|_| dice.below(3) > 0);
            let Some(range) = range.or_else(|| ranges.get(dice.below(ranges.len()))) else { return };
            let wide = usize::from(range.end() - range.start()) + 1;
            let letter = range.start() <= b'a' && b'a' <= range.end();
            out.push(if letter { b'a' } else { range.start() + u8::try_from(dice.below(wide)).unwrap_or(0) });
        }
        HirKind::Repetition(repeat) => {
            let spread =
                repeat.max.map_or(3, |max| max.saturating_sub(repeat.min).min(if dice.below(3) == 0 { 40 } else { 3 }));
            let count = repeat.min as usize + dice.below(spread as usize + 1);
            for _ in 0..count {
                write(&repeat.sub, dice, out);
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, dice, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, dice, out)),
        HirKind::Alternation(parts) => write(&parts[dice.below(parts.len())], dice, out),
    }
}

/// A text that begins as matches begin, some of them, and then goes on without matching; `None` where it matches.
fn hostile(pattern: &Regex, syntax: &Hir, dice: &mut Dice) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut seed = Vec::new();
    let pieces = if dice.below(2) == 0 { 1 } else { 1 + dice.below(4) };
    for _ in 0..pieces {
        let start = seed.len();
        write(syntax, dice, &mut seed);
        let made = seed.len() - start;
        seed.truncate(start + 1 + dice.below(made));
        seed.extend_from_slice([&b""[..], b" ", b"a", b" a", b"+a", b" a ", b"\n", b"=a"][dice.below(8)]);
    }
    let mut least = 1;
    while least < seed.len() {
        if !pattern.is_match(&seed.repeat(3)) {
            let gap = GAPS[dice.below(GAPS.len())];
            let text = repeated(&seed, gap, dice);
            return Some((seed, text));
        }
        seed.truncate(seed.len() - least);
        least += 1;
    }
    None
}

/// The seed over and over: `gap` bytes apart at most, at random, because a text with a period soon has all its states.
fn repeated(seed: &[u8], gap: usize, dice: &mut Dice) -> Vec<u8> {
    let mut text = Vec::with_capacity(LENGTH + seed.len() + gap);
    while text.len() < LENGTH {
        text.extend_from_slice(seed);
        let letter = [b'a', b' '][dice.below(2)];
        text.extend(std::iter::repeat_n(letter, dice.below(gap + 1)));
    }
    text
}

/// Seconds for a mebibyte.
fn cost(pattern: &Regex, text: &[u8]) -> f64 {
    let start = Instant::now();
    let matched = std::hint::black_box(pattern.is_match(std::hint::black_box(text)));
    let seconds = start.elapsed().as_secs_f64() * f64::from(1 << 20) / text.len() as f64;
    if matched { 0.0 } else { seconds }
}

fn patterns(value: &toml::Value) -> Vec<(String, String)> {
    let rules = value.get("rule").and_then(toml::Value::as_array);
    rules
        .into_iter()
        .flatten()
        .filter_map(|rule| {
            let regex = rule.get("match")?.get("regex")?.as_str()?.to_owned();
            Some((rule.get("id")?.as_str()?.to_owned(), regex))
        })
        .collect()
}

fn main() -> ExitCode {
    let (mut wanted, mut tries) = (None, 200);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rule" => wanted = arguments.next(),
            "--tries" => tries = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(tries),
            other => println!("unknown argument {other}"),
        }
    }
    let mut worst: Vec<(f64, String, Vec<u8>)> = Vec::new();
    for (_, text) in rules_dir::texts(&rules_dir::folder()) {
        let value: toml::Value = text.parse::<toml::Table>().map(toml::Value::Table).expect("a rule file");
        for (id, regex) in patterns(&value) {
            if wanted.as_ref().is_some_and(|wanted| *wanted != id) {
                continue;
            }
            worst.push(measure(id, &regex, tries));
        }
    }
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (seconds, id, seed) in &worst {
        let dear = if *seconds > ALLOWED { "TOO DEAR" } else { "" };
        let shown: String = seed.escape_ascii().to_string().chars().take(120).collect();
        println!("{seconds:>8.4} s/MiB  {id:<32} {dear:<9} {shown}");
    }
    println!("all rules together: {:.3} s/MiB", worst.iter().map(|(seconds, ..)| seconds).sum::<f64>());
    if worst.iter().any(|(seconds, ..)| *seconds > ALLOWED) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn measure(id: String, regex: &str, tries: usize) -> (f64, String, Vec<u8>) {
    // As the engine compiles them (`operator/regex.rs`).
    let pattern = RegexBuilder::new(regex)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(4 << 20)
        .dfa_size_limit(2 << 20)
        .build()
        .expect("a pattern that compiles");
    let syntax = ParserBuilder::new().unicode(false).utf8(false).dot_matches_new_line(true).build().parse(regex);
    let syntax = syntax.expect("a pattern that parses");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut most = (0.0, id, Vec::new());
    let mut texts: Vec<_> = KNOWN
        .iter()
        .flat_map(|seed| GAPS.map(|gap| (seed.as_bytes(), gap)))
        .map(|(seed, gap)| (seed.to_vec(), repeated(seed, gap, &mut dice)))
        .collect();
    texts.extend((0..tries).filter_map(|_| hostile(&pattern, &syntax, &mut dice)));
    for (seed, text) in texts {
        let once = cost(&pattern, &text);
        // Once more where it seems dear: the machine may have been busy.
        let seconds = if once > most.0 { once.min(cost(&pattern, &text)) } else { once };
        if seconds > most.0 {
            most = (seconds, most.1, seed);
        }
    }
    most
}
