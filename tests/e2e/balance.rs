//! How requests are spread over the addresses of an upstream, and that connections are reused.

use std::collections::BTreeMap;

use rampart_tests::shape;
use rampart_tests::{Answer, CountingOrigin, Gateway, Setup};

async fn pool(count: usize, keys: &str) -> (Gateway, Vec<CountingOrigin>) {
    let mut origins = Vec::new();
    for _ in 0..count {
        origins.push(CountingOrigin::start().await);
    }
    let addresses: Vec<String> = origins.iter().map(|origin| format!("\"http://{}\"", origin.address)).collect();
    let gateway = Setup::bare()
        .upstream("agents", &format!("addresses = [{}]\n{keys}", addresses.join(", ")))
        .routes(rampart_tests::setup::CATCH_ALL)
        .start()
        .await;
    (gateway, origins)
}

fn counts(origins: &[CountingOrigin]) -> Vec<usize> {
    origins.iter().map(CountingOrigin::requests).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn round_robin_is_even_and_reuses_connections() {
    let (gateway, origins) = pool(3, "balance = \"round_robin\"").await;
    let mut connection = gateway.connect().await;
    for turn in 0..30 {
        assert_eq!(connection.ask(&shape::get(&format!("/{turn}"))).await.status, 200);
    }
    assert_eq!(counts(&origins), [10, 10, 10]);
    for origin in &origins {
        assert_eq!(origin.connections(), 1, "keep-alive to the upstream");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_kept() {
    let heavy = CountingOrigin::start().await;
    let light = CountingOrigin::start().await;
    let keys = format!(
        "addresses = [{{ address = \"http://{}\", weight = 3 }}, {{ address = \"http://{}\", weight = 1 }}]",
        heavy.address, light.address
    );
    let gateway = Setup::bare().upstream("agents", &keys).routes(rampart_tests::setup::CATCH_ALL).start().await;
    let mut connection = gateway.connect().await;
    for _ in 0..40 {
        assert_eq!(connection.ask(&shape::get("/")).await.status, 200);
    }
    assert_eq!((heavy.requests(), light.requests()), (30, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn least_connections_avoids_the_busy_address() {
    let slow = CountingOrigin::scripted(|seen| {
        if seen.target == "/hold" { Answer::Silence(std::time::Duration::from_secs(30)) } else { Answer::json("slow") }
    })
    .await;
    let free = CountingOrigin::start().await;
    // A request ends at the gateway a moment after its client has the answer; the weight sees to it that one which has
    // not quite ended yet still leaves the free address the better choice.
    let keys = format!(
        "addresses = [\"http://{}\", {{ address = \"http://{}\", weight = 4 }}]\nbalance = \"least_connections\"",
        slow.address, free.address
    );
    let gateway = Setup::bare().upstream("agents", &keys).routes(rampart_tests::setup::CATCH_ALL).start().await;
    // Hold requests until one hangs at the slow origin; those at the free one answer at once.
    let mut held = Vec::new();
    for _ in 0..12 {
        if slow.requests() > 0 {
            break;
        }
        let mut connection = gateway.connect().await;
        let before = free.requests();
        connection.send(&shape::get("/hold")).await;
        rampart_tests::eventually("the request arrives", || slow.requests() > 0 || free.requests() > before).await;
        held.push(connection);
    }
    assert_eq!(slow.requests(), 1);
    let before = free.requests();
    for _ in 0..10 {
        assert_eq!(gateway.get("/quick").await.status, 200);
    }
    assert_eq!((slow.requests(), free.requests()), (1, before + 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consistent_hash_keeps_a_key_where_it_is() {
    let (gateway, origins) = pool(4, "balance = \"consistent_hash\"\nhash_on = \"header:x-tenant\"").await;
    let mut homes: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..3 {
        for tenant in 0..24 {
            let tenant = format!("tenant-{tenant}");
            let before = counts(&origins);
            assert_eq!(gateway.ask(&shape::head("GET", "/", &[("X-Tenant", &tenant)])).await.status, 200);
            let after = counts(&origins);
            let home = (0..4).find(|at| after[*at] > before[*at]).unwrap();
            assert_eq!(*homes.entry(tenant.clone()).or_insert(home), home, "round {round}, {tenant}");
        }
    }
    assert!(counts(&origins).iter().all(|count| *count > 0), "24 tenants on 4 addresses: {:?}", counts(&origins));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_refuses_connections_costs_no_request() {
    let origin = CountingOrigin::start().await;
    let dead = rampart_tests::free_address();
    let keys = format!("addresses = [\"http://{dead}\", \"http://{}\"]", origin.address);
    let gateway = Setup::bare().upstream("agents", &keys).routes(rampart_tests::setup::CATCH_ALL).start().await;
    for turn in 0..10 {
        let response = gateway.get("/").await;
        assert_eq!(response.status, 200, "turn {turn}: {}", response.text());
    }
    assert_eq!(origin.requests(), 10);
}
