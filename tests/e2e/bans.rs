//! Bans: who is refused too often is turned away on every route, for longer each time, at every gateway; and what an admin
//! can do about it.

use std::time::{Duration, Instant};

use rampart_tests::announce::plain_from;
use rampart_tests::quota::retry_after_s;
use rampart_tests::redis::Redis;
use rampart_tests::setup::CATCH_ALL;
use rampart_tests::wait::eventually_some;
use rampart_tests::{CountingOrigin, Gateway, Response, Setup, shape};
use serde_json::{Value, json};

use crate::quotas::patient;

const ATTACKER: &str = "127.0.0.66";
const NEIGHBOUR: &str = "127.0.0.67";

/// A profile that blocks what looks like SQL, and nothing else of the shipped rules: such a gateway is up in an instant.
const RULES: &str = r#"version = 1

[[rule]]
id = "drop-table"
targets = ["args"]
match = { regex = "(?i)drop table" }
category = "sqli"

[profile.default]
mode = "block"
threshold = 5
"#;

const BLOCKED: &str = "/?q=drop%20table";

fn setup(origin: &CountingOrigin, bans: &str) -> Setup {
    Setup::new(origin.address)
        .without_shipped_rules()
        .file("rules/inspection.toml", RULES)
        .process("trusted_proxies = [\"127.0.0.1\"]")
        .routes(&format!("{CATCH_ALL}\n{bans}"))
}

async fn ask(gateway: &Gateway, from: &str, target: &str) -> Response {
    plain_from(from, gateway.addresses.plain).await.ask(&shape::get(target)).await
}

/// Asks for a client behind the trusted proxy.
async fn ask_for(gateway: &Gateway, client: &str, target: &str) -> Response {
    gateway.ask(&shape::head("GET", target, &[("X-Forwarded-For", client)])).await
}

fn expect_banned(response: &Response, for_s: std::ops::RangeInclusive<u64>) {
    response.expect_problem(403, "banned");
    let wait_s = retry_after_s(response).expect("it says when it ends");
    assert!(for_s.contains(&wait_s), "{wait_s} is not {for_s:?}");
}

/// The ban is made when a refused request is over, a moment after its answer.
async fn becomes_banned(gateway: &Gateway, from: &str) -> Response {
    eventually_some(&format!("{from} is banned"), async || {
        Some(ask(gateway, from, "/").await).filter(|response| response.status == 403)
    })
    .await
}

async fn is_served_again(gateway: &Gateway, from: &str) {
    let served = async || (ask(gateway, from, "/").await.status == 200).then_some(());
    eventually_some(&format!("{from} is served again"), served).await;
}

async fn bans(gateway: &Gateway) -> Vec<Value> {
    let list = gateway.admin("GET", "/admin/bans").await;
    assert_eq!(list.status, 200, "{}", list.text());
    list.json().as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_requests_ban_their_address_everywhere() {
    let origin = CountingOrigin::start().await;
    let ban = "[ban.attackers]\nafter = 3\nper = \"60s\"\nfor = \"10m\"\n";
    let gateway = setup(&origin, ban).tls().start().await;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, ATTACKER, "/").await.status, 200, "not yet");
        ask(&gateway, ATTACKER, BLOCKED).await.expect_problem(400, "payload_blocked");
    }
    expect_banned(&becomes_banned(&gateway, ATTACKER).await, 590..=600);
    let requests = origin.requests();
    for target in ["/", "/other", "/nowhere/at/all", BLOCKED] {
        expect_banned(&ask(&gateway, ATTACKER, target).await, 590..=600);
    }
    assert_eq!(origin.requests(), requests, "a banned client reaches no origin");
    assert_eq!(ask(&gateway, NEIGHBOUR, "/").await.status, 200, "another address");
    assert_eq!(gateway.get("/").await.status, 200);

    let listed = bans(&gateway).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let ban = &listed[0];
    assert_eq!(ban["network"], format!("{ATTACKER}/32"), "{ban}");
    assert_eq!((&ban["ban"], &ban["reason"]), (&"attackers".into(), &"payload_blocked".into()), "{ban}");
    assert_eq!((&ban["level"], &ban["origin"]), (&1.into(), &"here".into()), "{ban}");
    let action = gateway.action("ban", ATTACKER).await;
    assert_eq!((&action["actor"], &action["outcome"]), (&"ban attackers".into(), &"done".into()), "{action}");
    assert_eq!(gateway.metric(r#"rampart_ban_made_total{ban="attackers",origin="here"}"#).await, 1);
    assert!(gateway.metric("rampart_ban_refused_requests_total").await >= 4);
    assert_eq!(gateway.metric(r#"rampart_ban_offences_total{ban="attackers"}"#).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_banned_for_longer() {
    let origin = CountingOrigin::start().await;
    let ban = "[ban.attackers]\nafter = 2\nper = \"60s\"\nfor = \"2s\"\nescalate = 2\nup_to = \"5s\"\n";
    let gateway = setup(&origin, ban).start().await;
    for (level, seconds) in [(1, 2), (2, 4), (3, 5)] {
        for _ in 0..2 {
            ask(&gateway, ATTACKER, BLOCKED).await.expect_problem(400, "payload_blocked");
        }
        expect_banned(&becomes_banned(&gateway, ATTACKER).await, 1..=seconds);
        let since = Instant::now();
        let listed = bans(&gateway).await;
        assert_eq!(listed[0]["level"], level, "{listed:?}");
        if level < 3 {
            is_served_again(&gateway, ATTACKER).await;
            // It was made before it was first seen.
            assert!(since.elapsed() < Duration::from_secs(seconds) + Duration::from_secs(2), "level {level}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_allowed_is_never_banned_and_what_does_not_count_bans_nobody() {
    let origin = CountingOrigin::start().await;
    let ban = format!(
        "[ban.all]\nafter = 2\nper = \"60s\"\nfor = \"10m\"\ncounts = [\"payload_blocked\", \"route\"]\n\
         allow = [\"{NEIGHBOUR}\", \"2001:db8:a::/48\"]\n"
    );
    let only = "[[route]]\nname = \"all\"\nmatch = { path = \"/\", methods = [\"GET\"] }\nupstream = \"agents\"\n";
    let gateway = setup(&origin, &ban).routes(&format!("{only}{ban}")).start().await;
    for _ in 0..5 {
        ask(&gateway, NEIGHBOUR, BLOCKED).await.expect_problem(400, "payload_blocked");
        ask_for(&gateway, "2001:db8:a:1::1", BLOCKED).await.expect_problem(400, "payload_blocked");
        // What an offence is, the ban says: this is none.
        let mut other = plain_from("127.0.0.68", gateway.addresses.plain).await;
        other.ask(&shape::head("DELETE", "/", &[])).await.expect_problem(405, "method_not_allowed");
    }
    // `route` is `route_not_found`.
    for _ in 0..2 {
        ask(&gateway, ATTACKER, "/nowhere").await.expect_problem(404, "route_not_found");
    }
    becomes_banned(&gateway, ATTACKER).await;
    let listed = bans(&gateway).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["reason"], "route_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_client_is_banned_with_its_network() {
    let origin = CountingOrigin::start().await;
    let ban = "[ban.attackers]\nafter = 3\nper = \"60s\"\nfor = \"10m\"\n";
    let gateway = setup(&origin, ban).start().await;
    for host in 1..=3 {
        let response = ask_for(&gateway, &format!("2001:db8:1:2::{host}"), BLOCKED).await;
        response.expect_problem(400, "payload_blocked");
    }
    eventually_some("the network is banned", async || {
        (ask_for(&gateway, "2001:db8:1:2::ffff", "/").await.status == 403).then_some(())
    })
    .await;
    assert_eq!(ask_for(&gateway, "2001:db8:1:3::1", "/").await.status, 200, "the network beside it");
    // What a stranger says of himself bans nobody else.
    let forged = shape::head("GET", BLOCKED, &[("X-Forwarded-For", "2001:db8:1:3::1")]);
    for _ in 0..3 {
        plain_from(ATTACKER, gateway.addresses.plain).await.ask(&forged).await.expect_problem(400, "payload_blocked");
    }
    becomes_banned(&gateway, ATTACKER).await;
    assert_eq!(ask_for(&gateway, "2001:db8:1:3::1", "/").await.status, 200);
    assert_eq!(bans(&gateway).await.len(), 2);
}

const MANY: &str = "[ban.attackers]\nafter = 6\nper = \"60s\"\nfor = \"10m\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn gateways_count_together_and_ban_together() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let fleet = setup(&origin, MANY).redis(&patient(&redis)).start_fleet(2).await;
    // Three here and three there: neither gateway alone has seen enough.
    for _ in 0..3 {
        for gateway in &fleet {
            ask(gateway, ATTACKER, BLOCKED).await.expect_problem(400, "payload_blocked");
        }
    }
    let since = Instant::now();
    for gateway in &fleet {
        expect_banned(&becomes_banned(gateway, ATTACKER).await, 590..=600);
    }
    eprintln!("both gateways hold the ban {:?} after the last offence", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(5));

    // Lifted at one, lifted at both; and forgotten, so that the next is the first again.
    let answer = fleet[1].admin("DELETE", &format!("/admin/bans/{ATTACKER}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for gateway in &fleet {
        is_served_again(gateway, ATTACKER).await;
    }

    // By hand at one, for both, and for one that starts later.
    let order = json!({ "address": NEIGHBOUR, "for_s": 300, "reason": "told to" });
    assert_eq!(fleet[0].order("POST", "/admin/bans", &order).await.status, 201);
    let late = setup(&origin, MANY).redis(&patient(&redis)).start().await;
    for gateway in fleet.iter().chain([&late]) {
        expect_banned(&becomes_banned(gateway, NEIGHBOUR).await, 270..=300);
    }
    let listed = bans(&fleet[1]).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0]["ban"], &listed[0]["reason"]), (&"admin".into(), &"told to".into()));
    assert_eq!(listed[0]["origin"], "shared");
    let stored = redis.command(&["KEYS", "*"]);
    assert!(!format!("{stored:?}").contains(NEIGHBOUR), "no address in clear in Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_gateway_bans_for_itself() {
    let (origin, mut redis) = (CountingOrigin::start().await, Redis::start());
    let fleet = setup(&origin, "[ban.attackers]\nafter = 2\nper = \"60s\"\nfor = \"10m\"\n");
    let fleet = fleet.redis(&patient(&redis)).start_fleet(2).await;
    tokio::task::block_in_place(|| redis.kill());
    for gateway in &fleet {
        gateway.redis_becomes("down").await;
    }
    for _ in 0..2 {
        ask(&fleet[0], ATTACKER, BLOCKED).await.expect_problem(400, "payload_blocked");
    }
    becomes_banned(&fleet[0], ATTACKER).await;
    assert_eq!(ask(&fleet[1], ATTACKER, "/").await.status, 200, "this one has heard of nothing");
    // A ban that was made meanwhile is told once Redis is there again.
    tokio::task::block_in_place(|| redis.restart());
    becomes_banned(&fleet[1], ATTACKER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_lists_adds_and_lifts() {
    let origin = CountingOrigin::start().await;
    let gateway = setup(&origin, "").start().await;
    assert_eq!(bans(&gateway).await, Vec::<Value>::new());
    let order = json!({ "address": ATTACKER, "for_s": 120, "reason": "seen in another log" });
    let made = gateway.order("POST", "/admin/bans", &order).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let ban = made.json();
    assert_eq!((&ban["network"], &ban["ban"]), (&format!("{ATTACKER}/32").into(), &"admin".into()), "{ban}");
    expect_banned(&ask(&gateway, ATTACKER, "/").await, 110..=120);
    assert_eq!(bans(&gateway).await[0]["reason"], "seen in another log");
    let lifted = gateway.admin("DELETE", &format!("/admin/bans/{ATTACKER}")).await;
    assert_eq!((lifted.status, &lifted.json()["lifted"]), (200, &ATTACKER.into()));
    assert_eq!(ask(&gateway, ATTACKER, "/").await.status, 200, "at once");
    assert_eq!(bans(&gateway).await, Vec::<Value>::new());

    // Refused orders change nothing, and are recorded as well.
    assert_eq!(gateway.admin("DELETE", &format!("/admin/bans/{ATTACKER}")).await.status, 404);
    assert_eq!(gateway.admin("DELETE", "/admin/bans/nobody").await.status, 400);
    for order in [
        json!({}),
        json!({ "address": "nobody" }),
        json!({ "address": ATTACKER, "for_s": 0 }),
        json!({ "address": ATTACKER, "for_s": 31_536_001 }),
        json!({ "address": ATTACKER, "fro_s": 60 }),
    ] {
        let refused = gateway.order("POST", "/admin/bans", &order).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &"bad_order".into()), "{order}");
    }
    let stranger = [
        shape::get("/admin/bans"),
        shape::head("DELETE", &format!("/admin/bans/{ATTACKER}"), &[("Content-Length", "0")]),
        shape::post("/admin/bans", "application/json", order.to_string().as_bytes()),
    ];
    for request in stranger {
        let refused = rampart_tests::Connection::open(gateway.addresses.admin).await.ask(&request).await;
        assert_eq!(refused.status, 401, "{}", refused.text());
    }
    assert_eq!(bans(&gateway).await, Vec::<Value>::new());
    let made = gateway.action("ban", ATTACKER).await;
    assert_eq!((&made["actor"], &made["outcome"]), (&"admin".into(), &"done".into()), "{made}");
    let actions = gateway.actions().await;
    let count = |action: &str, outcome: &str| {
        actions.iter().filter(|entry| entry["action"] == action && entry["outcome"] == outcome).count()
    };
    let found =
        [count("ban", "done"), count("ban", "refused"), count("lift_ban", "done"), count("lift_ban", "refused")];
    assert_eq!(found, [1, 5, 1, 2], "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_bans_and_heeds_a_new_allow_list() {
    let origin = CountingOrigin::start().await;
    let ban = "[ban.attackers]\nafter = 2\nper = \"60s\"\nfor = \"10m\"\n";
    let gateway = setup(&origin, ban).start().await;
    for _ in 0..2 {
        ask(&gateway, ATTACKER, BLOCKED).await.expect_problem(400, "payload_blocked");
    }
    becomes_banned(&gateway, ATTACKER).await;
    let reload = async |rules: &str| {
        gateway.replace_routes(rules);
        assert_eq!(gateway.admin("POST", "/admin/reload").await.status, 200);
    };
    reload(&format!("{CATCH_ALL}{}", ban.replace("after = 2", "after = 20"))).await;
    expect_banned(&ask(&gateway, ATTACKER, "/").await, 570..=600);
    reload(&format!("{CATCH_ALL}{ban}allow = [\"127.0.0.64/29\"]\n")).await;
    assert_eq!(ask(&gateway, ATTACKER, "/").await.status, 200);
}
