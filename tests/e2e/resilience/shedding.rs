//! An upstream gets no more at once than it may; what is more waits for a moment and is told to come back.

use std::time::{Duration, Instant};

use rampart_tests::{Load, Mood, MoodyOrigin, eventually, shape};

use super::before;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_held_back() {
    let origins = MoodyOrigin::several(1).await;
    origins[0].work(Duration::from_millis(100));
    let keys = "shedding = { max_in_flight = 4, max_waiting = 4, wait = \"150ms\" }";
    let gateway = before(&origins, keys).await;
    let load = Load::start(gateway.addresses.plain, 24, Duration::from_millis(10), shape::get);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = load.finish().await;
    let passed = asked.iter().filter(|asked| asked.succeeded()).count();
    let shed: Vec<_> = asked.iter().filter(|asked| asked.status == 503).collect();
    let slowest = shed.iter().map(|asked| asked.took).max().unwrap_or_default();
    println!(
        "\n24 clients for 4 places of 100 ms: {passed} passed, {} shed (the slowest after {slowest:.0?}), at most {} at once",
        shed.len(),
        origins[0].peak()
    );
    assert_eq!(passed + shed.len(), asked.len(), "{asked:?}");
    assert_eq!(origins[0].peak(), 4);
    assert!(passed >= 40, "the places are used: {passed}");
    assert!(shed.len() > passed, "{} of {}", shed.len(), asked.len());
    assert!(shed.iter().all(|asked| asked.retry_after_s.is_some_and(|seconds| seconds >= 1)));
    assert!(gateway.metric_sum("rampart_upstream_shed_total").await >= shed.len() as u64);

    gateway.get("/afterwards").await;
    let response = gateway.get("/afterwards").await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_next_and_whom_nobody_serves_is_told() {
    let origins = MoodyOrigin::several(1).await;
    origins[0].work(Duration::from_millis(500));
    let keys = "shedding = { max_in_flight = 1, max_waiting = 1, wait = \"5s\" }";
    let gateway = before(&origins, keys).await;
    let mut first = gateway.connect().await;
    first.send(&shape::get("/first")).await;
    eventually("the first is at work", || origins[0].in_flight() == 1).await;
    let mut second = gateway.connect().await;
    second.send(&shape::get("/second")).await;
    // Requests of two connections may overtake each other on their way in: the line is full once somebody is turned away.
    let began = Instant::now();
    while gateway.metric_sum("rampart_upstream_waiting_requests").await == 0 {
        assert!(began.elapsed() < Duration::from_millis(450), "nobody waits");
    }
    let refused = gateway.get("/third").await;
    refused.expect_problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(first.response().await.status, 200);
    assert_eq!(second.response().await.status, 200);
    assert!(!origins[0].arrivals().contains_key("/third"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_give_their_places_back() {
    let origins = MoodyOrigin::several(1).await;
    origins[0].turn(Mood::Stalled);
    let keys = "shedding = { max_in_flight = 2, max_waiting = 2, wait = \"20s\" }\nbreaker = { consecutive = 2 }";
    let gateway = before(&origins, keys).await;
    let mut clients = Vec::new();
    for at_work in 1..=2 {
        let mut client = gateway.connect().await;
        client.send(&shape::get("/stalled")).await;
        clients.push(client);
        eventually("a place is taken", || origins[0].in_flight() == at_work).await;
    }
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        client.send(&shape::get("/waits")).await;
        clients.push(client);
    }
    let waiting = async || gateway.metric_sum("rampart_upstream_waiting_requests").await;
    while waiting().await < 2 {}
    gateway.get("/turned-away").await.expect_problem(503, "overloaded");
    // Those that wait go first, so that nobody takes the places of the others.
    clients.reverse();
    for client in clients {
        drop(client);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eventually("the origin is let go", || origins[0].in_flight() == 0).await;
    origins[0].turn(Mood::Well);
    let began = Instant::now();
    let response = gateway.get("/after").await;
    println!("\nfour clients left: the next was answered with {} after {:.0?}", response.status, began.elapsed());
    assert_eq!(response.status, 200, "places are free, and that clients left is no failure: {}", response.text());
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(!origins[0].arrivals().contains_key("/waits"));
}
