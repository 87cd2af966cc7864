//! The OWASP Core Rule Set's own cases over the real proxy: every rule matches what it must and nothing else, and what is
//! to be blocked is blocked before the origin hears of it.
//!
//! `rampart test --against` sends them, byte by byte, through a gateway to an origin that reflects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rampart_tests::core_rules::shared;
use rampart_tests::process::{binary, workspace};
use rampart_tests::reflect::reflect;
use rampart_tests::{CountingOrigin, Gateway, Setup};
use serde_json::Value;

/// Exceptions from all cases, at most.
const EXCEPTIONS_MAX: usize = 10;
/// Score from which requests are blocked, and responses.
const INBOUND_THRESHOLD: u32 = 5;
const OUTBOUND_THRESHOLD: u32 = 4;

fn setup(text: &str) -> impl Fn(&Path) -> String + '_ {
    move |crs| {
        let crs = crs.canonicalize().unwrap();
        let crs = crs.display();
        let odd =
            r#"["encoded_slash", "backslash", "nul", "double_encoding", "parameter", "empty_segment", "invalid_utf8"]"#;
        format!(
            "[[route]]\nname = \"all\"\nmatch = {{ path = \"/**\" }}\nupstream = \"agents\"\ninspection = \"crs\"\nallow = {odd}\n\
             [profile.crs]\nmode = \"{text}\"\n\
             seclang = [\"setup.conf\", \"{crs}/crs-setup.conf.example\", \"{crs}/rules/*.conf\"]\n"
        )
    }
}

/// A gateway with the rule set and this set-up of it, before an origin that reflects.
async fn gateway(crs: &Path, mode: &str, set_up: &str) -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::scripted(reflect).await;
    let gateway = Setup::new(origin.address)
        .without_shipped_rules()
        .routes(&setup(mode)(crs))
        .file("setup.conf", set_up)
        .start()
        .await;
    (gateway, origin)
}

/// The set-up that the cases expect; with a paranoia level it blocks.
fn set_up(paranoia: Option<u8>) -> String {
    let text = std::fs::read_to_string(workspace().join("tests/crs/setup.conf")).unwrap();
    let Some(paranoia) = paranoia else { return text };
    let blocking = text
        .replace("ctl:ruleEngine=DetectionOnly,", "t:none,")
        .replace("paranoia_level=4", &format!("paranoia_level={paranoia}"));
    assert_ne!(blocking, text);
    assert!(!blocking.contains("DetectionOnly"), "{blocking}");
    blocking
}

/// Runs cases by the binary; the summary, whatever its exit code says.
fn test(crs: &Path, arguments: &[String]) -> Value {
    let output = Command::new(binary())
        .arg("test")
        .arg(crs.join("tests"))
        .arg("--json")
        .args(arguments)
        .current_dir(workspace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn text<'v>(case: &'v Value, member: &str) -> &'v str {
    case[member].as_str().unwrap()
}

fn list(summary: &Value) -> &[Value] {
    summary["cases"].as_array().unwrap()
}

/// Fails unless every case holds, but for a few exceptions.
fn expect_conformance(summary: &Value) {
    let failures: Vec<String> = list(summary)
        .iter()
        .filter(|case| case["status"] == "fail")
        .map(|case| {
            format!(
                "{} {}: expected {}; got {}",
                text(case, "id"),
                case["stage"],
                text(case, "expected"),
                text(case, "got")
            )
        })
        .collect();
    assert!(failures.is_empty(), "{} cases do not hold:\n{}", failures.len(), failures.join("\n"));
    // Events hold no log lines word by word; in process they are compared.
    let is_exception = |case: &&Value| case["status"] == "skip" && !text(case, "expected").contains("log /");
    let exceptions = list(summary).iter().filter(is_exception).count();
    assert!(exceptions <= EXCEPTIONS_MAX, "{exceptions} exceptions");
    assert!(list(summary).len() > 2_000, "{} stages", list(summary).len());
}

fn overrides() -> Vec<String> {
    vec!["--overrides".to_owned(), workspace().join("tests/crs/overrides.yaml").display().to_string()]
}

fn in_process(crs: &Path) -> Value {
    let rules = ["crs-setup.conf.example", "rules/*.conf"].map(|name| crs.join(name).display().to_string());
    let own = workspace().join("tests/crs/setup.conf").display().to_string();
    test(crs, &[overrides(), vec!["--seclang".to_owned(), own], rules.to_vec()].concat())
}

#[test]
fn every_case_holds_in_process() {
    let Some(crs) = shared("crs") else { return };
    expect_conformance(&in_process(&crs));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_holds_over_the_proxy() {
    let Some(crs) = shared("crs") else { return };
    let (gateway, _origin) = gateway(&crs, "detect", &set_up(None)).await;
    let against = format!("http://{}", gateway.addresses.plain);
    let events = gateway.path("events.log").display().to_string();
    let mut arguments = overrides();
    arguments.extend(["--against".to_owned(), against, "--events".to_owned(), events]);
    let summary = tokio::task::spawn_blocking(move || test(&crs, &arguments)).await.unwrap();
    expect_conformance(&summary);
}

/// What a rule adds to which score.
#[derive(Debug, Clone, Copy)]
struct Scores {
    outbound: bool,
    paranoia: u8,
    points: u32,
}

/// The rules that score, read from the rule files: `setvar:'tx.inbound_anomaly_score_pl1=+%{tx.critical_anomaly_score}'`.
fn scores(crs: &Path) -> BTreeMap<String, Scores> {
    let mut scores = BTreeMap::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(crs.join("rules")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    for file in files {
        let rules = std::fs::read_to_string(file).unwrap();
        for rule in rules.split("\"id:").skip(1) {
            let id: String = rule.chars().take_while(char::is_ascii_digit).collect();
            if let Some(found) = score_of(rule) {
                scores.insert(id, found);
            }
        }
    }
    assert!(scores.len() > 200, "{} rules score", scores.len());
    scores
}

fn score_of(rule: &str) -> Option<Scores> {
    let (before, after) = rule.split_once("bound_anomaly_score_pl")?;
    let severity = after.split_once("%{tx.")?.1.split("_anomaly_score").next()?;
    let points = match severity {
        "critical" => 5,
        "error" => 4,
        "warning" => 3,
        "notice" => 2,
        // Rules that sum up what others scored.
        _ => return None,
    };
    Some(Scores { outbound: before.ends_with("out"), paranoia: after[..1].parse().unwrap(), points })
}

impl Scores {
    fn blocks(self, paranoia: u8) -> bool {
        let threshold = if self.outbound { OUTBOUND_THRESHOLD } else { INBOUND_THRESHOLD };
        self.paranoia <= paranoia && self.points >= threshold
    }
}

/// The ids that a stage expects: `ids 942100 949110; not 920100`.
fn expected_ids(case: &Value) -> impl Iterator<Item = &str> {
    text(case, "expected").split("; ").filter_map(|part| part.strip_prefix("ids ")).flat_map(|ids| ids.split(' '))
}

/// Cases all of whose stages expect a rule that blocks, those about requests and those about responses apart.
fn to_be_refused(summary: &Value, crs: &Path, paranoia: u8) -> (BTreeSet<String>, BTreeSet<String>) {
    let scores = scores(crs);
    let blocks = |case: &Value, outbound: bool| {
        expected_ids(case)
            .filter_map(|id| scores.get(id))
            .any(|found| found.outbound == outbound && found.blocks(paranoia))
    };
    let mut stages: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for case in list(summary) {
        stages.entry(text(case, "id")).or_default().push(case);
    }
    let all = |outbound| {
        let of = stages.iter().filter(|(_, stages)| stages.iter().all(|stage| blocks(stage, outbound)));
        of.map(|(id, _)| (*id).to_owned()).collect()
    };
    (all(false), all(true))
}

/// Sends only these cases.
async fn send(crs: &Path, gateway: &Gateway, ids: &BTreeSet<String>) -> Value {
    let include = format!("^(?:{})$", ids.iter().cloned().collect::<Vec<_>>().join("|"));
    let against = format!("http://{}", gateway.addresses.plain);
    let arguments = ["--against".to_owned(), against, "--include".to_owned(), include];
    let crs = crs.to_owned();
    let summary = tokio::task::spawn_blocking(move || test(&crs, &arguments)).await.unwrap();
    assert!(list(&summary).len() >= ids.len());
    summary
}

/// The stages whose answer is not of one of these statuses.
fn unlike(summary: &Value, statuses: &[&str]) -> Vec<String> {
    let fits = |case: &&Value| statuses.iter().any(|status| text(case, "got").starts_with(&format!("status {status}")));
    let others = list(summary).iter().filter(|case| !fits(case));
    others
        .map(|case| {
            format!("{} {}: {}; {}", text(case, "id"), case["stage"], text(case, "expected"), text(case, "got"))
        })
        .collect()
}

/// The cases of a list `RULE NUMBER ...`.
fn listed(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(workspace().join("tests/crs").join(file)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .flat_map(|line| {
            let (rule, numbers) = line.split_once(' ').unwrap();
            numbers.split(' ').map(move |number| format!("{rule}-{number}"))
        })
        .collect()
}

async fn blocks_before_the_origin(paranoia: u8, at_least: usize, passing: &str) {
    let Some(crs) = shared("crs") else { return };
    let (requests, responses) = to_be_refused(&in_process(&crs), &crs, paranoia);
    assert!(requests.len() >= at_least, "{} cases are to be refused", requests.len());
    let (gateway, origin) = gateway(&crs, "block", &set_up(Some(paranoia))).await;

    let summary = send(&crs, &gateway, &requests).await;
    let wrong = unlike(&summary, &["4"]);
    assert!(wrong.is_empty(), "{} of {} were let through:\n{}", wrong.len(), list(&summary).len(), wrong.join("\n"));
    origin.expect_untouched();

    let summary = send(&crs, &gateway, &responses).await;
    let wrong = unlike(&summary, &["403"]);
    assert!(wrong.is_empty(), "{} responses were let out:\n{}", wrong.len(), wrong.join("\n"));

    let (passes, before) = (listed(passing), origin.requests());
    let summary = send(&crs, &gateway, &passes).await;
    let wrong = unlike(&summary, &["200"]);
    assert!(wrong.is_empty(), "{} were refused:\n{}", wrong.len(), wrong.join("\n"));
    // A case that asks for it is sent twice: without the event log nothing is known of its rules.
    let reached = origin.requests() - before;
    assert!(reached >= list(&summary).len(), "{reached} of {} reached the origin", list(&summary).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_paranoia_1_attacks_are_refused_before_the_origin_hears_of_them() {
    blocks_before_the_origin(1, 900, "passes-pl1.txt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_paranoia_4_attacks_are_refused_before_the_origin_hears_of_them() {
    blocks_before_the_origin(4, 1_800, "passes-pl4.txt").await;
}
