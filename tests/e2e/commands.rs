//! The command line: check, demo, version, and refusals to start that say what to do.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rampart_tests::curl::curl;
use rampart_tests::process::{Leashed, binary, workspace};
use rampart_tests::{Connection, CountingOrigin, Setup, free_address, shape};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = "version = 1\nrules = \"rules\"\n[listener.main]\naddress = \"127.0.0.1:0\"\n[upstream.agents]\naddresses = [\"http://127.0.0.1:9\"]\n";
const ROUTE: &str =
    "version = 1\n[profile.default]\n[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n";

const TOKEN: &str = "a-token-long-enough-for-the-check";

fn folder(config: &str, rules: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::with_prefix("rampart-check-").unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for (name, text) in rules {
        std::fs::write(folder.path().join("rules").join(name), text).unwrap();
    }
    folder
}

fn rampart(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_shipped_configuration_is_good() {
    let output = Command::new(binary())
        .args(["check", "--config", "config.toml"])
        .current_dir(workspace())
        .env("RAMPART_ADMIN_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn check_names_every_error_of_every_file_at_once() {
    let config = GOOD.replace("[upstream.agents]", "[upstream.agents]\nballance = \"round_robin\"");
    let routes = ROUTE.replace("upstream = \"agents\"", "upstream = \"agnets\"");
    let other = "version = 1\n[[route]]\nname = \"x\"\nmatch = { path = \"no slash\" }\nupstream = \"agents\"\nstrip_prefix = 7\n";
    let folder = folder(&config, &[("routes.toml", &routes), ("other.toml", other), ("broken.toml", "version = [1\n")]);
    let output = rampart(folder.path(), &["check", "--config", "config.toml", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let found: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)));
    let found = found.as_array().or_else(|| found["diagnostics"].as_array()).expect("a list of diagnostics").clone();
    let has = |file: &str, line: u64, part: &str| {
        found.iter().any(|one| {
            one["file"].as_str().is_some_and(|have| have.ends_with(file))
                && one["line"] == line
                && one["column"].as_u64().is_some_and(|column| column > 0)
                && one.to_string().contains(part)
        })
    };
    assert!(has("config.toml", 6, "ballance"), "{found:#?}");
    assert!(has("broken.toml", 1, "") || has("broken.toml", 2, ""), "{found:#?}");
    assert!(has("other.toml", 6, "strip_prefix"), "{found:#?}");
    let human = rampart(folder.path(), &["check", "--config", "config.toml"]);
    assert_eq!(human.status.code(), Some(1));
    let shown = format!("{}{}", text(&human.stdout), text(&human.stderr));
    for part in ["ballance", "balance", "config.toml:6", "strip_prefix", "broken.toml"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    // Once the shape is right, the meaning is judged: names that are not there, with the nearest that is.
    let folder = self::folder(GOOD, &[("routes.toml", &routes)]);
    let output = rampart(folder.path(), &["check", "--config", "config.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("agnets") && shown.contains("agents"), "{shown}");
}

#[test]
fn check_lists_seclang_rules_and_warns_of_what_does_not_happen() {
    let keys = "upstream = \"agents\"\ninspection = \"sec\"\n[profile.sec]\nseclang = [\"a.conf\"]\n\
                [profile.twin]\nextends = \"sec\"\n[profile.crs]\nseclang = [\"none/*.conf\"]";
    let folder = folder(GOOD, &[("routes.toml", &ROUTE.replace("upstream = \"agents\"", keys))]);
    let rules = "SecAuditEngine Off\nSecRule ARGS \"@contains x\" \"id:1,phase:2,deny\"\nSecRuleRemoveById 2\n";
    std::fs::write(folder.path().join("a.conf"), rules).unwrap();

    let output = rampart(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (answer, warnings) = (text(&output.stdout), text(&output.stderr));
    assert!(
        answer.contains("SecLang of sec, twin: 1 file, 3 rules left to run, 1 remark (--verbose lists"),
        "{answer}"
    );
    assert!(!answer.contains("no file fits"), "{answer}");
    assert!(warnings.contains("there is no rule with id 2") && warnings.contains("a.conf:3:1"), "{warnings}");
    assert!(warnings.contains("SecRuleRemoveById 2\n"), "the line is shown: {warnings}");

    let answer = text(&rampart(folder.path(), &["check", "--verbose"]).stdout);
    assert!(answer.contains("a.conf:1: SecAuditEngine has no effect"), "{answer}");
    assert!(answer.contains("SecLang of crs: not loaded, no route uses it: no file fits"), "{answer}");

    let output = rampart(folder.path(), &["check", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let set = &found["seclang"][0];
    assert_eq!((&set["profiles"], &set["rules"]), (&serde_json::json!(["sec", "twin"]), &3.into()), "{found}");
    assert!(set["files"][0].as_str().unwrap().ends_with("/a.conf"), "{found}");
    let lines: Vec<_> = set["remarks"].as_array().unwrap().iter().map(|one| (&one["line"], &one["warning"])).collect();
    assert!(lines.contains(&(&1.into(), &false.into())) && lines.contains(&(&3.into(), &true.into())), "{found}");
    assert!(found["unavailable"]["crs"].is_string(), "{found}");
    assert_eq!(found["warnings"], 2, "{found}");
}

#[test]
fn a_tie_between_routes_is_an_error() {
    let tie = format!("{ROUTE}[[route]]\nname = \"also all\"\nmatch = {{ path = \"/**\" }}\nupstream = \"agents\"\n");
    let folder = folder(GOOD, &[("routes.toml", &tie)]);
    let output = rampart(folder.path(), &["check", "--config", "config.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("also all") && shown.contains("\"all\"") || shown.contains("`all`"), "{shown}");
}

#[test]
fn the_schemas_are_json_schemas() {
    let folder = folder(GOOD, &[]);
    for kind in ["config", "rules"] {
        let output = rampart(folder.path(), &["check", "--schema", kind]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"), "{kind}");
        assert!(schema["properties"]["version"].is_object(), "{kind}");
    }
}

#[test]
fn usage_errors_and_missing_files_exit_with_2() {
    let folder = folder(GOOD, &[("routes.toml", ROUTE)]);
    for arguments in [&["no-such-command"][..], &["check", "--no-such-flag"], &["run", "--config", "not-there.toml"]] {
        let output = rampart(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_bad_configuration_refuses_to_start_and_says_what_to_do() {
    let folder = folder(&GOOD.replace("[upstream.agents]", "[upstraem.agents]"), &[("routes.toml", ROUTE)]);
    let output = rampart(folder.path(), &["run", "--config", "config.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let shown = text(&output.stderr);
    assert!(shown.contains("upstraem") && shown.contains("config.toml:5"), "{shown}");
}

#[tokio::test]
async fn an_address_that_is_taken_refuses_to_start_and_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder(&GOOD.replace("127.0.0.1:0", &address), &[("routes.toml", ROUTE)]);
    let child = Command::new(binary())
        .args(["run", "--config", "config.toml"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Leashed(child);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(15), "it runs although its address is taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status.code(), Some(2));
    let mut shown = String::new();
    std::io::Read::read_to_string(&mut child.0.stderr.take().unwrap(), &mut shown).unwrap();
    assert!(shown.contains(&address), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_overrides_any_key() {
    let configured = CountingOrigin::start().await;
    let other = CountingOrigin::start().await;
    let addresses = format!("[\"http://{}\"]", other.address);
    let gateway = Setup::new(configured.address)
        .env("RAMPART__UPSTREAM__AGENTS__ADDRESSES", &addresses)
        .env("RAMPART__LISTENER__MAIN__BODY_DEADLINE", "1s")
        .start()
        .await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!((configured.requests(), other.requests()), (0, 1));
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("POST", "/", &[("Content-Length", "9")])).await;
    connection.response().await.expect_problem(408, "body_timeout");

    let folder = folder(GOOD, &[("routes.toml", ROUTE)]);
    let output = Command::new(binary())
        .args(["check", "--config", "config.toml"])
        .current_dir(folder.path())
        .env("RAMPART__LISTENER__MAIN__ADRESS", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("RAMPART__LISTENER__MAIN__ADRESS") && shown.contains("address"), "{shown}");
}

#[test]
fn help_has_an_example_for_each_command() {
    let folder = folder(GOOD, &[]);
    for command in [&["run"][..], &["check"], &["demo"], &["audit", "query"], &["explain"], &["test"], &["version"]] {
        let output = rampart(folder.path(), &[command, &["--help"]].concat());
        let shown = text(&output.stdout);
        let example = format!("rampart {}", command.join(" "));
        assert!(shown.contains("Example") && shown.contains(&example), "{command:?}: {shown}");
    }
    let version = rampart(folder.path(), &["version"]);
    assert!(version.status.success());
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

fn shipped(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).current_dir(workspace()).env("RAMPART_ADMIN_TOKEN", TOKEN).output().unwrap()
}

#[test]
fn test_reports_every_case_in_the_agreed_form() {
    let output = shipped(&["test", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cases = summary["cases"].as_array().unwrap();
    assert_eq!(summary["failed"], 0);
    assert_eq!(summary["passed"], cases.len());
    assert!(cases.len() > 200, "{} cases of the shipped rules", cases.len());
    for case in cases {
        for member in ["id", "file", "stage", "status", "expected", "got", "micros"] {
            assert!(!case[member].is_null(), "{member} is missing in {case}");
        }
    }
    // A case that does not hold is counted, shown and decides the exit code.
    let rule = "version = 1\n[[rule]]\nid = \"own\"\ntargets = [\"query\"]\nmatch = { contains = \"bad\" }\ncategory = \"sqli\"\n\
                [[case]]\nrule = \"own\"\nblock = [\"bad\", \"good\"]\npass = [\"fine\"]\n";
    let folder = folder(GOOD, &[("routes.toml", ROUTE), ("own.toml", rule)]);
    let output = rampart(folder.path(), &["test", "--json", "--config", "config.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["passed"], &summary["failed"]), (&2.into(), &1.into()), "{summary}");
    // And such rules do not start.
    let check = rampart(folder.path(), &["check", "--config", "config.toml"]);
    assert_eq!(check.status.code(), Some(1));
}

#[test]
fn explain_says_what_traffic_would_meet() {
    let good = shipped(&["explain", "/api/v1/agents?limit=3", "--json"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    let blocked =
        shipped(&["explain", "/api/v1/tasks", "-H", "Content-Type: application/json", "-d", shape::SQL_INJECTION]);
    assert_eq!(blocked.status.code(), Some(1), "{}", text(&blocked.stderr));
    let shown = text(&blocked.stdout);
    assert!(shown.contains("root.title") && shown.contains("block"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_may_come_from_a_file_and_never_stand_in_the_configuration() {
    let origin = CountingOrigin::start().await;
    let secrets = TempDir::with_prefix("rampart-secret-").unwrap();
    let token = secrets.path().join("token");
    std::fs::write(&token, format!("{}\n", rampart_tests::setup::ADMIN_TOKEN)).unwrap();
    let reference = format!("secret://file{}", token.display());
    let gateway = Setup::new(origin.address).env("RAMPART__ADMIN__TOKEN", &reference).start().await;
    assert_eq!(gateway.admin("GET", "/admin/snapshot").await.status, 200);

    let config = format!("{GOOD}[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"hunter2-in-plain-text\"\n");
    let folder = folder(&config, &[("routes.toml", ROUTE)]);
    let output = rampart(folder.path(), &["check", "--config", "config.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("secret://"), "{shown}");
}

/// Whether a WebSocket at `/ws` echoes a message. Tried a few times: see `rampart_tests::origin::BEFORE_101`.
async fn websocket_echoes(gateway: std::net::SocketAddr) -> bool {
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for _ in 0..5 {
        let mut socket = Connection::open(gateway).await;
        socket.send(&shape::head("GET", "/ws", &handshake)).await;
        assert_eq!(socket.head_of_response().await.unwrap().status, 101);
        if socket.try_send(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.is_err() {
            continue;
        }
        let mut echoed = Vec::new();
        while let Ok(byte) = socket.exactly(1).await {
            echoed.extend(byte);
            if echoed.ends_with(b"hi") {
                return true;
            }
        }
    }
    false
}

/// `rampart demo` on addresses of its own, and every promise that its list of lines makes.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_what_it_promises() {
    let folder = TempDir::with_prefix("rampart-demo-").unwrap();
    let (listen, admin) = (free_address(), free_address());
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new(binary())
        .args(["demo", "--listen", &listen.to_string(), "--admin", &admin.to_string()])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut demo = Leashed(child);
    let read_log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    let up = rampart_tests::wait::eventually_some("the demo is up", async || {
        let url = format!("http://{admin}/ready");
        (curl(&[&url]).await.status == 200).then_some(())
    });
    up.await;
    let base = format!("http://{listen}");
    let post = async |path: &str, body: &str| {
        let url = format!("{base}{path}");
        curl(&["-H", "Content-Type: application/json", "-d", body, &url]).await
    };
    let agents = curl(&[&format!("{base}/api/v1/agents")]).await;
    assert_eq!(agents.status, 200, "{}", read_log());
    let good = post("/api/v1/tasks", r#"{"title":"Write the weekly report"}"#).await;
    assert!(matches!(good.status, 200 | 201), "{} {}", good.status, text(&good.body));
    let injection = post("/api/v1/tasks", shape::SQL_INJECTION).await;
    assert_eq!(injection.status, 400);
    assert!(
        text(&injection.body).contains("\"error\":\"Potential SQL injection detected in root.title\""),
        "{}",
        text(&injection.body)
    );
    let traversal = curl(&["--path-as-is", &format!("{base}/api/v1/agents/..%2f..%2fetc%2fpasswd")]).await;
    assert_eq!(traversal.status, 400);
    assert_eq!(post("/api/v1/tasks", &text(&shape::deep_json(11))).await.status, 400);
    let large = folder.path().join("large.json");
    std::fs::write(&large, vec![b' '; (10 << 20) + 1]).unwrap();
    let oversized = curl(&[
        "-H",
        "Content-Type: application/json",
        "-H",
        "Expect:",
        "--data-binary",
        &format!("@{}", large.display()),
        &format!("{base}/api/v1/tasks"),
    ])
    .await;
    assert_eq!(oversized.status, 413);
    let events = curl(&["--max-time", "2", &format!("{base}/events")]).await;
    assert!(text(&events.body).contains("data:"), "{}", text(&events.body));
    let chat = post("/v1/chat/completions", r#"{"model":"demo","messages":[{"role":"user","content":"Hello"}]}"#).await;
    assert_eq!(chat.status, 200);
    assert!(text(&chat.body).contains("choices"));
    assert!(websocket_echoes(listen).await, "{}", read_log());
    let metrics = curl(&[&format!("http://{admin}/metrics")]).await;
    assert!(text(&metrics.body).contains("rampart_requests_total"));
    let shown = read_log();
    assert!(shown.matches("curl").count() >= 6, "lines to paste: {shown}");
    let guessing = shown.lines().find(|line| line.contains("/auth/login")).expect("a line about quotas");
    let guessed = Command::new("sh").args(["-c", guessing]).output().unwrap();
    assert_eq!(text(&guessed.stdout), "401\n401\n401\n401\n401\n429\n", "{guessing}");
    rampart_tests::process::signal(demo.0.id(), Signal::INT);
    let started = Instant::now();
    while demo.0.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(10), "the demo does not stop");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
