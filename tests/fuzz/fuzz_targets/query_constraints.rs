//! Queries against what a route takes: what passes is what was declared, by another reading of it; what was changed passes
//! as it is; a refusal says nothing of the value.
//!
//! The input: a byte that chooses the route, then the query.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rampart_policy::query::Checked;
use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, Snapshot, load_embedded};

const CONFIG: &str = r#"
version = 1
[listener.main]
address = "127.0.0.1:0"
[upstream.agents]
addresses = ["http://127.0.0.1:9"]
"#;

const RULES: &str = r#"
version = 1
[profile.off]
mode = "off"

[[route]]
name = "allow"
match = { path = "/allow" }
upstream = "agents"
inspection = "off"
[route.query]
limit = { integer = { min = -5, max = 1000 }, on_violation = "clamp" }
page = { integer = { min = 1, max = 9 } }
sort = { one_of = ["name", "date"] }
tag = { max_length = 3, pattern = "[a-z]*", repeat = true }
id = { uuid = true }
on = { boolean = true }

[[route]]
name = "reject"
match = { path = "/reject" }
upstream = "agents"
inspection = "off"
query_unknown = "reject"
query = { limit = { integer = { max = 1000 }, required = true }, tag = { max_length = 3, pattern = "[a-z]*", repeat = true } }

[[route]]
name = "drop"
match = { path = "/drop" }
upstream = "agents"
inspection = "off"
query_unknown = "drop"
query = { limit = { integer = { max = 1000 }, on_violation = "clamp" }, sort = { one_of = ["name", "date"] } }
"#;

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let options =
            LoadOptions { config: "config.toml".into(), environment: Environment::empty(), secrets: Secrets::Require };
        let embedded = Embedded { config: ("config.toml", CONFIG), rules: &[("rules/all.toml", RULES)] };
        let (report, snapshot) = load_embedded(&embedded, &options);
        let said: Vec<String> = report.into_sorted().iter().map(ToString::to_string).collect();
        snapshot.unwrap_or_else(|| panic!("{}", said.join("\n")))
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, query)) = input.split_first() else { return };
    let routes = &snapshot().routes;
    let route = &routes[usize::from(*choice) % routes.len()];
    let name = &*route.name;
    match route.query.check(Some(query)) {
        Checked::Unchanged => lawful(name, query),
        Checked::Rewritten(fresh) => {
            assert_ne!(fresh, query);
            assert!(fresh.len() <= query.len() + 32, "a number is no longer than what it was by much");
            lawful(name, &fresh);
            // A route may require what is not there any more only if it never was.
            assert_eq!(route.query.check(Some(&fresh)), Checked::Unchanged, "{:?}", String::from_utf8_lossy(&fresh));
        }
        Checked::Refused(violation) => {
            let said = violation.to_string();
            assert!(said.len() < 500 && said.is_ascii() && !said.contains(char::is_control), "{said:?}");
        }
    }
});

/// What passes, read by a form decoder that takes what it gets.
fn lawful(route: &str, query: &[u8]) {
    let pairs: Vec<(String, String)> = query
        .split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let mut halves = piece.splitn(2, |byte| *byte == b'=');
            (form(halves.next().unwrap_or_default()), form(halves.next().unwrap_or_default()))
        })
        .collect();
    let all =
        |name: &str| pairs.iter().filter(|(have, _)| have == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    let within = |name: &str, low: i64, high: i64| {
        let given = all(name);
        assert!(given.len() <= 1, "{name} twice");
        for text in given {
            let value: i64 = text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}"));
            assert!((low..=high).contains(&value) && value.to_string() == text, "{name} is {text:?}");
        }
    };
    let one_of = |name: &str, texts: &[&str]| {
        let given = all(name);
        assert!(given.len() <= 1 && given.iter().all(|text| texts.contains(text)), "{name} is {given:?}");
    };
    within("limit", if route == "allow" { -5 } else { 0 }, 1_000);
    if route != "reject" {
        one_of("sort", &["name", "date"]);
    }
    if route != "drop" {
        for tag in all("tag") {
            assert!(tag.len() <= 3 && tag.bytes().all(|byte| byte.is_ascii_lowercase()), "{tag:?}");
        }
    }
    match route {
        "allow" => {
            within("page", 1, 9);
            one_of("on", &["true", "false"]);
            // No reader that is careless with names finds a limit that was not looked at.
            let careless = |name: &str| name.trim().to_ascii_lowercase().split('[').next() == Some("limit");
            assert!(pairs.iter().filter(|(name, _)| careless(name)).count() <= 1, "{pairs:?}");
        }
        "reject" => {
            assert_eq!(all("limit").len(), 1, "it is required");
            assert!(pairs.iter().all(|(name, _)| name == "limit" || name == "tag"), "{pairs:?}");
        }
        _ => assert!(pairs.iter().all(|(name, _)| name == "limit" || name == "sort"), "{pairs:?}"),
    }
}

fn form(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        rest = tail;
        match (first, byte.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
