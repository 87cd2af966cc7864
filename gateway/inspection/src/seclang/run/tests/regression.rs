//! The whole-transaction cases of ModSecurity 3 (`$RAMPART_SHARED/seclang-tests/regression`).
//!
//! What those cases look for is often a line of ModSecurity's debug log. The run writes those lines that say what it
//! did (`Target value`, `Rule returned`, `Saving variable`) when it is built for tests; for this, every rule is made lazy, so
//! that each test is made in its turn and told. A case whose rules use what is not on the list of supported things is
//! skipped by name; one that fails although it uses only listed things must stand in [`EXCEPTIONS`], with the reason.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::{Exchange, field, try_load};

/// Cases that use only what is supported and do not come out as expected: file, title or a part of it, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("collection-case-insensitive.json", "", "v3 drops the `%` behind a macro; it is text"),
    ("config-secdefaultaction.json", "status + redirect", "looks for a line about the audit log"),
    ("issue-1528.json", "", "the log line does not name operator and parameter"),
    ("issue-1825.json", "", "`filename*` of a part is not taken for a file name"),
    ("issue-960.json", "(1/3)", "looks for two lines that v3 writes about one rule before its result"),
    ("variable-ARGS_POST_NAMES.json", "(3/x)", "looks for offsets into the request (`[ref ...]`)"),
];

fn cases() -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let root = given.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = root.join("seclang-tests/regression");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", folder.display());
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// What ModSecurity's log calls otherwise than our trace: a pattern in its words, and one in ours.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("Added regex subexpression", "Added match"),
    (r"Added (DetectXSS|VerifyCC|VerifyCPF) match", "Added match"),
    (r"Rule: (\d+)\. Executing operator", r"\(Rule: $1\) Rule returned"),
    (r#"^Executing operator "RxGlobal$"#, r"\(Rule: 1\) Rule returned 1"),
    (
        r#"^Executing operator "Contains" with param "PHPSESSID" against REQUEST_HEADERS\.$"#,
        r"\(Rule: 1\) Rule returned 0",
    ),
    (r"^Skipped rule id '[^']*:3' as request trough the utilization of an `allow' action", "Skipped rule id '500066'"),
    // The warnings of the multipart parser are flags, and the rule of the case looks at their sum.
    (
        r"^(Multipart: )?Warning: (boundary|seen data|incorrect line|invalid quoting).*",
        r#""1" \(Variable: MULTIPART_STRICT_ERROR\)"#,
    ),
];

fn in_our_words(expected: &str) -> String {
    OTHER_WORDS.iter().fold(expected.to_owned(), |text, (theirs, ours)| {
        Regex::new(theirs).unwrap().replace_all(&text, *ours).into_owned()
    })
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Passed,
    /// Uses what is not supported.
    Skipped(String),
    Failed(String),
}

#[test]
fn published_transactions() {
    let Some(folder) = cases() else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut good, mut failed, mut skipped) = (0, Vec::new(), BTreeMap::new());
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read(&path).unwrap();
        let list: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in list.as_array().unwrap() {
            let title = case["title"].as_str().unwrap_or_default();
            match judge(&name, case) {
                Verdict::Passed => good += 1,
                Verdict::Skipped(why) => *skipped.entry(why).or_insert(0_u32) += 1,
                Verdict::Failed(why) => failed.push(format!("{name} | {title} | {why}")),
            }
        }
    }
    for (why, count) in &skipped {
        println!("skipped {count}: {why}");
    }
    let excepted = |failure: &String| {
        let known = EXCEPTIONS.iter().find(|(file, title, _)| failure.contains(file) && failure.contains(title));
        known.map(|(_, _, reason)| println!("excepted: {failure}: {reason}")).is_some()
    };
    let unexpected: Vec<&String> = failed.iter().filter(|failure| !excepted(failure)).collect();
    println!("{good} passed, {} failed, {} skipped", failed.len(), skipped.values().sum::<u32>());
    assert!(unexpected.is_empty(), "{} unexpected failures: {unexpected:#?}", unexpected.len());
    assert!(good * 100 >= (good + failed.len()) * 90, "fewer than 90 % pass");
}

fn judge(file: &str, case: &Value) -> Verdict {
    let expected = &case["expected"];
    let rules: Vec<&str> = case["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let loaded = match (try_load(file, &rules.join("\n"), true), expected["parser_error"].as_str()) {
        (Err(_), Some(_)) => return Verdict::Passed,
        (Ok(_), Some(error)) => return Verdict::Failed(format!("it loads; expected: {error}")),
        (Err(errors), None) => return unsupported(errors),
        (Ok(loaded), None) => loaded,
    };
    if case["resource"].is_string() {
        return Verdict::Skipped("needs a library that ModSecurity can be built with".to_owned());
    }
    let outcome = exchange(case).through(&loaded);
    let status = outcome.interruption.as_ref().map_or(200, |interruption| u64::from(interruption.status));
    if let Some(wanted) = expected["http_code"].as_u64()
        && wanted != status
    {
        return Verdict::Failed(format!("status {status}, expected {wanted}"));
    }
    for (key, text) in [("debug_log", outcome.trace.join("\n")), ("error_log", outcome.log.join("\n"))] {
        let Some(wanted) = expected[key].as_str().filter(|wanted| !wanted.is_empty()) else { continue };
        if let Some(id) = wanted
            .strip_prefix("Skipped rule id '")
            .and_then(|rest| rest.strip_suffix("'. Removed by an SecRuleRemove directive."))
        {
            if text.contains(&format!("(Rule: {id})")) {
                return Verdict::Failed(format!("rule {id} was not removed"));
            }
            continue;
        }
        let wanted = in_our_words(wanted);
        let pattern = RegexBuilder::new(&wanted).dot_matches_new_line(true).build();
        let found = pattern.is_ok_and(|pattern| pattern.is_match(&text)) || text.contains(&wanted);
        if !found {
            return Verdict::Failed(format!("no {key} {wanted:?} in\n{text}"));
        }
    }
    if expected["audit_log"].as_str().is_some_and(|wanted| !wanted.is_empty()) {
        return Verdict::Skipped("ModSecurity's audit log: Rampart has events".to_owned());
    }
    Verdict::Passed
}

/// A case whose rules do not load: named by what is not supported.
fn unsupported(errors: Vec<String>) -> Verdict {
    Verdict::Skipped(errors.into_iter().next().unwrap_or_default().lines().next().unwrap_or_default().to_owned())
}

fn exchange(case: &Value) -> Exchange {
    let request = &case["request"];
    let text = |value: &Value, otherwise: &str| value.as_str().unwrap_or(otherwise).to_owned();
    let lines = |value: &Value| -> Vec<u8> {
        let lines = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
    };
    let fields = |value: &Value| -> Vec<(Vec<u8>, Vec<u8>)> {
        let fields = value.as_object().into_iter().flatten();
        fields.filter_map(|(name, value)| Some(field(name, value.as_str()?))).collect()
    };
    let address = |end: &Value, port: u64| {
        let ip = end["ip"].as_str().and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::from([127, 0, 0, 1]));
        SocketAddr::from((ip, u16::try_from(end["port"].as_u64().unwrap_or(port)).unwrap()))
    };
    let response = &case["response"];
    let basic = Exchange::get(&text(&request["uri"], "/"));
    Exchange {
        method: text(&request["method"], "GET").into(),
        headers: fields(&request["headers"]),
        body: lines(&request["body"]),
        status: 200,
        response_headers: fields(&response["headers"]),
        response_body: lines(&response["body"]),
        client: address(&case["client"], 0),
        server: address(&case["server"], 80),
        ..basic
    }
}
