//! Exchanges through all five phases, by rule files as an operator has them.

use std::fs;
use std::time::SystemTime;

use rampart_inspection::Connection;
use rampart_message::{Head, Headers, ResponseHead, Version};
use rampart_policy::{Environment, LoadOptions, Secrets, Snapshot, load};
use rampart_record::Verdict;

use crate::{Code, Declared, Judgement, Origin, Seen, Want, Workspace, admit, judge, judge_head};

const CONFIG: &str = "version = 1\n[listener.main]\naddress = \"127.0.0.1:0\"\n\
                      [upstream.agents]\naddresses = [\"http://127.0.0.1:9\"]\n";

const RULES: &str = r#"
version = 1
[profile.block]
seclang = ["phases.conf"]
[profile.strict]
seclang = ["phases.conf", "strict.conf"]
[profile.watch]
mode = "detect"
seclang = ["phases.conf"]
[profile.requests]
seclang = ["phases.conf", "requests.conf"]
[[route]]
name = "block"
match = { path = "/block" }
upstream = "agents"
inspection = "block"
[[route]]
name = "strict"
match = { path = "/strict" }
upstream = "agents"
inspection = "strict"
[[route]]
name = "watch"
match = { path = "/watch" }
upstream = "agents"
inspection = "watch"
[[route]]
name = "requests"
match = { path = "/requests" }
upstream = "agents"
inspection = "requests"
"#;

const PHASES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain
SecResponseBodyLimit 20
SecResponseBodyLimitAction ProcessPartial
SecRule ARGS_GET:one "@streq deny" "id:11,phase:1,deny,status:409"
SecRule ARGS_GET:one "@streq drop" "id:12,phase:1,drop"
SecRule ARGS_GET:one "@streq move" "id:13,phase:1,redirect:https://other.example/%{ARGS_GET.to}"
SecRule ARGS:two "@streq deny" "id:21,phase:2,deny,status:410"
SecRule ARGS:mark "@streq yes" "id:22,phase:2,pass,nolog,setvar:tx.marked=1"
SecRule RESPONSE_HEADERS:X-Three "@streq deny" "id:31,phase:3,deny,status:502"
SecRule RESPONSE_STATUS "@streq 418" "id:32,phase:3,redirect:https://other.example/tea"
SecRule RESPONSE_BODY "@contains secret" "id:41,phase:4,deny,status:451"
SecRule TX:marked "@eq 1" "id:42,phase:4,deny,status:500,chain"
  SecRule RESPONSE_STATUS "@streq 201" ""
SecRule REQUEST_METHOD "@streq PUT" "id:51,phase:5,pass,log,msg:'seen'"
"#;

fn snapshot() -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    write("config.toml", CONFIG);
    write("rules/all.toml", RULES);
    write("phases.conf", PHASES);
    write("strict.conf", "SecResponseBodyLimitAction Reject\n");
    write("requests.conf", "SecResponseBodyAccess Off\n");
    let config = folder.path().join("config.toml");
    let options = LoadOptions { config, environment: Environment::empty(), secrets: Secrets::Require };
    let (report, snapshot) = load(&options);
    let shown: Vec<String> = report.into_sorted().iter().map(ToString::to_string).collect();
    snapshot.unwrap_or_else(|| panic!("{}", shown.join("\n")))
}

/// A request in one line, and whether its head alone is judged.
fn request(snapshot: &Snapshot, method: &str, target: &str, alone: bool) -> Judgement {
    let fields: [(&[u8], &[u8]); 1] = [(b"Host", b"gateway.example")];
    let head = Head {
        method: method.as_bytes(),
        target: target.as_bytes(),
        version: Version::Http11,
        authority: None,
        headers: Headers::new(&fields),
    };
    let local = ([127, 0, 0, 1], 80).into();
    let connection = Connection { client: local, server: local };
    let origin = Origin { connection, request_id: "test", now: SystemTime::UNIX_EPOCH };
    let space = &mut Workspace::default();
    let admission = admit(snapshot, &head, origin, Declared::Nothing, space).expect("admitted");
    if alone {
        judge_head(admission.route, admission.request, space)
    } else {
        judge(admission.route, admission.request, Seen::Whole(&[]), space)
    }
}

#[test]
fn requests_end_in_the_phase_that_says_so() {
    let snapshot = snapshot();
    // Method and target, phase 1 alone or both; verdict, status and place to go to.
    let check = |target: &str, alone: bool, verdict: Verdict, answer: Option<(u16, Option<&str>)>| {
        let judged = request(&snapshot, "GET", target, alone);
        assert_eq!(judged.verdict, verdict, "{target} {alone}: {judged:?}");
        let refusal = judged.refusal.as_ref();
        let given = refusal.map(|refusal| (refusal.status, refusal.get("Location")));
        assert_eq!(given, answer, "{target} {alone}");
        assert!(refusal.is_none_or(|refusal| refusal.code == Code::PayloadBlocked));
        let goes_on = judged.refusal.is_none() && !alone;
        assert_eq!(judged.exchange.is_some(), goes_on, "{target} {alone}");
    };
    for alone in [true, false] {
        check("/block", alone, Verdict::Pass, None);
        check("/block?one=deny", alone, Verdict::Block, Some((409, None)));
        check("/block?one=drop", alone, Verdict::Block, Some((403, None)));
        check("/block?one=move&to=x", alone, Verdict::Block, Some((302, Some("https://other.example/x"))));
        check("/watch?one=deny", alone, Verdict::WouldBlock, None);
    }
    check("/block?two=deny", true, Verdict::Pass, None);
    check("/block?two=deny", false, Verdict::Block, Some((410, None)));
    check("/watch?two=deny", false, Verdict::WouldBlock, None);
}

/// A response, and what is to become of it.
#[derive(Clone, Copy)]
struct Case {
    target: &'static str,
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    body: &'static str,
    whole: bool,
    /// Answers of head and body; the head's stands for both where it refuses.
    head: Result<Want, (u16, Option<&'static str>)>,
    refused: Option<u16>,
    /// What the end says of a response that passed, and the rules that matched.
    would: Option<Code>,
    rules: &'static [&'static str],
}

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain; charset=utf-8")];
const WANTED: Result<Want, (u16, Option<&str>)> = Ok(Want::Body { limit_bytes: 20 });

#[test]
fn responses_end_in_the_phase_that_says_so() {
    let snapshot = snapshot();
    let pass = Case {
        target: "/block",
        status: 200,
        fields: TEXT,
        body: "all is well",
        whole: true,
        head: WANTED,
        refused: None,
        would: None,
        rules: &[],
    };
    let moved = Some("https://other.example/tea");
    let leak = Case { body: "a secret", rules: &["41"], ..pass };
    let header = Case { fields: &[("X-Three", "deny")], rules: &["31"], ..pass };
    let blocked = Some(Code::ResponseBlocked);
    for case in [
        pass,
        Case { fields: &[("Content-Type", "image/png")], body: "", head: Ok(Want::Nothing), ..pass },
        Case { fields: &[], body: "", head: Ok(Want::Nothing), ..pass },
        Case { target: "/requests", body: "", head: Ok(Want::Nothing), ..pass },
        Case { head: Err((502, None)), ..header },
        Case { target: "/requests", head: Err((502, None)), ..header },
        Case { target: "/watch", head: Ok(Want::Nothing), body: "", would: blocked, ..header },
        Case { status: 418, head: Err((302, moved)), rules: &["32"], ..pass },
        Case { refused: Some(451), ..leak },
        Case { target: "/watch", would: blocked, ..leak },
        // A mark that the request left.
        Case { target: "/block?mark=yes", ..pass },
        Case { target: "/block?mark=yes", status: 201, refused: Some(500), rules: &["42"], ..pass },
        Case { target: "/watch?two=deny", would: Some(Code::PayloadBlocked), rules: &["21"], ..pass },
        // Longer than what is judged, as it travels or decoded.
        Case { body: "all is well so far, a", whole: false, ..pass },
        Case { body: "a secret, and it goes on", whole: false, refused: Some(451), ..leak },
        Case { target: "/strict", whole: false, refused: Some(403), ..pass },
        Case { target: "/strict", body: "twenty bytes of text", ..pass },
        Case { target: "/strict", body: "twenty-one bytes of it", refused: Some(403), ..pass },
    ] {
        response(&snapshot, case);
    }
}

fn response(snapshot: &Snapshot, case: Case) {
    let shown = format!("{} {} {:?} {:?}", case.target, case.status, case.fields, case.body);
    let space = &mut Workspace::default();
    let now = SystemTime::UNIX_EPOCH;
    let judged = request(snapshot, "GET", case.target, false);
    let mut exchange = judged.exchange.unwrap_or_else(|| panic!("{shown}: no exchange"));
    let fields: Vec<(&[u8], &[u8])> =
        case.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let head = ResponseHead { status: case.status, version: Version::Http11, headers: Headers::new(&fields) };
    let answered = exchange.head(head, now, space);
    let told = answered.as_ref().map_err(|refusal| (refusal.status, refusal.get("Location"))).copied();
    assert_eq!(told, case.head, "{shown}");
    if let Err(refusal) = &answered {
        assert_eq!(refusal.code, Code::ResponseBlocked, "{shown}");
    } else {
        let answered = exchange.body(case.body.as_bytes(), case.whole, now, space);
        assert_eq!(answered.as_ref().err().map(|refusal| refusal.status), case.refused, "{shown}");
        assert!(answered.err().is_none_or(|refusal| refusal.code == Code::ResponseBlocked), "{shown}");
    }
    let (findings, would) = exchange.end(now, space);
    assert_eq!(would, case.would.map(|code| (Verdict::WouldBlock, code)), "{shown}");
    let rules: Vec<&str> = findings.rules().map(|rule| &**rule).collect();
    assert_eq!(rules, case.rules, "{shown}");
}

#[test]
fn only_what_may_be_refused_after_its_head_is_held() {
    let snapshot = snapshot();
    for (target, holds) in [("/block", true), ("/strict", true), ("/watch", false), ("/requests", false)] {
        let exchange = request(&snapshot, "GET", target, false).exchange.expect("an exchange");
        assert_eq!(exchange.holds(), holds, "{target}");
    }
}

#[test]
fn the_last_phase_sees_what_passed_and_what_did_not() {
    let snapshot = snapshot();
    let space = &mut Workspace::default();
    let passed = request(&snapshot, "PUT", "/block", false).exchange.expect("an exchange");
    let (findings, would) = passed.end(SystemTime::UNIX_EPOCH, space);
    assert_eq!((findings.rules().map(|rule| &**rule).collect::<Vec<_>>(), would), (vec!["51"], None));
    let refused = request(&snapshot, "PUT", "/block?one=deny", false);
    assert_eq!(refused.findings.rules().map(|rule| &**rule).collect::<Vec<_>>(), ["11", "51"]);
}
