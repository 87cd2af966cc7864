//! What is left of a request: log lines, events in the store, metrics; and what must never be in them.

use rampart_tests::shape::{self, SQL_INJECTION};
use rampart_tests::wait::eventually_some;
use rampart_tests::{CountingOrigin, Gateway, Setup};
use rustix::process::Signal;
use serde_json::Value;

async fn gateway_and_origin(config: &str) -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).config(config).start().await;
    (gateway, origin)
}

fn attack() -> Vec<u8> {
    shape::post("/api/v1/tasks?page=2", "application/json", SQL_INJECTION.as_bytes())
}

/// Runs `rampart` with these arguments in the gateway's folder.
fn rampart(gateway: &Gateway, arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(rampart_tests::process::binary())
        .args(arguments)
        .current_dir(gateway.folder())
        .env("RAMPART_ADMIN_TOKEN", rampart_tests::setup::ADMIN_TOKEN)
        .output()
        .unwrap()
}

fn query(gateway: &Gateway, filters: &[&str]) -> Vec<Value> {
    let output = rampart(gateway, &[&["audit", "query", "--config", "config.toml", "--json"], filters].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{filters:?}: {stderr}");
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    page["items"].as_array().expect("items").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_one_access_line_without_its_query() {
    let (gateway, origin) = gateway_and_origin("").await;
    let secret = shape::head(
        "GET",
        "/a/b?token=hunter2",
        &[("User-Agent", "probe \"1\""), ("Authorization", "Bearer hunter3"), ("Cookie", "sid=hunter4")],
    );
    let passed = gateway.ask(&secret).await;
    assert_eq!(passed.status, 200);
    let entry = gateway.access(passed.header("x-request-id").unwrap()).await;
    assert_eq!(entry["method"], "GET");
    assert_eq!(entry["path"], "/a/b");
    assert_eq!(entry["host"], "gateway.test");
    assert_eq!(entry["status"], 200);
    assert_eq!(entry["verdict"], "pass");
    assert_eq!(entry["route"], "all");
    assert_eq!(entry["client"], "127.0.0.1");
    assert_eq!(entry["upstream"], origin.address.to_string());
    assert!(entry["micros"].as_u64().unwrap() > 0, "{entry}");
    assert!(entry["bytes_out"].as_u64().unwrap() >= 11, "{entry}");

    let blocked = gateway.ask(&attack()).await;
    let entry = gateway.access(blocked.header("x-request-id").unwrap()).await;
    assert_eq!((&entry["verdict"], &entry["status"]), (&"block".into(), &400.into()));
    assert_eq!(entry["path"], "/api/v1/tasks");
    assert_eq!(entry["upstream"], Value::Null);
    let lost = gateway.ask(b"GET http://[::bad/ HTTP/1.1\r\nHost: gateway.test\r\n\r\n").await;
    assert_eq!(lost.status, 400);
    for file in ["access.log", "events.log", "stderr", "stdout"] {
        let text = gateway.read(file);
        assert!(!text.contains("hunter"), "{file}: {text}");
    }
    assert_eq!(gateway.lines("access.log").iter().filter(|line| line["path"] == "/a/b").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_redacted_even_when_they_match() {
    let (gateway, _origin) = gateway_and_origin("").await;
    let bytes = shape::head("GET", "/", &[("Cookie", "session=hunter2' UNION SELECT password FROM users--")]);
    let response = gateway.ask(&bytes).await;
    response.expect_problem(400, "payload_blocked");
    let event = gateway.event(response.header("x-request-id").unwrap()).await;
    assert!(event["matches"][0]["target"].as_str().unwrap().contains("cookie"), "{event}");
    assert!(!event.to_string().contains("hunter2"), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_queried_while_the_gateway_writes() {
    let (gateway, _origin) = gateway_and_origin("").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let response = gateway.ask(&attack()).await;
        let id = response.header("x-request-id").unwrap().to_owned();
        // An event is written a moment after its answer: without waiting, two of them may pass each other.
        gateway.event(&id).await;
        ids.push(id);
    }
    let malformed = gateway.ask(&shape::post("/api/v1/tasks", "application/json", b"{")).await;
    malformed.expect_problem(400, "malformed_content");
    let found = eventually_some("the events are in the store", async || {
        let found = query(&gateway, &["--verdict", "block"]);
        (found.len() == 5).then_some(found)
    })
    .await;
    let newest_first: Vec<&str> = found.iter().map(|event| event["request_id"].as_str().unwrap()).collect();
    assert_eq!(newest_first, ids.iter().rev().map(String::as_str).collect::<Vec<_>>());
    let logged = gateway.event(&ids[0]).await;
    assert_eq!(*found.last().unwrap(), logged, "the store and the log say the same");

    assert_eq!(query(&gateway, &["--request-id", &ids[2]]).len(), 1);
    assert_eq!(query(&gateway, &["--client", "192.0.2.1"]).len(), 0);
    assert_eq!(query(&gateway, &["--client", "127.0.0.1", "--route", "all", "--verdict", "block"]).len(), 5);
    assert_eq!(query(&gateway, &["--limit", "2"]).len(), 2);
    let rule = found[0]["matches"][0]["rule"].as_str().unwrap().to_owned();
    assert_eq!(query(&gateway, &["--rule", &rule]).len(), 5);
    assert_eq!(query(&gateway, &["--since", "1h"]).len(), query(&gateway, &[]).len());
    let too_many = rampart(&gateway, &["audit", "query", "--config", "config.toml", "--limit", "1001"]);
    assert_eq!(too_many.status.code(), Some(2), "pages are of at most 1,000");
    // The same over the admin listener.
    let over_http = gateway.admin("GET", "/admin/events?verdict=block&limit=3").await;
    assert_eq!(over_http.status, 200, "{}", over_http.text());
    assert_eq!(over_http.json()["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_by_cursor() {
    let (gateway, _origin) = gateway_and_origin("").await;
    for _ in 0..7 {
        gateway.ask(&attack()).await;
    }
    eventually_some("seven events", async || (query(&gateway, &[]).len() == 7).then_some(())).await;
    let mut seen = Vec::new();
    let mut cursor = None::<String>;
    for _ in 0..4 {
        let mut arguments = vec!["audit", "query", "--config", "config.toml", "--json", "--limit", "2"];
        if let Some(cursor) = &cursor {
            arguments.extend(["--before", cursor]);
        }
        let page: Value = serde_json::from_slice(&rampart(&gateway, &arguments).stdout).unwrap();
        seen.extend(page["items"].as_array().unwrap().iter().map(|event| event["request_id"].to_string()));
        cursor = match &page["next"] {
            Value::Null => None,
            Value::String(next) => Some(next.clone()),
            next => Some(next.to_string()),
        };
        if cursor.is_none() {
            break;
        }
    }
    let whole = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((whole, seen.len()), (7, 7), "each event once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_moved_away_is_opened_anew_on_the_signal() {
    let (gateway, _origin) = gateway_and_origin("").await;
    let first = gateway.get("/before").await;
    gateway.access(first.header("x-request-id").unwrap()).await;
    std::fs::rename(gateway.path("access.log"), gateway.path("access.log.old")).unwrap();
    gateway.signal(Signal::USR1);
    eventually_some("a new file is there", async || gateway.path("access.log").exists().then_some(())).await;
    let second = gateway.get("/after").await;
    gateway.access(second.header("x-request-id").unwrap()).await;
    assert!(!gateway.read("access.log").contains("/before"));
    assert!(!gateway.read("access.log.old").contains("/after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_rotate_by_size_and_keep_so_many() {
    let log = "[log.access]\nto = \"file\"\npath = \"access.log\"\nrotate_size = \"64KiB\"\nkeep = 2\n";
    let (gateway, _origin) = gateway_and_origin(log).await;
    let mut connection = gateway.connect().await;
    let target = format!("/{}", "long".repeat(200));
    let files = || {
        std::fs::read_dir(gateway.folder())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("access"))
            .count()
    };
    for _ in 0..400 {
        assert_eq!(connection.ask(&shape::get(&target)).await.status, 200);
    }
    rampart_tests::eventually("the log was rotated", || files() >= 2).await;
    rampart_tests::eventually("no more than three files", || files() <= 3).await;
    for entry in std::fs::read_dir(gateway.folder()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("access") {
            assert!(entry.metadata().unwrap().len() < 200 << 10, "{entry:?}");
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(!gateway.lines(&name).is_empty() || name == "access.log", "{name} holds whole lines");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_named_and_bounded() {
    let (gateway, _origin) = gateway_and_origin("").await;
    for turn in 0..20 {
        gateway.get(&format!("/user/{turn}")).await;
    }
    gateway.ask(&attack()).await;
    // A request is counted when its answer has been sent: a moment after the client has it.
    eventually_some("all are counted", async || {
        (gateway.metric_sum("rampart_requests_total").await == 21).then_some(())
    })
    .await;
    let response = gateway.probe("/metrics").await;
    assert_eq!(response.status, 200);
    let kind = response.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text") || kind.starts_with("text/plain"), "{kind}");
    let text = response.text();
    assert!(text.trim_end().ends_with("# EOF"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("rampart_") || line.starts_with("process_"), "{line}");
        assert!(!line.contains("/user/") && !line.contains("127.0.0.1:5"), "a label that grows with traffic: {line}");
    }
    let blocked = text.lines().any(|line| {
        line.starts_with("rampart_requests_total{") && line.contains("verdict=\"block\"") && line.ends_with(" 1")
    });
    assert!(blocked, "{text}");
    for name in
        ["rampart_build_info", "rampart_snapshot_info", "rampart_reload_total", "rampart_upstream_", "rampart_record_"]
    {
        assert!(text.contains(name), "{name} is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_and_admin_calls_need_the_token() {
    let (gateway, _origin) = gateway_and_origin("").await;
    assert_eq!(gateway.probe("/health").await.status, 200);
    let ready = gateway.probe("/ready").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json().is_object());
    for target in ["/admin/snapshot", "/admin/events", "/admin/actions"] {
        assert_eq!(gateway.probe(target).await.status, 401, "{target}");
        assert_eq!(gateway.admin("GET", target).await.status, 200, "{target}");
    }
    // The traffic listener knows none of them.
    let other = CountingOrigin::start().await;
    let gateway = Setup::new(other.address)
        .routes("[[route]]\nname = \"a\"\nmatch = { path = \"/a\" }\nupstream = \"agents\"\n")
        .start()
        .await;
    for target in ["/health", "/ready", "/metrics", "/admin/snapshot"] {
        assert_eq!(gateway.get(target).await.status, 404, "{target}");
    }
}
