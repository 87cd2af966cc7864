use rampart_settings::{Document, Report, Severity, Source, read};

use super::*;
use crate::algorithm::Calendar;
use crate::raw::{Mode, Scope};

/// Reads `toml` as the table of the quota `name`, with all findings as `line:column severity: message`.
fn compile(name: &str, toml: &str) -> (Option<Quota>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("rules.toml", toml), &report);
    let quota = document.and_then(|document| {
        let raw: RawQuota = read(&document, &report)?;
        Quota::compile(name, &raw, &document.root(&report))
    });
    let found = report.into_sorted().into_iter().map(|found| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        format!("{}:{} {severity}: {}", found.line, found.column, found.message)
    });
    (quota, found.collect())
}

fn good(toml: &str) -> Quota {
    let (quota, found) = compile("q", toml);
    assert_eq!(found, Vec::<String>::new(), "{toml}");
    quota.unwrap()
}

#[track_caller]
fn check(toml: &str, expect: &[&str]) {
    let (_, found) = compile("q", toml);
    assert_eq!(found, expect, "{toml}");
}

#[test]
fn what_is_not_written_has_a_default() {
    let quota = good("limit = 100\nper = \"60s\"");
    assert_eq!(&*quota.name, "q");
    assert_eq!(quota.rule, Rule::Gcra { limit: 100, burst: 100, period_us: 60_000_000 });
    assert_eq!(*quota.parts, [KeyPart::ClientAddress]);
    assert_eq!((quota.ipv6_prefix, quota.cost, quota.reserve), (64, Cost::Units(1), 1));
    assert_eq!((quota.mode, quota.scope), (Mode::Enforce, Scope::Shared));
    assert_eq!((quota.on_store_failure, quota.at_bound), (OnStoreFailure::Local, AtBound::Shared));
    assert!(quota.count_cache_hits && !quota.every_route && !quota.needs_identity() && quota.is_shared());
}

#[test]
fn identities_and_paid_tokens_have_stricter_defaults() {
    let quota = good("limit = 9\nper = \"60s\"\nkey = [\"tenant\", \"claim:role\"]\ncost = \"llm_tokens\"");
    assert!(quota.needs_identity());
    assert_eq!((quota.on_store_failure, quota.at_bound), (OnStoreFailure::Deny, AtBound::Deny));
    assert_eq!(*quota.parts, [KeyPart::Tenant, KeyPart::Claim("role".into())]);
}

#[test]
fn everything_written() {
    let quota = good(
        r#"
        algorithm = "window"
        limit = 1000
        per = "month"
        key = ["client_address", "method"]
        ipv6_prefix = 48
        cost = "bytes"
        reserve = 100
        count_cache_hits = false
        mode = "shadow"
        on_store_failure = "allow"
        at_bound = "deny"
        scope = "instance"
        every_route = true
        "#,
    );
    assert_eq!(quota.rule, Rule::Window { limit: 1_000, span: Span::Calendar(Calendar::Month) });
    assert_eq!((quota.ipv6_prefix, quota.cost, quota.reserve), (48, Cost::Bytes, 100));
    assert_eq!((quota.mode, quota.scope), (Mode::Shadow, Scope::Instance));
    assert_eq!((quota.on_store_failure, quota.at_bound), (OnStoreFailure::Allow, AtBound::Deny));
    assert!(!quota.count_cache_hits && quota.every_route);
    assert_eq!(good("concurrency = 7").rule, Rule::Concurrency { limit: 7 });
    let log = good("algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"\ncost = 2");
    assert_eq!((log.rule, log.cost), (Rule::SlidingLog { limit: 5, period_us: 60_000_000 }, Cost::Units(2)));
    let burst = good("limit = 10\nper = \"1s\"\nburst = 25");
    assert_eq!(burst.rule, Rule::Gcra { limit: 10, burst: 25, period_us: 1_000_000 });
}

#[test]
fn limits_and_times() {
    check("per = \"60s\"", &["1:1 error: a quota needs `limit` and `per`, or `concurrency`"]);
    check("", &["1:1 error: a quota needs `limit` and `per`, or `concurrency`"]);
    check("limit = 5", &["1:1 error: a limit needs a time that it is for"]);
    check("limit = 5\nper = \"day\"", &["2:7 error: only `window` follows the calendar"]);
    check("limit = 5\nper = \"367d\"", &["2:7 error: 367d is not from 1ms to 366d"]);
    check("limit = 5\nper = \"0s\"", &["2:7 error: 0s is not from 1ms to 366d"]);
    let (quota, found) = compile("q", "limit = 5\nper = \"week\"");
    assert!(quota.is_none() && found.len() == 1 && found[0].starts_with("2:7 error:"), "{found:?}");
    check(
        "algorithm = \"sliding_log\"\nlimit = 10001\nper = \"60s\"",
        &["2:9 error: sliding_log keeps each of 10001 moments in memory: at most 10000"],
    );
    check("algorithm = \"window\"\nlimit = 5\nper = \"60s\"\nburst = 5", &["4:9 error: only `gcra` has a burst"]);
    check(
        "concurrency = 5\nlimit = 5\ncost = \"bytes\"",
        &[
            "2:9 error: `limit` and `concurrency` do not go together",
            "3:8 error: `cost` and `concurrency` do not go together",
        ],
    );
}

#[test]
fn a_quota_that_cannot_be_met_is_a_warning() {
    check("limit = 5\nper = \"60s\"\nburst = 0", &["3:9 warning: a burst of 0 cannot be met: each request is refused"]);
    check(
        "limit = 5\nper = \"60s\"\ncost = 6",
        &["3:8 warning: a request costs at least 6, and at most 5 can be had at once: each is refused"],
    );
    check(
        "limit = 50\nper = \"60s\"\nburst = 5\ncost = \"llm_tokens\"\nreserve = 6",
        &["5:11 warning: a request costs at least 6, and at most 5 can be had at once: each is refused"],
    );
}

#[test]
fn keys() {
    let quota = "limit = 5\nper = \"60s\"\n";
    check(
        &format!("{quota}key = \"heade:x\""),
        &["3:7 error: \"heade:x\": a key is `client_address`, `header:NAME`, `cookie:NAME`, `query:NAME`, \
           `claim:NAME`, `subject`, `tenant`, `api_key`, `route` or `method`"],
    );
    check(&format!("{quota}key = []"), &["3:7 error: a key needs a part"]);
    check(&format!("{quota}key = [\"tenant\", \"tenant\"]"), &["3:18 warning: \"tenant\" is listed twice"]);
    check(
        &format!("{quota}key = \"header:x-session\""),
        &["3:7 warning: the client chooses this key: another value is a fresh quota"],
    );
    check(
        &format!("{quota}key = [\"client_address\", \"query:user\"]"),
        &["3:7 warning: the client chooses a part of this key: another value is a fresh quota of the same address"],
    );
    check(&format!("{quota}key = [\"tenant\", \"header:x-model\"]"), &[]);
    check(&format!("{quota}key = \"method\""), &["3:7 warning: all clients together share this quota"]);
    check(
        &format!("{quota}ipv6_prefix = 72"),
        &["3:15 warning: a client with a /64 network has 2^8 keys of this quota"],
    );
}

#[test]
fn costs() {
    check(
        "algorithm = \"sliding_log\"\nlimit = 5\nper = \"60s\"\ncost = \"bytes\"",
        &["4:8 error: sliding_log keeps a moment for each unit: it counts requests, not bytes or tokens"],
    );
    check("limit = 5\nper = \"60s\"\ncost = 0", &["3:8 error: from 1 to 1000000000000, not 0"]);
    check("limit = 5\nper = \"60s\"\nreserve = 2", &["3:11 warning: without effect: the cost is known beforehand"]);
}

#[test]
fn names_are_shown_to_clients() {
    let (_, found) = compile("a\u{e9}", "limit = 5\nper = \"60s\"");
    assert_eq!(found, ["1:1 error: \"a\u{e9}\" cannot name a quota"]);
    assert!(compile("", "limit = 5\nper = \"60s\"").1.len() == 1);
    assert!(compile(&"x".repeat(65), "limit = 5\nper = \"60s\"").1.len() == 1);
    assert!(compile("log in", "limit = 5\nper = \"60s\"").1.is_empty());
}

#[test]
fn counts_are_kept_under_what_changes_them() {
    let of = |name: &str, toml: &str| compile(name, toml).0.unwrap().fingerprint();
    let base = of("q", "limit = 5\nper = \"60s\"");
    for same in ["limit = 5\nper = \"1m\"", "limit = 5\nper = \"60s\"\nmode = \"shadow\"\nat_bound = \"deny\""] {
        assert_eq!(of("q", same), base, "{same}");
    }
    for other in [
        "limit = 6\nper = \"60s\"",
        "limit = 5\nper = \"61s\"",
        "limit = 5\nper = \"60s\"\nburst = 4",
        "limit = 5\nper = \"60s\"\nkey = \"route\"",
        "limit = 5\nper = \"60s\"\nipv6_prefix = 48",
        "limit = 5\nper = \"60s\"\ncost = 2",
        "limit = 5\nper = \"60s\"\nalgorithm = \"window\"",
    ] {
        assert_ne!(of("q", other), base, "{other}");
    }
    assert_ne!(of("r", "limit = 5\nper = \"60s\""), base);
    // Gateways of several versions share a store: a changed value here starts all counts anew.
    assert_eq!(base, PINNED, "{base:#x}");
}

const PINNED: u64 = 0xb795_2a63_441c_ce96;

#[test]
fn memory_is_bounded_both_ways() {
    let compile = |toml: &str| {
        let report = Report::new();
        let document = Document::parse(Source::new("config.toml", toml), &report).unwrap();
        let raw: RawLimits = read(&document, &report).unwrap();
        (LimitsConfig::compile(&raw, &document.root(&report)).memory_bytes, report.errors())
    };
    assert_eq!(compile(""), (64 << 20, 0));
    assert_eq!(compile("memory = \"128MiB\""), (128 << 20, 0));
    assert_eq!(compile("memory = \"512KiB\""), (1 << 20, 1));
    assert_eq!(compile("memory = \"65GiB\""), (64 << 30, 1));
}
