//! Breaker, ejection and slow start as the origins see them.

use std::time::{Duration, Instant};

use rampart_tests::{Load, Mood, MoodyOrigin, eventually, shape};

use super::{before, counts};

fn post(target: &str) -> Vec<u8> {
    shape::post(target, "application/json", b"[1]")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_lets_one_request_through_and_closes() {
    let origins = MoodyOrigin::several(1).await;
    let origin = &origins[0];
    let gateway = before(&origins, "breaker = { consecutive = 3, open_for = \"1s\" }").await;
    origin.turn(Mood::Status(503));
    for turn in 0..3 {
        assert_eq!(gateway.ask(&post(&format!("/{turn}"))).await.status, 503);
    }
    assert_eq!(origin.requests(), 3);
    let began = Instant::now();
    let refused = gateway.ask(&post("/open")).await;
    let quick = began.elapsed();
    refused.expect_problem(503, "upstream_unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(origin.requests(), 3, "an open breaker keeps requests away");

    origin.turn(Mood::Well);
    origin.work(Duration::from_millis(700));
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let mut crowd = Vec::new();
    for number in 0..10 {
        let mut connection = gateway.connect().await;
        connection.send(&post(&format!("/crowd/{number}"))).await;
        crowd.push(connection);
    }
    let mut statuses = Vec::new();
    for connection in &mut crowd {
        statuses.push(connection.response().await.status);
    }
    let through = statuses.iter().filter(|status| **status == 200).count();
    println!("\nhalf-open: {through} of 10 through; refused in {quick:.1?} while open");
    assert_eq!((through, origin.requests()), (1, 4), "one probe: {statuses:?}");
    origin.work(Duration::ZERO);
    for turn in 0..5 {
        assert_eq!(gateway.ask(&post(&format!("/closed/{turn}"))).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_wrong_requests_open_no_breaker() {
    let origins = MoodyOrigin::several(1).await;
    let gateway = before(&origins, "breaker = { consecutive = 3 }").await;
    for status in [400, 404, 429, 501] {
        origins[0].turn(Mood::Status(status));
        for _ in 0..6 {
            assert_eq!(gateway.get("/").await.status, status);
        }
    }
    origins[0].turn(Mood::Well);
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_endpoints_are_ejected_than_may_be() {
    let origins = MoodyOrigin::several(4).await;
    let gateway = before(&origins, "breaker = { enabled = false }\nejection = { max_percent = 50 }").await;
    for sick in &origins[1..] {
        sick.turn(Mood::Status(503));
    }
    for turn in 0..40 {
        gateway.ask(&post(&format!("/{turn}"))).await;
    }
    let middle = counts(&origins);
    for turn in 40..80 {
        gateway.ask(&post(&format!("/{turn}"))).await;
    }
    let later: Vec<usize> = counts(&origins).iter().zip(&middle).map(|(after, before)| after - before).collect();
    println!("\nthree of four are sick, half may be ejected: {middle:?}, then {later:?}");
    assert!(later[0] >= 15, "the one that is well: {later:?}");
    assert_eq!(later[1..].iter().filter(|count| **count > 0).count(), 1, "one that is sick stays: {later:?}");
    assert_eq!(gateway.metric_sum("rampart_upstream_ejections_total").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_starts_slowly() {
    let origins = MoodyOrigin::several(2).await;
    let keys = "health = { path = \"/health\", every = \"100ms\", deadline = \"100ms\", healthy_after = 1, \
                unhealthy_after = 1 }\nbreaker = { enabled = false }\nejection = { enabled = false }\n\
                slow_start = \"3s\"";
    let gateway = before(&origins, keys).await;
    eventually("the origins are probed", || origins.iter().all(|origin| origin.probes() > 0)).await;
    origins[1].turn(Mood::Status(503));
    // The tail of what was under way: nothing arrives any more once it is out.
    let load = Load::start(gateway.addresses.plain, 6, Duration::from_millis(2), shape::get);
    let mut seen = usize::MAX;
    while origins[1].requests() != seen {
        seen = origins[1].requests();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    origins[1].turn(Mood::Well);
    eventually("it gets requests again", || origins[1].requests() > seen).await;
    let mut shares = Vec::new();
    for _ in 0..8 {
        let before = counts(&origins);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = counts(&origins);
        let (first, second) = (after[0] - before[0], after[1] - before[1]);
        shares.push(100 * second / (first + second).max(1));
    }
    load.finish().await;
    println!("\nslow start over 3 s: its share in percent every 500 ms: {shares:?}");
    assert!(shares[0] <= 25, "it begins with little: {shares:?}");
    assert!(shares[7] >= 40, "and comes to its half: {shares:?}");
    assert!(shares[0] < shares[3] && shares[3] <= shares[7], "{shares:?}");
}
