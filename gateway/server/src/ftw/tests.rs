//! From YAML to outcomes, with a target that is written down.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::input::Input;
use super::observed::{Observed, Record};
use super::suite::Stage;
use super::wire::Answer;
use super::{Case, Ending, Overrides, Target, files, read, run};

fn cases(yaml: &str) -> Vec<Case> {
    try_cases(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

fn try_cases(yaml: &str) -> Result<Vec<Case>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.yaml");
    fs::write(&file, yaml).unwrap();
    read(&file).map_err(|error| error.to_string())
}

/// The input of the only stage of the only case.
fn input(yaml: &str) -> Input {
    let indented = yaml.replace('\n', "\n          ");
    let text = format!(
        "rule_id: 1\ntests:\n  - test_id: 1\n    stages:\n      - input:\n          {indented}\n        output: {{}}\n"
    );
    cases(&text).remove(0).stages.remove(0).input
}

#[track_caller]
fn check_bytes(yaml: &str, expect: &str) {
    assert_eq!(String::from_utf8_lossy(&input(yaml).bytes()), expect, "{yaml}");
}

#[test]
fn headers_are_completed_and_keep_their_order() {
    check_bytes("uri: /a", "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n");
    check_bytes(
        "method: POST\nheaders:\n  Host: h\n  Accept: 1\n  X-Empty:\n",
        "POST / HTTP/1.1\r\nHost: h\r\nAccept: 1\r\nX-Empty: \r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    check_bytes(
        "data: a=b c&d\nheaders:\n  z: 007\n  connection: keep-alive\n",
        "GET / HTTP/1.1\r\nz: 007\r\nconnection: keep-alive\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 7\r\n\r\na=b+c&d",
    );
    check_bytes("data: a=b c\nautocomplete_headers: false", "GET / HTTP/1.1\r\n\r\na=b c");
    check_bytes("data: a=b c\nstop_magic: true", "GET / HTTP/1.1\r\n\r\na=b c");
    check_bytes(
        "ordered_headers:\n  - {name: A, value: 1}\n  - {name: a, value: 2}\nautocomplete_headers: false",
        "GET / HTTP/1.1\r\nA: 1\r\na: 2\r\n\r\n",
    );
}

#[test]
fn a_form_is_encoded_unless_it_is_already() {
    for (data, expect) in [
        ("a=<b>&c=d e", "a=%3Cb%3E&c=d+e"),
        ("a=%3Cb%3E", "a=%3Cb%3E"),
        ("a=b+c<", "a=b+c<"),
        ("a=50% of", "a=50% of"),
        ("a=b=c&=&d&", "a=b%3Dc&=&d"),
        ("plain text", "plain+text"),
        ("\u{e4}", "%C3%A4"),
    ] {
        let bytes = input(&format!("data: {}", serde_json::to_string(data).unwrap())).bytes();
        let text = String::from_utf8(bytes).unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body, expect, "{data}");
        assert!(text.contains(&format!("Content-Length: {}\r\n", expect.len())), "{text}");
    }
    let json = input("data: '{\"a\": \"b c\"}'\nheaders: {Content-Type: application/json}").bytes();
    assert!(json.ends_with(b"{\"a\": \"b c\"}"));
}

#[test]
fn bodies_come_in_several_forms() {
    let body = |yaml: &str| {
        let text = input(&format!("{yaml}\nheaders: {{Content-Type: text/plain}}")).bytes();
        let at = text.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        text[at + 4..].to_vec()
    };
    assert_eq!(body("data: |\n  one\n  two"), b"one\ntwo\n");
    assert_eq!(body("data: 1234"), b"1234");
    assert_eq!(body("data: 0x1F"), b"0x1F");
    assert_eq!(body("data:\n  - one\n  - two"), b"one\r\ntwo");
    assert_eq!(body("encoded_data: AP8="), b"\0\xff");
    assert_eq!(body("data: 'x={{ \"ab\" | repeat 3 }}!'"), b"x=ababab!");
    assert_eq!(
        body("data: 'x={{ repeat 2 \"-\" }}{{constructor.constructor(1)}}'"),
        b"x=--{{constructor.constructor(1)}}"
    );
    let parts = input("data: \"a\\nb\\r\\nc\"\nheaders: {Content-Type: multipart/form-data; boundary=x}").bytes();
    assert!(parts.ends_with(b"a\r\nb\r\nc"), "{}", String::from_utf8_lossy(&parts));
    let raw = input("encoded_request: \"R0VU\\nIC8gSFRUUC8xLjENCg0K\"\nmethod: POST");
    assert_eq!(raw.bytes(), b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn what_makes_no_sense_is_an_error_that_names_its_place() {
    let stage = "rule_id: 1\ntests:\n  - test_id: 1\n    stages:\n      - input: {uri: /}\n        output: ";
    for (yaml, part) in [
        (format!("{stage}{{log: {{expect_id: [1]}}}}"), "expect_id"),
        (format!("{stage}{{log: {{match_regex: '('}}}}"), "1-1"),
        (format!("{stage}{{status: many}}"), "6"),
        ("rule_id: 1\ntests:\n  - test_id: 7\n".to_owned(), "1-7: it has neither stages nor a payload"),
        ("rule_id: 1\ntests:\n  - test_id: 7\n    stages: [{output: {}}]".to_owned(), "either `input` and `output`"),
        ("tests: [".to_owned(), "case.yaml"),
        ("rule_id: 1\ntests:\n  - stages: [{input: {encoded_request: '*'}, output: {}}]".to_owned(), "base64"),
        ("rule_id: 1\ntests:\n  - stages: [{input: {data: a, encoded_data: YQ==}, output: {}}]".to_owned(), "exclude"),
    ] {
        let error = try_cases(&yaml).expect_err(&yaml);
        assert!(error.contains(part) && error.contains("case.yaml"), "{error}\n{yaml}");
    }
}

#[test]
fn all_versions_of_the_schema_are_read() {
    let second = cases(
        "meta: {author: a, enabled: true, name: n.yaml}\ntests:\n  - test_title: 942100-3\n    desc: d\n    stages:\n      \
         - stage:\n          input: {dest_addr: 127.0.0.1, port: 80, protocol: http}\n          \
         output: {log_contains: 'id \"942100\"', status: [200, 404]}\n",
    );
    let [case] = &second[..] else { panic!("{second:?}") };
    assert_eq!((&*case.id, &*case.rule, case.number, case.is_off), ("942100-3", "942100", 1, false));
    assert_eq!(case.stages[0].expectation.status, [200, 404]);
    let third = cases(
        "rule_id: 9\ntemplate: {uri: '/?q={{.Payload}}', headers: [{name: X, value: '{{ .Payload }}'}]}\ntests:\n  \
         - {id: 1, payload: 'a', output: {log: {expect_ids: [9]}}}\n  \
         - {id: 2, payload: 'b', template: {method: POST, data: 'p={{.Payload}}'}, output: {}}\n  \
         - {test_id: 5, stages: [{input: {uris: [/x, /y]}, output: {}}]}\n",
    );
    let ids: Vec<_> = third.iter().map(|case| (&*case.id, case.stages.len())).collect();
    assert_eq!(ids, [("9-1", 1), ("9-2", 1), ("9-5", 2)]);
    let sent = |case: usize, stage: usize| String::from_utf8(third[case].stages[stage].input.bytes()).unwrap();
    assert!(sent(0, 0).starts_with("GET /?q=a HTTP/1.1\r\nX: a\r\n"), "{}", sent(0, 0));
    assert!(sent(1, 0).starts_with("POST /?q=b HTTP/1.1\r\nX: b\r\n") && sent(1, 0).ends_with("\r\n\r\np=b"));
    assert!(sent(2, 1).starts_with("GET /y "));
    assert_eq!(third[0].stages[0].expectation.ids, ["9"]);
    let off = cases("meta: {enabled: false}\nrule_id: 1\ntests: [{stages: [{input: {}, output: {}}]}]");
    assert!(off[0].is_off);
}

#[test]
fn folders_are_walked_for_both_endings() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    for name in ["a/1.yaml", "a/b/2.yml", "a/b/3.toml", "4.txt"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let found = files(&[folder.path().to_owned(), folder.path().join("4.txt")]).unwrap();
    let names: Vec<_> = found.iter().map(|file| file.strip_prefix(folder.path()).unwrap().to_owned()).collect();
    assert_eq!(names, ["4.txt", "a/1.yaml", "a/b/2.yml"].map(PathBuf::from));
}

/// Says what it is scripted to say about a target, and remembers what it was sent.
struct Scripted<F> {
    script: F,
    sent: Mutex<Vec<String>>,
}

impl<F: Fn(&str) -> (Answer, Vec<&'static str>) + Sync> Target for Scripted<F> {
    fn send(&self, bytes: &[u8], _stage: &Stage) -> Observed {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (answer, ids) = (self.script)(&text);
        self.sent.lock().unwrap().push(text);
        let record = Record { ids: ids.into_iter().map(str::to_owned).collect(), ..Record::default() };
        Observed { answer: Some(answer), error: None, record: Some(record), micros: 3 }
    }

    fn complete(&self, _observed: &mut [&mut Observed]) -> anyhow::Result<()> {
        Ok(())
    }
}

fn scripted<F: Fn(&str) -> (Answer, Vec<&'static str>) + Sync>(script: F) -> Scripted<F> {
    Scripted { script, sent: Mutex::default() }
}

#[test]
fn stages_follow_redirects_and_keep_cookies() {
    let target = scripted(|sent| {
        let mut answer = Answer::bare(if sent.starts_with("GET /login") { 302 } else { 200 });
        answer.fields.push(("Set-Cookie".into(), "sid=7; Path=/".into()));
        answer.fields.push(("Location".into(), "http://other:81/home?x=1#top".into()));
        (answer, Vec::new())
    });
    let cases = cases(
        "rule_id: 1\ntests:\n  - stages:\n      - {input: {uri: /login, save_cookie: true}, output: {status: 302}}\n      \
         - {input: {follow_redirect: true, headers: {Host: h, Cookie: a=1}}, output: {status: 200}}\n      \
         - {input: {follow_redirect: true}, output: {}}\n",
    );
    let outcomes = run(&target, &cases, 4).unwrap();
    let endings: Vec<_> = outcomes.iter().map(|outcome| (outcome.stage, outcome.ending.clone())).collect();
    let fail = Ending::Fail("the answer before this one is 200, no redirect".into());
    assert_eq!(endings, [(1, Ending::Pass), (2, Ending::Pass), (3, fail)]);
    let sent = target.sent.into_inner().unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1], "GET /home?x=1 HTTP/1.1\r\nHost: other:81\r\nCookie: a=1; sid=7\r\nConnection: close\r\n\r\n");
}

#[test]
fn a_case_is_tried_again_where_it_asks_for_it() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let target = scripted(|_| {
        let first = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        (Answer::bare(200), if first { vec![] } else { vec!["7"] })
    });
    let once = "rule_id: 7\ntests: [{stages: [{input: {}, output: {retry_once: RETRY, log: {expect_ids: [7]}}}]}]";
    let patient = cases(&once.replace("RETRY", "true"));
    assert_eq!(run(&target, &patient, 1).unwrap()[0].ending, Ending::Pass);
    count.store(0, std::sync::atomic::Ordering::Relaxed);
    let strict = cases(&once.replace("RETRY", "false"));
    assert_eq!(run(&target, &strict, 1).unwrap()[0].ending, Ending::Fail("no match of 7".into()));
}

fn overridden(overrides: &str, cases: &mut [Case]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("overrides.yaml");
    fs::write(&file, overrides).unwrap();
    Overrides::read(Path::new(&file)).map(|read| read.apply(cases)).map_err(|error| error.to_string())
}

#[test]
fn an_override_replaces_or_excuses_and_says_why() {
    let yaml = "rule_id: 5\ntests:\n  - {test_id: 1, stages: [{input: {}, output: {log: {expect_ids: [5]}}}]}\n  \
                - {test_id: 2, stages: [{input: {}, output: {log: {expect_ids: [5]}}}]}\n  \
                - {test_id: 3, stages: [{input: {}, output: {status: 200}}]}\n";
    let mut cases = cases(yaml);
    let unused = overridden(
        "version: v1\nmeta: {engine: rampart, annotations: {a: b}}\ntest_overrides:\n  \
         - {rule_id: 5, test_ids: [1], reason: refused early, output: {status: 200}}\n  \
         - {rule_id: 5, test_ids: [2, 3], reason: cannot be, expect_failure: true}\n  \
         - {rule_id: 6, reason: of another set, retry_once: true}\n",
        &mut cases,
    );
    assert_eq!(unused.unwrap(), ["6: of another set"]);
    let outcomes = run(&scripted(|_| (Answer::bare(200), vec![])), &cases, 2).unwrap();
    let endings: Vec<_> = outcomes.into_iter().map(|outcome| outcome.ending).collect();
    let stale = Ending::Fail("it holds: its override is no longer needed".into());
    assert_eq!(endings, [Ending::Pass, Ending::Skip("cannot be".into()), stale]);
    for (bad, part) in [
        ("test_overrides: [{rule_id: 1, output: {}}]", "reason"),
        ("test_overrides: [{rule_id: 1, reason: ' ', output: {}}]", "says its reason"),
        ("test_overrides: [{rule_id: 1, reason: x}]", "`output`"),
        ("test_override: []", "test_override"),
    ] {
        let error = overridden(bad, &mut []).expect_err(bad);
        assert!(error.contains(part), "{error}");
    }
}
