//! What an admin sees and does about quotas and upstreams; that it needs the token, and is recorded.

use rampart_tests::redis::Redis;
use rampart_tests::{CountingOrigin, Gateway, Setup, shape};
use serde_json::{Value, json};

const RULES: &str = r#"
[[route]]
name = "one"
match = { path = "/one" }
upstream = "agents"
quotas = ["by_address", "by_session"]

[quota.by_address]
algorithm = "sliding_log"
limit = 5
per = "1h"

[quota.by_session]
algorithm = "window"
limit = 10
per = "day"
key = ["header:x-session", "route", "method"]
"#;

async fn state(gateway: &Gateway, target: &str) -> Value {
    let response = gateway.admin("GET", target).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// What one client took, as the admin sees it, with counts in `source`.
async fn a_key_is_shown(gateway: &Gateway, source: &str) {
    let request = shape::head("GET", "/one", &[("X-Session", "alpha")]);
    for _ in 0..3 {
        assert_eq!(gateway.ask(&request).await.status, 200);
    }
    let by_address = "/admin/quotas/by_address?client_address=127.0.0.1";
    for _ in 0..2 {
        let found = state(gateway, by_address).await;
        assert_eq!((&found["quota"], &found["limit"]), (&"by_address".into(), &5.into()), "{found}");
        assert_eq!(
            (&found["remaining"], &found["source"]),
            (&2.into(), &source.into()),
            "looking takes nothing: {found}"
        );
        assert!((3_500..=3_600).contains(&found["reset_s"].as_u64().unwrap()), "{found}");
    }
    let other = state(gateway, "/admin/quotas/by_address?client_address=198.51.100.1").await;
    assert_eq!((&other["remaining"], &other["reset_s"]), (&5.into(), &0.into()), "{other}");
    let by_session = "/admin/quotas/by_session?client_address=127.0.0.1&header:x-session=alpha&route=one&method=";
    assert_eq!(state(gateway, &format!("{by_session}GET")).await["remaining"], 7);
    assert_eq!(state(gateway, &format!("{by_session}POST")).await["remaining"], 10);
    let spent = state(gateway, by_address).await["remaining"].as_u64().unwrap();
    for _ in 0..spent {
        assert_eq!(gateway.ask(&request).await.status, 200);
    }
    gateway.ask(&request).await.expect_problem(429, "rate_limited");
    let found = state(gateway, by_address).await;
    assert_eq!(found["remaining"], 0, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_key_stands_is_shown() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).without_inspection().routes(RULES).start().await;
    a_key_is_shown(&gateway, "local").await;
    let all = state(&gateway, "/admin/quotas").await;
    assert_eq!(all["quotas"], json!(["by_address", "by_session"]), "{all}");
    assert_eq!(all["memory"]["keys"], 2, "{all}");
    assert_eq!(all["memory"]["bound_bytes"], 64 << 20, "{all}");
    assert_eq!(gateway.metric("rampart_quota_keys").await, 2);
    for (target, status, code) in [
        ("/admin/quotas/by_adress", 404, "unknown_quota"),
        ("/admin/quotas/by_address?client_address=somebody", 400, "bad_query"),
    ] {
        let refused = gateway.admin("GET", target).await;
        assert_eq!((refused.status, &refused.json()["code"]), (status, &code.into()), "{target}");
    }
    for target in ["/admin/quotas", "/admin/quotas/by_address?client_address=127.0.0.1", "/admin/upstreams"] {
        assert_eq!(gateway.probe(target).await.status, 401, "{target} without the token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_key_stands_in_redis_is_shown() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let setup = Setup::new(origin.address).without_inspection().routes(RULES);
    let fleet = setup.redis(&crate::quotas::patient(&redis)).start_fleet(2).await;
    a_key_is_shown(&fleet[0], "redis").await;
    let found = state(&fleet[1], "/admin/quotas/by_address?client_address=127.0.0.1").await;
    assert_eq!((&found["remaining"], &found["source"]), (&0.into(), &"redis".into()), "at the other gateway: {found}");
}

/// The names that dashboards and alerts go by, and how many series they can have: none of them counts keys.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_their_names_and_few_series() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let rules = format!("{RULES}[ban.attackers]\n");
    let setup = Setup::new(origin.address).without_inspection().routes(&rules).redis(&crate::quotas::patient(&redis));
    let gateway = setup.start().await;
    gateway.redis_becomes("up").await;
    let series = async || gateway.probe("/metrics").await.text().lines().filter(|line| !line.starts_with('#')).count();
    gateway.get("/one").await;
    let before = series().await;
    let mut connection = gateway.connect().await;
    for number in 0..50 {
        let request = shape::head("GET", "/one", &[("X-Session", &number.to_string())]);
        connection.ask(&request).await;
    }
    assert!(series().await <= before + 4, "a key is no label");
    let text = gateway.probe("/metrics").await.text();
    for name in [
        "rampart_quota_decisions_total{",
        "rampart_quota_keys ",
        "rampart_quota_keys_bytes ",
        "rampart_quota_evictions_total ",
        "rampart_ban_refused_requests_total ",
        "rampart_ban_held ",
        "rampart_ban_lifted_total ",
        "rampart_redis_up 1",
        "rampart_redis_breaker_open 0",
        "rampart_redis_instances 1",
        "rampart_redis_commands_total{",
        "rampart_redis_command_seconds_bucket{",
        "rampart_redis_connections{state=\"idle\"} ",
        "rampart_redis_connections{state=\"active\"} ",
        "rampart_redis_pool_connections 4",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no line begins with {name:?}:\n{text}");
    }
    let labels = "quota=\"by_address\",mode=\"enforce\",outcome=\"allowed\",source=\"redis\"";
    assert_eq!(gateway.metric(&format!("rampart_quota_decisions_total{{{labels}}}")).await, 5);
}

async fn force(gateway: &Gateway, order: Value) -> (u16, Value) {
    let response = gateway.order("POST", "/admin/upstreams/agents/breaker", &order).await;
    (response.status, response.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_forced_and_let_go() {
    let (one, two) = (CountingOrigin::start().await, CountingOrigin::start().await);
    let addresses = format!("addresses = [\"http://{}\", \"http://{}\"]", one.address, two.address);
    let catch_all = rampart_tests::setup::CATCH_ALL;
    let gateway = Setup::bare().upstream("agents", &addresses).without_inspection().routes(catch_all).start().await;
    let (status, shown) = force(&gateway, json!({ "force": "open", "endpoint": one.address.to_string() })).await;
    assert_eq!(status, 200, "{shown}");
    let before = one.requests();
    for _ in 0..6 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    assert_eq!((one.requests(), two.requests()), (before, 6), "all go to the other");
    let listed = state(&gateway, "/admin/upstreams").await;
    let endpoints = listed[0]["endpoints"].as_array().expect("endpoints").clone();
    let forced =
        endpoints.iter().find(|endpoint| endpoint["endpoint"] == one.address.to_string()).expect("it is listed");
    assert_eq!((&forced["force"], &forced["usable"]), (&"open".into(), &false.into()), "{forced}");

    let (status, _) = force(&gateway, json!({ "force": "open" })).await;
    assert_eq!(status, 200);
    gateway.get("/").await.expect_problem(503, "upstream_unavailable");
    let (status, _) = force(&gateway, json!({ "force": "auto" })).await;
    assert_eq!(status, 200);
    for _ in 0..6 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    assert!(one.requests() > before, "both are asked again");

    for (order, status) in [
        (json!({ "force": "ajar" }), 400),
        (json!({}), 400),
        (json!({ "force": "open", "endpoint": "127.0.0.1:1" }), 404),
    ] {
        assert_eq!(force(&gateway, order.clone()).await.0, status, "{order}");
    }
    let unknown = gateway.order("POST", "/admin/upstreams/nobody/breaker", &json!({ "force": "open" })).await;
    assert_eq!(unknown.status, 404);
    let body = br#"{"force":"open"}"#;
    let stranger = shape::post("/admin/upstreams/agents/breaker", "application/json", body);
    let refused = rampart_tests::Connection::open(gateway.addresses.admin).await.ask(&stranger).await;
    assert_eq!(refused.status, 401);
    assert_eq!(gateway.get("/").await.status, 200, "no refused order did anything");

    gateway.action("force_breaker", "nobody").await;
    let actions = gateway.actions().await;
    let count = |outcome: &str| {
        actions.iter().filter(|entry| entry["action"] == "force_breaker" && entry["outcome"] == outcome).count()
    };
    assert_eq!((count("done"), count("refused")), (3, 4), "{actions:?}");
    assert!(actions.iter().all(|entry| entry["action"] != "force_breaker" || entry["client"] == "127.0.0.1"));
}
