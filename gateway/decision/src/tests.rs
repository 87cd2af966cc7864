//! Decisions over whole snapshots, compiled from text as an operator's files are.

use rampart_message::{Head, Headers, Version};
use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, Snapshot, load_embedded};
use rampart_record::Verdict;

use crate::{BodyPlan, Code, Declared, Origin, Refusal, Seen, Workspace, admit, judge};

const CONFIG: &str = r#"
version = 1
[listener.main]
address = "127.0.0.1:0"
[upstream.agents]
addresses = ["http://127.0.0.1:9"]
"#;

const RULES: &str = r#"
version = 1

[profile.default]
[profile.watch]
extends = "default"
mode = "detect"
[profile.quiet]
extends = "default"
disclose_location = false
[profile.off]
mode = "off"
[profile.short]
extends = "default"
limits = { json_depth = 2, string_length = 10 }

[[rule]]
id = "sqli-drop-table"
targets = ["args"]
transform = ["lowercase"]
match = { regex = '\bdrop\s+table\b' }
category = "sqli"
severity = "critical"

[[rule]]
id = "traversal"
targets = ["path"]
match = { regex = '\.\.' }
category = "path_traversal"
severity = "critical"

[[route]]
name = "tasks"
match = { path = "/api/v1/tasks", methods = ["GET", "POST"] }
upstream = "agents"
body_limit = "1KiB"

[[route]]
name = "watched"
match = { path = "/watched" }
upstream = "agents"
inspection = "watch"

[[route]]
name = "quiet"
match = { path = "/quiet" }
upstream = "agents"
inspection = "quiet"

[[route]]
name = "short"
match = { path = "/short" }
upstream = "agents"
inspection = "short"

[[route]]
name = "off"
match = { path = "/off" }
upstream = "agents"
inspection = "off"

[[route]]
name = "prefix"
match = { path = "/prefix" }
upstream = "agents"
body = "prefix:1KiB"

[[route]]
name = "stream"
match = { path = "/stream" }
upstream = "agents"
body = "stream"

[[route]]
name = "socket"
match = { path = "/ws" }
upstream = "agents"
websocket = true

[[route]]
name = "files"
match = { path = "/files/**" }
upstream = "agents"
"#;

fn snapshot() -> Snapshot {
    let options =
        LoadOptions { config: "config.toml".into(), environment: Environment::empty(), secrets: Secrets::Require };
    let embedded = Embedded { config: ("config.toml", CONFIG), rules: &[("rules/all.toml", RULES)] };
    let (report, snapshot) = load_embedded(&embedded, &options);
    let shown: Vec<String> = report.into_sorted().iter().map(ToString::to_string).collect();
    snapshot.unwrap_or_else(|| panic!("{}", shown.join("\n")))
}

/// One request as a line and fields; `Host` and `Content-Length` are added where the table does not name them.
#[derive(Default, Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    target: &'a str,
    fields: &'a [(&'a str, &'a str)],
    body: &'a str,
}

/// What became of it: the route's plan and verdict, or the refusal.
#[derive(Debug)]
struct Outcome {
    plan: Option<BodyPlan>,
    verdict: Verdict,
    code: Option<Code>,
    refusal: Option<Refusal>,
}

fn decide(snapshot: &Snapshot, sent: Sent<'_>) -> Outcome {
    let length = sent.body.len().to_string();
    let mut fields: Vec<(&[u8], &[u8])> = Vec::new();
    let named = |name: &str| sent.fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    if !named("host") {
        fields.push((b"Host", b"gateway.example"));
    }
    if !sent.body.is_empty() && !named("content-length") {
        fields.push((b"Content-Length", length.as_bytes()));
        fields.push((b"Content-Type", b"application/json"));
    }
    fields.extend(sent.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let head = Head {
        method: if sent.method.is_empty() { b"POST" } else { sent.method.as_bytes() },
        target: sent.target.as_bytes(),
        version: Version::Http11,
        authority: None,
        headers: Headers::new(&fields),
    };
    let declared = head
        .headers
        .get("content-length")
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
        .map_or(Declared::Nothing, Declared::Length);
    let workspace = &mut Workspace::default();
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let connection = rampart_inspection::Connection { client: local, server: local };
    let origin = Origin { connection, request_id: "test", now: std::time::SystemTime::UNIX_EPOCH };
    let admission = match admit(snapshot, &head, origin, declared, workspace) {
        Ok(admission) => admission,
        Err(denied) => {
            let refusal = denied.refusal;
            let (verdict, code) = (refusal.code.verdict(), Some(refusal.code));
            return Outcome { plan: None, verdict, code, refusal: Some(refusal) };
        }
    };
    let plan = admission.body;
    let judged = match plan {
        BodyPlan::Stream { .. } => judge(admission.route, admission.request, Seen::Whole(&[]), workspace),
        BodyPlan::Prefix { .. } => {
            judge(admission.route, admission.request, Seen::Prefix(sent.body.as_bytes()), workspace)
        }
        BodyPlan::None | BodyPlan::Buffer { .. } => {
            judge(admission.route, admission.request, Seen::Whole(sent.body.as_bytes()), workspace)
        }
    };
    Outcome { plan: Some(plan), verdict: judged.verdict, code: judged.code, refusal: judged.refusal }
}

/// A WebSocket handshake; the first two fields alone are none.
const HANDSHAKE: &[(&str, &str)] = &[
    ("Upgrade", "websocket"),
    ("Connection", "upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

const ATTACK: &str = r#"{"title": "'; DROP TABLE users; --"}"#;

#[test]
fn an_injection_is_refused_with_the_sentence_that_tools_rely_on() {
    let snapshot = snapshot();
    let outcome = decide(&snapshot, Sent { target: "/api/v1/tasks", body: ATTACK, ..Sent::default() });
    let refusal = outcome.refusal.expect("refused");
    assert_eq!(outcome.verdict, Verdict::Block);
    assert_eq!((refusal.status, refusal.code), (400, Code::PayloadBlocked));
    assert_eq!(refusal.error, "Potential SQL injection detected in root.title");
    assert_eq!(refusal.detail, "Request blocked for security reasons");
    assert_eq!(refusal.code.title(), "Request blocked");
}

#[test]
fn a_profile_may_keep_the_place_to_itself() {
    let outcome = decide(&snapshot(), Sent { target: "/quiet", body: ATTACK, ..Sent::default() });
    assert_eq!(outcome.refusal.expect("refused").error, "Potential SQL injection detected");
}

#[test]
fn detecting_lets_pass_and_says_what_it_would_have_done() {
    let outcome = decide(&snapshot(), Sent { target: "/watched", body: ATTACK, ..Sent::default() });
    assert_eq!((outcome.verdict, outcome.code), (Verdict::WouldBlock, Some(Code::PayloadBlocked)));
    assert_eq!(outcome.refusal, None);
}

#[test]
fn each_refusal_has_its_code() {
    let snapshot = snapshot();
    let check = |sent: Sent<'_>, expect: Code| {
        let outcome = decide(&snapshot, sent);
        assert_eq!(outcome.code, Some(expect), "{} {} {:?}: {outcome:?}", sent.method, sent.target, sent.fields);
    };
    let sent = Sent { method: "GET", target: "/api/v1/tasks", ..Sent::default() };
    check(Sent { target: "/nowhere", ..sent }, Code::RouteNotFound);
    check(Sent { method: "DELETE", ..sent }, Code::MethodNotAllowed);
    check(Sent { fields: &[("Host", "a b")], ..sent }, Code::HostInvalid);
    check(Sent { fields: &[("Expect", "miracles")], ..sent }, Code::ExpectationFailed);
    check(Sent { fields: &[("Transfer-Encoding", "chunked"), ("Content-Length", "1")], ..sent }, Code::FramingInvalid);
    check(Sent { fields: &[("Content-Length", "1025")], ..sent }, Code::BodyTooLarge);
    check(Sent { target: "/files/a%2fb", ..sent }, Code::PathRefused);
    check(Sent { target: "/files/a%00", ..sent }, Code::PathRefused);
    check(Sent { target: "/files/%252e%252e/etc", ..sent }, Code::PathRefused);
    check(Sent { target: "/files/%2e%2e/%2e%2e/etc/passwd", ..sent }, Code::RouteNotFound);
    check(Sent { target: "/files/../files/x", ..sent }, Code::PayloadBlocked);
    check(Sent { target: "/files/..%2f..%2fetc", ..sent }, Code::PayloadBlocked);
    check(Sent { target: "/files/x", fields: HANDSHAKE, ..sent }, Code::UpgradeRefused);
    let bare = &HANDSHAKE[..2];
    for target in ["/files/x", "/ws", "/stream", "/off"] {
        check(Sent { target, fields: bare, ..sent }, Code::UpgradeRefused);
        check(Sent { method: "POST", target, body: ATTACK, fields: HANDSHAKE }, Code::UpgradeRefused);
        check(Sent { target, body: ATTACK, fields: HANDSHAKE, ..sent }, Code::UpgradeRefused);
    }
    check(Sent { method: "POST", target: "/ws", body: ATTACK, fields: &HANDSHAKE[..1] }, Code::PayloadBlocked);
    check(Sent { method: "POST", target: "/short", body: r#"{"a":{"b":{"c":1}}}"#, fields: &[] }, Code::ContentLimit);
    check(Sent { method: "POST", target: "/short", body: r#"{"a":"12345678901"}"#, fields: &[] }, Code::ContentLimit);
    check(Sent { method: "POST", target: "/short", body: r#"{"a":"1""#, fields: &[] }, Code::MalformedContent);
}

#[test]
fn a_method_that_is_not_taken_names_those_that_are() {
    let outcome = decide(&snapshot(), Sent { method: "DELETE", target: "/api/v1/tasks", ..Sent::default() });
    let allow = outcome.refusal.and_then(|refusal| refusal.get("Allow").map(str::to_owned)).unwrap_or_default();
    assert!(allow.contains("GET") && allow.contains("POST") && !allow.contains("DELETE"), "{allow}");
}

#[test]
fn the_body_plan_follows_route_and_profile() {
    let snapshot = snapshot();
    let check = |target: &str, fields: &[(&str, &str)], expect: BodyPlan| {
        let outcome = decide(&snapshot, Sent { target, fields, body: "{}", ..Sent::default() });
        assert_eq!(outcome.plan, Some(expect), "{target}");
    };
    check("/api/v1/tasks", &[], BodyPlan::Buffer { limit_bytes: 1024 });
    check("/files/x", &[], BodyPlan::Buffer { limit_bytes: 10 << 20 });
    check("/stream", &[], BodyPlan::Stream { limit_bytes: None });
    check("/ws", &[], BodyPlan::Buffer { limit_bytes: 10 << 20 });
    let socket = decide(&snapshot, Sent { method: "GET", target: "/ws", fields: HANDSHAKE, ..Sent::default() });
    assert_eq!(socket.plan, Some(BodyPlan::Stream { limit_bytes: None }));
    let none = decide(&snapshot, Sent { method: "GET", target: "/files/x", ..Sent::default() });
    assert_eq!(none.plan, Some(BodyPlan::None));
    assert!(matches!(
        decide(&snapshot, Sent { target: "/off", body: "{}", ..Sent::default() }).plan,
        Some(BodyPlan::Stream { .. })
    ));
}

#[test]
fn a_prefix_is_judged_and_not_blamed_for_its_cut() {
    let snapshot = snapshot();
    let sent = Sent { target: "/prefix", ..Sent::default() };
    let cut = decide(&snapshot, Sent { body: r#"{"title": "a task that goes on and"#, ..sent });
    assert_eq!(cut.verdict, Verdict::Pass, "{cut:?}");
    let attack = decide(&snapshot, Sent { body: r#"{"title": "drop table users", "more": "goes on"#, ..sent });
    assert_eq!(attack.verdict, Verdict::Block, "{attack:?}");
}

#[test]
fn nothing_is_inspected_where_inspection_is_off_but_framing_is() {
    let snapshot = snapshot();
    assert_eq!(decide(&snapshot, Sent { target: "/off", body: ATTACK, ..Sent::default() }).verdict, Verdict::Pass);
    let twice = [("Content-Length", "1"), ("Content-Length", "1")];
    let outcome = decide(&snapshot, Sent { target: "/off", fields: &twice, ..Sent::default() });
    assert_eq!(outcome.code, Some(Code::FramingInvalid));
}

#[test]
fn codes_are_stable_words_with_statuses_of_the_contract() {
    const STATUSES: [u16; 17] = [400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 429, 431, 500, 502, 503, 504];
    for code in Code::ALL {
        assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code:?}");
        assert!(STATUSES.contains(&code.status()), "{code:?}");
        let expected = match code.status() {
            500.. => Verdict::Error,
            429 => Verdict::Limited,
            _ if matches!(code, Code::PayloadBlocked | Code::ResponseBlocked | Code::ContentLimit) => Verdict::Block,
            _ => Verdict::Refused,
        };
        assert_eq!(code.verdict(), expected, "{code:?}");
    }
}

#[test]
fn a_client_can_be_banned_for_every_refusal_that_is_its_own_fault() {
    let own = |code: &&Code| !matches!(code.verdict(), Verdict::Error);
    let ours: Vec<&str> = Code::ALL.iter().filter(own).map(|code| code.as_str()).collect();
    for code in &ours {
        assert!(rampart_policy::BLAMED.contains(code), "{code} is missing");
    }
    assert_eq!(ours.len(), rampart_policy::BLAMED.len());
}

#[test]
fn the_readme_lists_every_code_with_its_status() {
    let readme = include_str!("../../../README.md");
    for code in Code::ALL {
        let row = format!("| `{}` | {} | {} |", code.as_str(), code.status(), code.verdict());
        assert!(readme.contains(&row), "the README has no row {row}");
    }
}
