use std::sync::Arc;

use rampart_settings::{Document, Report, Source as Text, read};

use super::*;
use crate::quota::Quota;
use crate::raw::RawQuota;
use crate::state::{Outcome, Source};

fn state(name: &str, toml: &str, outcome: Outcome, [remaining, reset_s, retry_after_s]: [u64; 3]) -> QuotaState {
    let report = Report::new();
    let document = Document::parse(Text::new("rules.toml", toml), &report).unwrap();
    let raw: RawQuota = read(&document, &report).unwrap();
    let quota = Arc::new(Quota::compile(name, &raw, &document.root(&report)).unwrap());
    let limit = quota.rule.limit();
    QuotaState { quota, outcome, limit, remaining, reset_s, retry_after_s, source: Source::Local }
}

#[track_caller]
fn check(states: &[QuotaState], policy: &str, limit: &str, retry_after_s: Option<u64>) {
    let expect = Fields { policy: policy.to_owned(), limit: limit.to_owned(), retry_after_s };
    assert_eq!(fields(states), Some(expect));
}

const AUTH: &str = "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"";

#[test]
fn a_refusal_says_when_to_come_back() {
    let refused = state("auth", AUTH, Outcome::Refused, [0, 42, 42]);
    check(&[refused], "\"auth\";q=5;w=60", "\"auth\";r=0;t=42", Some(42));
}

#[test]
fn several_quotas_stand_in_the_order_of_the_route() {
    let states = [
        state("auth", AUTH, Outcome::Allowed, [4, 60, 0]),
        state("month", "algorithm = \"window\"\nlimit = 9\nper = \"month\"", Outcome::Refused, [0, 9_000, 9_000]),
        state("flight", "concurrency = 3", Outcome::Refused, [0, 0, 1]),
    ];
    check(
        &states,
        "\"auth\";q=5;w=60, \"month\";q=9;w=2678400, \"flight\";q=3;qu=\"concurrent-requests\"",
        "\"auth\";r=4;t=60, \"month\";r=0;t=9000, \"flight\";r=0",
        Some(9_000),
    );
}

#[test]
fn units_are_named() {
    let bytes = "limit = 1000\nper = \"1500ms\"\ncost = \"bytes\"";
    let tokens = "limit = 1000\nper = \"24h\"\ncost = \"llm_tokens\"";
    let states = [state("b", bytes, Outcome::Allowed, [1_000, 0, 0]), state("t", tokens, Outcome::Allowed, [7, 3, 0])];
    check(
        &states,
        "\"b\";q=1000;qu=\"content-bytes\";w=2, \"t\";q=1000;rampart-qu=\"llm-tokens\";w=86400",
        "\"b\";r=1000, \"t\";r=7;t=3",
        None,
    );
}

#[test]
fn retry_after_is_never_nothing() {
    let refused = state("auth", AUTH, Outcome::Refused, [0, 0, 0]);
    assert_eq!(fields(&[refused]).unwrap().retry_after_s, Some(1));
}

#[test]
fn quotas_in_shadow_mode_are_not_shown() {
    let shadow = state("s", &format!("{AUTH}\nmode = \"shadow\""), Outcome::WouldRefuse, [0, 9, 9]);
    assert_eq!(fields(std::slice::from_ref(&shadow)), None);
    assert_eq!(fields(&[]), None);
    check(&[shadow, state("auth", AUTH, Outcome::Allowed, [4, 60, 0])], "\"auth\";q=5;w=60", "\"auth\";r=4;t=60", None);
}

#[test]
fn names_are_strings_of_structured_fields() {
    let named = |name: &str| {
        let mut text = String::new();
        write_string(&mut text, name);
        text
    };
    assert_eq!(named("log in"), "\"log in\"");
    assert_eq!(named(r#"a"b\c"#), r#""a\"b\\c""#);
    assert_eq!(named("a\r\nb\u{e9}\u{7f}"), "\"a??b??\"");
}

#[test]
fn integers_have_fifteen_digits_at_most() {
    let mut huge = state("auth", AUTH, Outcome::Refused, [u64::MAX, u64::MAX, 5]);
    huge.limit = u64::MAX;
    check(&[huge], "\"auth\";q=999999999999999;w=60", "\"auth\";r=999999999999999;t=999999999999999", Some(5));
}
