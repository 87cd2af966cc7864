//! A reload takes effect at once and for all, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rampart_tests::setup::CATCH_ALL;
use rampart_tests::shape::{self, SQL_INJECTION};
use rampart_tests::wait::eventually_some;
use rampart_tests::{Connection, CountingOrigin, Gateway, Setup};
use rustix::process::Signal;

const ONLY_A: &str = "[[route]]\nname = \"a\"\nmatch = { path = \"/a\" }\nupstream = \"agents\"\n";
const ONLY_B: &str = "[[route]]\nname = \"b\"\nmatch = { path = \"/b\" }\nupstream = \"agents\"\n";
const BROKEN: &str = "[[route]]\nname = \"a\"\nmatch = { path = \"/a\" }\nupstraem = \"agents\"\n";

async fn gateway_and_origin(routes: &str) -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    (gateway, origin)
}

async fn serves(gateway: &Gateway, target: &str) {
    eventually_some(&format!("{target} is served"), async || (gateway.get(target).await.status == 200).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_up_without_being_told() {
    let (gateway, _origin) = gateway_and_origin(ONLY_A).await;
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (200, 404));
    // Renamed into place, as editors do.
    gateway.replace_routes(ONLY_B);
    serves(&gateway, "/b").await;
    assert_eq!(gateway.get("/a").await.status, 404);
    // Written in place.
    std::fs::write(gateway.path("rules/routes.toml"), format!("version = 1\n{ONLY_A}")).unwrap();
    serves(&gateway, "/a").await;
    // A new file in a new folder.
    std::fs::create_dir_all(gateway.path("rules/team/deep")).unwrap();
    gateway.replace("rules/team/deep/more.toml", &format!("version = 1\n{ONLY_B}"));
    serves(&gateway, "/b").await;
    assert_eq!(gateway.get("/a").await.status, 200);
    // A file that goes away.
    std::fs::remove_file(gateway.path("rules/team/deep/more.toml")).unwrap();
    eventually_some("/b is gone", async || (gateway.get("/b").await.status == 404).then_some(())).await;
    // The editor that writes a backup first and renames twice.
    let path = gateway.path("rules/routes.toml");
    std::fs::rename(&path, gateway.path("rules/routes.toml~")).unwrap();
    std::fs::write(&path, format!("version = 1\n{ONLY_B}")).unwrap();
    serves(&gateway, "/b").await;
    std::fs::write(gateway.path("rules/.routes.toml.swp"), b"\0not a rule file").unwrap();
    assert_eq!(gateway.get("/b").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn config_toml_is_watched_too() {
    let (gateway, _origin) = gateway_and_origin(CATCH_ALL).await;
    let other = CountingOrigin::start().await;
    let config = gateway.read("config.toml");
    let upstream = config.find("[upstream.agents]").unwrap();
    let changed = format!("{}[upstream.agents]\naddresses = [\"http://{}\"]\n", &config[..upstream], other.address);
    gateway.replace("config.toml", &changed);
    eventually_some("the new upstream is used", async || {
        assert_eq!(gateway.get("/").await.status, 200);
        (other.requests() > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hangup_reloads() {
    let (gateway, _origin) = gateway_and_origin(ONLY_A).await;
    let before = gateway.metric_sum("rampart_reload_total").await;
    gateway.signal(Signal::HUP);
    eventually_some("a reload is counted", async || {
        (gateway.metric_sum("rampart_reload_total").await > before).then_some(())
    })
    .await;
    assert_eq!(gateway.get("/a").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_reloads_with_the_token_only() {
    let (gateway, _origin) = gateway_and_origin(ONLY_A).await;
    let digest = gateway.digest().await;
    let stranger = shape::head("POST", "/admin/reload", &[("Content-Length", "0")]);
    let refused = Connection::open(gateway.addresses.admin).await.ask(&stranger).await;
    assert_eq!(refused.status, 401);
    let fields = [("Authorization", "Bearer wrong"), ("Content-Length", "0")];
    let wrong =
        Connection::open(gateway.addresses.admin).await.ask(&shape::head("POST", "/admin/reload", &fields)).await;
    assert_eq!(wrong.status, 401);
    gateway.replace_routes(ONLY_B);
    let done = gateway.admin("POST", "/admin/reload").await;
    assert_eq!(done.status, 200, "{}", done.text());
    // The answer comes when the new snapshot serves: no waiting here.
    assert_eq!(gateway.get("/b").await.status, 200);
    assert_ne!(gateway.digest().await, digest);
    let actions = gateway.admin("GET", "/admin/actions").await;
    assert_eq!(actions.status, 200);
    assert!(actions.text().contains("reload"), "{}", actions.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_directory_leaves_the_old_snapshot_serving_and_says_so() {
    let (gateway, _origin) = gateway_and_origin(ONLY_A).await;
    let digest = gateway.digest().await;
    gateway.replace_routes(BROKEN);
    let refused = gateway.admin("POST", "/admin/reload").await;
    assert!(matches!(refused.status, 400 | 409 | 422), "{}: {}", refused.status, refused.text());
    assert!(refused.text().contains("upstraem"), "{}", refused.text());
    assert_eq!(gateway.get("/a").await.status, 200);
    assert_eq!(gateway.digest().await, digest);
    let ready = gateway.probe("/ready").await;
    assert_eq!(ready.status, 200, "the old snapshot serves: {}", ready.text());
    let text = ready.text();
    assert!(text.contains("reload"), "{text}");
    let stderr = gateway.read("stderr");
    assert!(
        stderr.contains("upstraem") && stderr.contains("upstream"),
        "the log names the key and the right one: {stderr}"
    );
    assert_eq!(gateway.metric(r#"rampart_reload_total{result="failed"}"#).await, 1);
    // And when it is mended, it is taken up.
    gateway.replace_routes(ONLY_B);
    serves(&gateway, "/b").await;
}

const SECLANG: &str = "[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\ninspection = \"sec\"\n\
                       [profile.sec]\nseclang = [\"sec.conf\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn seclang_files_and_their_data_are_watched() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address)
        .routes(SECLANG)
        .file("sec.conf", "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,deny,status:403\"\n")
        .file("words.data", "attack\n")
        .start()
        .await;
    let refused = async |target: &str| {
        eventually_some(target, async || (gateway.get(target).await.status == 403).then_some(())).await;
    };
    refused("/?a=attack").await;
    gateway.replace("words.data", "other\n");
    refused("/?a=other").await;
    assert_eq!(gateway.get("/?a=attack").await.status, 200);

    // The rules stand in the folder of config.toml, as the logs do, which ask for nothing.
    let reloads = gateway.metric_sum("rampart_reload_total").await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/?a=fine").await.status, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gateway.metric_sum("rampart_reload_total").await, reloads);

    gateway.replace("sec.conf", "SecRul ARGS x\n");
    eventually_some("a reload fails", async || {
        (gateway.metric(r#"rampart_reload_total{result="failed"}"#).await > 0).then_some(())
    })
    .await;
    assert_eq!(gateway.get("/?a=other").await.status, 403, "the rules before it serve");
    let stderr = gateway.read("stderr");
    assert!(stderr.contains("sec.conf:1:1"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_listener_needs_a_restart_and_says_so() {
    let (gateway, _origin) = gateway_and_origin(CATCH_ALL).await;
    let config = gateway.read("config.toml").replace(
        &format!("address = \"{}\"", gateway.addresses.plain),
        &format!("address = \"{}\"", rampart_tests::free_address()),
    );
    gateway.replace("config.toml", &config);
    gateway.admin("POST", "/admin/reload").await;
    assert_eq!(gateway.get("/").await.status, 200, "the old address still serves");
    eventually_some("the log says so", async || {
        gateway.read("stderr").to_lowercase().contains("restart").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_is_due_is_not_forgotten_by_the_next_reload() {
    let (gateway, _origin) = gateway_and_origin(CATCH_ALL).await;
    let before = gateway.read("config.toml");
    let reload = async || gateway.admin("POST", "/admin/reload").await.json();
    let due = async || gateway.probe("/ready").await.json()["reload"]["restart_needed"].clone();
    let limits = serde_json::json!(["[limits]"]);
    gateway.replace("config.toml", &format!("{before}[limits]\nmemory = \"128MiB\"\n"));
    // The watch may have been first; that this order finds nothing new is the point.
    for _ in 0..2 {
        let found = reload().await;
        assert_eq!((&found["restart_needed"], due().await), (&limits, limits.clone()), "{found}");
    }
    gateway.replace_routes(BROKEN);
    assert_eq!(reload().await["result"], "failed");
    assert_eq!(due().await, limits, "a failed reload changes nothing");
    gateway.replace_routes(CATCH_ALL);
    assert_eq!((&reload().await["restart_needed"], due().await), (&limits, limits.clone()));
    gateway.replace("config.toml", &before);
    let agreed = serde_json::json!([]);
    assert_eq!((&reload().await["restart_needed"], due().await), (&agreed, agreed.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_the_snapshot_it_started_with() {
    let (gateway, origin) = gateway_and_origin(CATCH_ALL).await;
    let digest = gateway.digest().await;
    let body = SQL_INJECTION.as_bytes();
    let bytes = shape::post("/api/v1/tasks", "application/json", body);
    let (front, back) = bytes.split_at(bytes.len() - 5);
    let mut begun = gateway.connect().await;
    begun.send(front).await;
    let held = async || (gateway.metric("rampart_requests_in_flight").await > 0).then_some(());
    eventually_some("the request is in flight", held).await;

    // From now on nothing is inspected any more; but the request began before.
    gateway.replace_routes(&CATCH_ALL.replace("upstream", "inspection = \"off\"\nupstream"));
    assert_eq!(gateway.admin("POST", "/admin/reload").await.status, 200);
    assert_eq!(gateway.ask(&bytes).await.status, 200, "a request that begins now is not inspected");
    begun.send(back).await;
    let response = begun.response().await;
    response.expect_problem(400, "payload_blocked");
    assert_eq!(gateway.event(response.header("x-request-id").unwrap()).await["snapshot"], digest);
    assert_eq!(origin.requests(), 1);
}

/// The short form of the soak (`make soak` runs 60 s): no request fails while the directory is replaced over and over.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_reloads_follow_each_other() {
    let (gateway, _origin) = gateway_and_origin(CATCH_ALL).await;
    let answered = storm(&gateway, 64, Duration::from_secs(5), Duration::from_millis(100)).await;
    assert!(answered > 200, "only {answered} requests");
    // A debug build under this load compiles the rules in a second or more; changes meanwhile are taken together.
    assert!(gateway.metric(r#"rampart_reload_total{result="swapped"}"#).await >= 1);
}

/// Requests on `connections` connections while reloads follow each other; how many were answered. Fails with the first
/// that was not answered well.
async fn storm(gateway: &Gateway, connections: usize, time: Duration, pause: Duration) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for client in 0..connections {
        let (stop, answered, address) = (stop.clone(), answered.clone(), gateway.addresses.plain);
        clients.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let good = shape::post("/api/v1/tasks", "application/json", br#"{"title":"weekly report"}"#);
            let bad = shape::post("/api/v1/tasks", "application/json", SQL_INJECTION.as_bytes());
            let mut turn = client;
            while !stop.load(Ordering::SeqCst) {
                turn += 1;
                let (bytes, status) = if turn % 4 == 0 { (&bad, 400) } else { (&good, 200) };
                let response = connection.ask(bytes).await;
                assert_eq!(response.status, status, "{}", response.text());
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    let started = std::time::Instant::now();
    let mut turn = 0_u64;
    while started.elapsed() < time {
        turn += 1;
        let noise = format!(
            "{CATCH_ALL}\n[[route]]\nname = \"turn {turn}\"\nmatch = {{ path = \"/turn/{turn}\" }}\nupstream = \"agents\"\n"
        );
        gateway.replace_routes(&noise);
        gateway.signal(Signal::HUP);
        tokio::time::sleep(pause).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("every request was answered well");
    }
    answered.load(Ordering::SeqCst)
}
