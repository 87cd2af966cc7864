use std::time::Duration;

use rampart_settings::{Document, Report, Source, read};

use super::*;

fn compile(toml: &str) -> (Option<HealthCheck>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("test", toml), &report);
    let check = document.and_then(|document| {
        let raw: RawHealth = read(&document, &report)?;
        Some(HealthCheck::compile(&raw, &document.root(&report)))
    });
    let found = report.into_sorted().into_iter();
    (check, found.map(|found| format!("{}:{} {}", found.line, found.column, found.message)).collect())
}

fn good(toml: &str) -> HealthCheck {
    let (check, found) = compile(toml);
    assert_eq!(found, Vec::<String>::new(), "{toml}");
    check.unwrap()
}

/// Answers as `+` and `-`; how the endpoint is after each: unknown, healthy or unhealthy.
#[track_caller]
fn check(answers: &str, expect: &str) {
    let check = good("path = \"/health\"\nhealthy_after = 2\nunhealthy_after = 3");
    let mut known = Answers::default();
    let after = |sign: char| {
        let before = known.health();
        let changed = known.note(&check, sign == '+');
        assert_eq!(changed, known.health() != before);
        match known.health() {
            ProbedHealth::Unknown => '?',
            ProbedHealth::Healthy => 'h',
            ProbedHealth::Unhealthy => 'u',
        }
    };
    assert_eq!(answers.chars().map(after).collect::<String>(), expect, "{answers}");
}

#[test]
fn answers_in_a_row() {
    check("+", "h");
    check("--", "??");
    check("---", "??u");
    check("--+", "??h");
    check("+--+--+---", "hhhhhhhhhu");
    check("---+-+-++", "??uuuuuuh");
    check("---++---", "??uuhhhu");
}

#[test]
fn what_is_forgotten_is_unknown() {
    let check = good("path = \"/\"\nunhealthy_after = 1");
    let mut known = Answers::default();
    known.note(&check, false);
    assert_eq!(known.health(), ProbedHealth::Unhealthy);
    known.forget();
    assert_eq!(known.health(), ProbedHealth::Unknown);
}

#[test]
fn good_statuses() {
    let default = good("path = \"/health?deep=1\"");
    assert!([200, 204, 299].into_iter().all(|status| default.is_good(status)));
    assert!([199, 300, 404, 500].into_iter().all(|status| !default.is_good(status)));
    let some = good("path = \"/\"\nstatus = [204, \"300-399\", 401]");
    let all: Vec<u16> = (200..600).filter(|&status| some.is_good(status)).collect();
    assert_eq!((all.len(), all[0], all[1], all[101]), (102, 204, 300, 401));
}

#[test]
fn defaults() {
    let check = good("path = \"/health\"");
    assert_eq!((check.every, check.deadline), (Duration::from_secs(5), Duration::from_secs(1)));
    assert_eq!((check.healthy_after, check.unhealthy_after, check.host), (2, 3, None));
}

#[test]
fn times_are_spread() {
    let check = good("path = \"/\"\nevery = \"10s\"");
    let (seconds, tiny) = (Duration::from_secs, Duration::from_micros(1));
    for (random, first, next) in
        [(0, seconds(0), seconds(9)), (u64::MAX / 2, seconds(5), seconds(10)), (u64::MAX, seconds(10), seconds(11))]
    {
        assert!(check.first_in(random).abs_diff(first) < tiny, "{random}: {:?}", check.first_in(random));
        assert!(check.next_in(random).abs_diff(next) < tiny, "{random}: {:?}", check.next_in(random));
    }
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    let (_, found) = compile(
        "path = \"health\"\nevery = \"1s\"\ndeadline = \"2s\"\nstatus = [199, \"2xx\", \"299-200\", \"200-600\", 204]\nhost = \"a/b\"",
    );
    assert_eq!(
        found,
        [
            "1:8 \"health\" is not a path",
            "3:12 longer than the 1s between two questions",
            "4:11 199 is not a status from 200 to 599, nor a range of them",
            "4:16 \"2xx\" is not a status from 200 to 599, nor a range of them",
            "4:23 \"299-200\" is not a status from 200 to 599, nor a range of them",
            "4:34 \"200-600\" is not a status from 200 to 599, nor a range of them",
            "5:8 \"a/b\" is not a value of the Host header",
        ]
    );
    for path in ["/a b", "/a\\r\\nX: y", "/a#b", "/é", "//x y"] {
        assert_eq!(compile(&format!("path = \"{path}\"")).1.len(), 1, "{path}");
    }
    assert_eq!(compile("every = \"5s\"").1, ["1:1 missing key \"path\""], "there is no path that all backends have");
}
