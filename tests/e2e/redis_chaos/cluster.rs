//! A Cluster of three masters: its slots move while clients count in them, and all stop answering.

use std::collections::BTreeMap;
use std::time::Duration;

use rampart_tests::redis::Cluster;
use rampart_tests::wait::eventually_some;
use rampart_tests::{CountingOrigin, Gateway, Setup, shape};

use super::{A_WHILE, DEADLINE, MISSED_AT_MOST, Storm, expect_modes, expect_recovery, missed, setup};

const FIVE: &str = r#"
[[route]]
name = "five"
match = { path = "/five" }
upstream = "agents"
quotas = ["five"]

[quota.five]
algorithm = "sliding_log"
limit = 5
per = "1h"
on_store_failure = "deny"
"#;

/// Clients, so many that some of their counts lie in slots that move.
const CLIENTS: usize = 240;

/// Every client asks until it is answered by the quota: who passed is counted in `passed`. A key that is under way from
/// one node to the other cannot be counted at that moment, and this quota refuses then; that costs nothing. How often.
async fn everybody_asks(gateway: &Gateway, passed: &mut BTreeMap<usize, usize>) -> usize {
    let mut connection = gateway.connect().await;
    let mut denied = 0;
    for client in 0..CLIENTS {
        let address = format!("198.51.{}.{}", client / 200, client % 200 + 1);
        let request = shape::head("GET", "/five", &[("X-Forwarded-For", &address)]);
        let mut response = connection.ask(&request).await;
        for _ in 0..200 {
            if response.status != 503 {
                break;
            }
            response.expect_problem(503, "limit_unavailable");
            denied += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
            response = connection.ask(&request).await;
        }
        assert!(matches!(response.status, 200 | 429), "{}", response.text());
        *passed.entry(client).or_default() += usize::from(response.status == 200);
    }
    denied
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_move_with_their_slots() {
    let origin = CountingOrigin::start().await;
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let settings = format!("{}command_deadline = \"1s\"\n", cluster.settings());
    let setup = Setup::new(origin.address).without_inspection().routes(FIVE).redis(&settings);
    let setup = setup.process("trusted_proxies = [\"127.0.0.1\"]");
    let fleet = setup.start_fleet(2).await;
    assert_eq!(fleet[0].redis().await["mode"], "cluster");
    let mut passed = BTreeMap::new();
    for turn in 0..3 {
        assert_eq!(everybody_asks(&fleet[turn % 2], &mut passed).await, 0, "nothing moves yet");
    }
    // A third of what the first master has goes to the second while all ask on.
    let moving = tokio::task::spawn_blocking(move || {
        cluster.reshard(1_200, Duration::ZERO);
        cluster
    });
    let (mut turns, mut denied) = (3, 0);
    while turns < 7 || !moving.is_finished() {
        denied += everybody_asks(&fleet[turns % 2], &mut passed).await;
        turns += 1;
    }
    let cluster = moving.await.expect("the slots were moved");
    assert_eq!(everybody_asks(&fleet[0], &mut passed).await, 0, "nothing moves any more");
    eprintln!("slots moved: {denied} of {} requests met a key on its way", CLIENTS * (turns - 3));
    assert!(denied <= CLIENTS, "{denied} requests were denied");
    let wrong: Vec<_> = passed.iter().filter(|(_, passed)| **passed != 5).collect();
    assert!(wrong.is_empty(), "after {turns} turns: {wrong:?}");
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn resharding_under_load_fails_nobody() {
    let origin = CountingOrigin::start().await;
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let gateway = setup(&origin, &cluster.settings()).start().await;
    gateway.redis_becomes("up").await;
    let storm = Storm::start(&gateway);
    tokio::time::sleep(A_WHILE).await;
    tokio::task::block_in_place(|| cluster.reshard(300, Duration::from_millis(2)));
    expect_recovery(&gateway).await;
    tokio::time::sleep(A_WHILE).await;
    let asked = storm.finish().await;
    expect_modes("resharded", &asked);
    assert_eq!(asked[2].last().expect("requests").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_cluster_costs_one_deadline() {
    let origin = CountingOrigin::start().await;
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let gateway = setup(&origin, &cluster.settings()).start().await;
    gateway.redis_becomes("up").await;
    let storm = Storm::start(&gateway);
    tokio::time::sleep(A_WHILE).await;
    for node in cluster.nodes() {
        node.freeze();
    }
    gateway.redis_becomes("down").await;
    tokio::time::sleep(DEADLINE).await;
    for node in cluster.nodes() {
        node.thaw();
    }
    eventually_some("Redis decides again", async || (gateway.get("/deny").await.status == 200).then_some(())).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(expect_modes("cluster frozen", &storm.finish().await) > 0);
    // Each of three nodes has connections of its own.
    let missed = missed(&gateway).await;
    assert!((1..=3 * MISSED_AT_MOST).contains(&missed), "{missed} requests waited for a frozen cluster");
}
