//! `rampart test` with cases in go-ftw's YAML: in process, and against a gateway that runs.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::commands::{CONFIG, RULES, expect, place};
use crate::running::Running;

/// What the rule `word` must and must not match; a backend that reflects; a status.
const CASES: &str = r#"---
meta: {author: us}
rule_id: word
tests:
  - test_id: 1
    stages:
      - input: {uri: "/?id=forbidden", headers: {Host: localhost}}
        output: {status: 400, log: {expect_ids: [word]}}
  - test_id: 2
    desc: the body is looked at, too
    stages:
      - input: {method: POST, headers: {Host: localhost}, data: "id=forbidden fruit"}
        output: {log: {expect_ids: [word], match_regex: '\[id "word"\].*forbidden'}}
  - test_id: 3
    stages:
      - stage:
          input: {uri: "/?id=fine", headers: {Host: localhost}}
          output: {status: 200, no_log_contains: 'id "word"'}
      - input:
          method: POST
          uri: /reflect
          headers: {Host: localhost, Content-Type: application/json}
          data: '{"status": 418, "headers": {"X-Tea": "1"}, "body": "short and stout"}'
        output: {status: 418, response_contains: "short and stout", log: {no_expect_ids: [word]}}
"#;

fn with_cases(config: &str, cases: &str) -> tempfile::TempDir {
    let directory = place(config, RULES);
    fs::create_dir_all(directory.path().join("cases/WORDS")).unwrap();
    fs::write(directory.path().join("cases/WORDS/word.yaml"), cases).unwrap();
    directory
}

fn json(directory: &Path, arguments: &[&str], code: i32) -> Value {
    let (output, _) = expect(directory, &[&["test", "--json", "cases"], arguments].concat(), code);
    serde_json::from_str(&output).unwrap()
}

fn counts(summary: &Value) -> [u64; 3] {
    ["passed", "failed", "skipped"].map(|member| summary[member].as_u64().unwrap())
}

#[test]
fn yaml_cases_are_run_in_process() {
    let directory = with_cases(CONFIG, CASES);
    let summary = json(directory.path(), &["--profile", "default"], 0);
    assert_eq!(counts(&summary), [4, 0, 0], "{summary}");
    let first = &summary["cases"][0];
    assert_eq!((&first["id"], &first["stage"], &first["status"]), (&"word-1".into(), &1.into(), &"pass".into()));
    assert_eq!(first["expected"], "ids word; status 400");
    assert_eq!(first["got"], "status 400; ids word");
    assert_eq!(first["file"], "cases/WORDS/word.yaml");
    assert!(first["micros"].is_u64() && summary["cases"][3]["stage"] == 2);
    // Without a word about rules, the profile "default" is asked.
    assert_eq!(counts(&json(directory.path(), &[], 0)), [4, 0, 0]);
    assert_eq!(counts(&json(directory.path(), &["--include", "-[12]$", "--exclude", "2"], 0)), [1, 0, 0]);
}

#[test]
fn what_does_not_hold_is_told_by_exit_code_table_and_junit() {
    let directory = with_cases(CONFIG, &CASES.replace("id=fine", "id=forbidden"));
    let (output, _) = expect(directory.path(), &["test", "cases", "--junit", "report.xml"], 1);
    for part in [
        "FAIL word-3 (cases/WORDS/word.yaml): expected status 200; no log",
        "WORDS           3       1        0\n",
        "3 passed, 1 failed",
    ] {
        assert!(output.contains(part), "without {part}:\n{output}");
    }
    let xml = fs::read_to_string(directory.path().join("report.xml")).unwrap();
    assert!(xml.contains("tests=\"4\" failures=\"1\" skipped=\"0\"") && xml.contains("name=\"word-3\""), "{xml}");

    fs::write(
        directory.path().join("overrides.yaml"),
        "test_overrides:\n  - {rule_id: word, test_ids: [3], stage_ids: [1], reason: as it is, expect_failure: true}\n  \
         - {rule_id: other, reason: none such, output: {}}\n",
    )
    .unwrap();
    let (output, errors) = expect(directory.path(), &["test", "cases", "--overrides", "overrides.yaml"], 0);
    assert!(output.contains("SKIP word-3 (cases/WORDS/word.yaml): as it is"), "{output}");
    assert!(errors.contains("overridden by other: none such"), "{errors}");
}

#[test]
fn what_cannot_be_run_is_two() {
    let directory = with_cases(CONFIG, CASES);
    for (arguments, part) in [
        (&["cases", "--profile", "none"][..], "no profile \"none\""),
        (&["rules", "--profile", "default"], "no *.yaml"),
        (&["cases", "--overrides", "nowhere.yaml"], "nowhere.yaml"),
        (&["cases", "--against", "https://127.0.0.1:1"], "http://"),
        (&["cases", "--against", "http://127.0.0.1:1"], "nothing listens"),
        (&["cases", "--events", "x"], "--against"),
        (&["cases", "--include", "("], "regex"),
        (&["nowhere"], "nowhere"),
    ] {
        let (_, errors) = expect(directory.path(), &[&["test"], arguments].concat(), 2);
        assert!(errors.contains(part), "{arguments:?} without {part}:\n{errors}");
    }
    fs::write(directory.path().join("cases/bad.yml"), "rule_id: 1\ntests: [{stages: [{input: {urn: /}}]}]").unwrap();
    let (_, errors) = expect(directory.path(), &["test", "cases"], 2);
    assert!(errors.contains("cases/bad.yml") && errors.contains("urn"), "{errors}");
}

#[test]
fn the_same_cases_hold_against_a_gateway() {
    let backend = tempfile::tempdir().unwrap();
    let reflecting =
        Running::start(backend.path(), &["demo", "--backend-only", "--reflect", "--backend", "127.0.0.1:0"]);
    let line = reflecting.wait_for_output("Ctrl-C");
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let config = CONFIG
        .replace("127.0.0.1:9000", address)
        .replace("[log.events]\nto = \"off\"", "[log.events]\nto = \"file\"\npath = \"events.log\"");
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = with_cases(&config.replace("127.0.0.1:0", &own.to_string()), CASES);
    let gateway = Running::start(directory.path(), &["run"]);
    let until = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(own).is_err() {
        assert!(Instant::now() < until, "the gateway does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = format!("http://{own}");
    let summary = json(directory.path(), &["--against", &url, "--events", "events.log"], 0);
    assert_eq!(counts(&summary), [4, 0, 0], "{summary}");
    gateway.stop();
    reflecting.stop();
}

const RULE: &str = r#"SecRuleEngine On
SecRule ARGS:id "@rx ^(bad|worse)$" "id:7,phase:1,deny,status:403,capture,msg:'Bad id',logdata:'Found %{TX.1}',severity:CRITICAL"
SecRule RESPONSE_HEADERS:X-Leak "@streq 1" "id:8,phase:3,deny,status:502"
"#;

const SECLANG_CASES: &str = r#"rule_id: 7
tests:
  - stages:
      - input: {uri: "/?id=bad", headers: {Host: localhost}}
        output:
          status: 403
          log: {expect_ids: [7], match_regex: '\[id "7"\].*\[msg "Bad id"\].*\[data "Found bad"\]'}
  - stages:
      - input: {uri: "/?id=good", headers: {Host: localhost}, response: {headers: {X-Leak: 1}, body: secret}}
        output: {status: 502, isolated: true, log: {expect_ids: [8], no_expect_ids: [7]}}
"#;

#[test]
fn seclang_files_are_asked_as_a_profile_would_be() {
    let directory = with_cases(CONFIG, SECLANG_CASES);
    fs::write(directory.path().join("rule.conf"), RULE).unwrap();
    let summary = json(directory.path(), &["--seclang", "*.conf"], 0);
    // Of a refused request only the gist of a line is kept: what it says word by word is neither held nor broken.
    assert_eq!(counts(&summary), [1, 0, 1], "{summary}");
    fs::write(directory.path().join("rule.conf"), RULE.replace("Engine On", "Engine DetectionOnly")).unwrap();
    let cases = SECLANG_CASES.replace("status: 403", "status: 200").replace("status: 502", "status: 200");
    fs::write(directory.path().join("cases/WORDS/word.yaml"), cases).unwrap();
    assert_eq!(counts(&json(directory.path(), &["--seclang", "*.conf"], 0)), [2, 0, 0]);
    fs::write(directory.path().join("rule.conf"), RULE.replace("@rx", "@rxx")).unwrap();
    let (_, errors) = expect(directory.path(), &["test", "cases", "--seclang", "rule.conf"], 2);
    assert!(errors.contains("rule.conf:2") && errors.contains("rxx"), "{errors}");
    let (_, errors) = expect(directory.path(), &["test", "--seclang", "none.conf", "cases"], 2);
    assert!(errors.contains("none.conf"), "{errors}");
}
