//! The commands that run to their end: exit codes, outputs and errors, by the real binary in a directory of its own.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::running::run;

pub(crate) const CONFIG: &str = r#"version = 1
[listener.main]
address = "127.0.0.1:0"
[upstream.agents]
addresses = ["http://127.0.0.1:9000"]
[log.access]
to = "off"
[log.events]
to = "off"
[log.admin]
to = "off"
[storage]
path = "store.db"
"#;

pub(crate) const RULES: &str = r#"version = 1

[profile.default]

[[route]]
name = "all"
match = { path = "/**" }
upstream = "agents"

[[rule]]
id = "word"
targets = ["args"]
match = { contains = "forbidden" }
category = "sqli"
severity = "critical"
paranoia = 1

[[case]]
rule = "word"
block = ["forbidden"]
pass = ["allowed"]
"#;

pub(crate) fn place(config: &str, rules: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("rules")).unwrap();
    fs::write(directory.path().join("config.toml"), config).unwrap();
    fs::write(directory.path().join("rules/all.toml"), rules).unwrap();
    directory
}

/// Runs, checks the exit code, gives standard output and standard error.
pub(crate) fn expect(directory: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let (status, output, errors) = run(directory, arguments);
    assert_eq!(status.code(), Some(code), "{arguments:?}\n{output}\n{errors}");
    (output, errors)
}

#[test]
fn check_is_good_or_names_the_place_of_every_mistake() {
    let good = place(CONFIG, RULES);
    assert!(expect(good.path(), &["check"], 0).0.starts_with("good: "));

    let config = CONFIG.replace("[storage]", "[storag]");
    let bad = place(&config, &RULES.replace("upstream = \"agents\"", "upstream = \"agent\""));
    let (_, errors) = expect(bad.path(), &["check"], 1);
    for text in ["config.toml:", "storag", "rules/all.toml:8:", "agents"] {
        assert!(errors.contains(text), "without {text}:\n{errors}");
    }
    let (output, _) = expect(bad.path(), &["check", "--json"], 1);
    let found: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(found["ok"], false);
    let files: Vec<&str> =
        found["diagnostics"].as_array().unwrap().iter().map(|d| d["file"].as_str().unwrap()).collect();
    assert!(files.contains(&"config.toml") && files.contains(&"rules/all.toml"), "{output}");
    // What cannot be run is refused in the same words, with the exit code of a configuration error.
    assert!(expect(bad.path(), &["run"], 2).1.contains("rules/all.toml:8:"));
}

#[test]
fn usage_errors_and_missing_files_are_two() {
    let empty = tempfile::tempdir().unwrap();
    expect(empty.path(), &["no-such-command"], 2);
    expect(empty.path(), &["check", "--no-such-flag"], 2);
    let (_, errors) = expect(empty.path(), &["run", "--config", "nowhere.toml"], 2);
    assert!(errors.contains("nowhere.toml"), "{errors}");
    expect(empty.path(), &["audit", "query", "--store", "nowhere.db"], 2);
}

#[test]
fn cases_are_listed_one_by_one() {
    let good = place(CONFIG, RULES);
    let (output, _) = expect(good.path(), &["test", "--json"], 0);
    let found: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&found["passed"], &found["failed"], &found["skipped"]), (&2.into(), &0.into(), &0.into()));
    assert_eq!(found["cases"][0]["id"], "word/block/1");
    for member in ["file", "stage", "status", "expected", "got", "micros"] {
        assert!(!found["cases"][0][member].is_null(), "{member}");
    }
    let bad = place(CONFIG, &RULES.replace("pass = [\"allowed\"]", "pass = [\"forbidden fruit\"]"));
    let (output, _) = expect(bad.path(), &["test"], 1);
    assert!(output.contains("FAIL word/pass/1") && output.contains("1 passed, 1 failed"), "{output}");
}

#[test]
fn explain_says_what_would_become_of_a_request() {
    let directory = place(CONFIG, RULES);
    let (output, _) = expect(directory.path(), &["explain", "/x?id=forbidden", "--json"], 1);
    let found: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&found["verdict"], &found["route"]), (&"block".into(), &"all".into()));
    assert_eq!(found["matches"][0]["rule"], "word");
    expect(directory.path(), &["explain", "/x?id=fine"], 0);
}

#[test]
fn schemas_man_pages_and_completions_are_made() {
    let directory = place(CONFIG, RULES);
    for kind in ["config", "rules"] {
        let (output, _) = expect(directory.path(), &["check", "--schema", kind], 0);
        let schema: Value = serde_json::from_str(&output).unwrap();
        assert!(schema["properties"]["version"].is_object(), "{kind}");
    }
    let man = directory.path().join("man");
    fs::create_dir(&man).unwrap();
    expect(directory.path(), &["generate", "man", "--into", "man"], 0);
    for page in ["rampart.1", "rampart-run.1", "rampart-audit-query.1"] {
        assert!(fs::read_to_string(man.join(page)).unwrap().contains(".TH"), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(expect(directory.path(), &["generate", "completions", shell], 0).0.contains("rampart"));
    }
}

#[test]
fn every_command_has_an_example() {
    let directory = tempfile::tempdir().unwrap();
    for command in [
        &["run"][..],
        &["check"],
        &["demo"],
        &["test"],
        &["explain"],
        &["audit", "query"],
        &["audit", "actions"],
        &["health"],
        &["generate"],
        &["version"],
    ] {
        let (output, _) = expect(directory.path(), &[command, &["--help"]].concat(), 0);
        assert!(output.contains("Example"), "{command:?}");
    }
}

#[test]
fn nobody_answering_is_not_healthy() {
    let directory = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    expect(directory.path(), &["health", "--url", &format!("http://{free}/ready")], 1);
}
