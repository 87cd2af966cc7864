//! What a quota may be: a trial, a bound of requests in flight, one among several, one for every route, one for a span of
//! the clock. And what a reload leaves of it.

use std::time::Duration;

use rampart_tests::quota::{Shown, retry_after_s, shown};
use rampart_tests::wait::eventually_some;
use rampart_tests::{CountingOrigin, MoodyOrigin, Setup, shape};

use super::{quotas, route};

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_in_shadow_mode_counts_and_refuses_nobody() {
    let origin = CountingOrigin::start().await;
    let rules = route("trial", &["trial"]) + "[quota.trial]\nlimit = 2\nper = \"1h\"\nmode = \"shadow\"\n";
    let gateway = quotas(&origin, &rules).start().await;
    for _ in 0..5 {
        let response = gateway.get("/trial").await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!((response.header("ratelimit"), response.header("ratelimit-policy")), (None, None));
    }
    assert_eq!(origin.requests(), 5);
    assert_eq!(gateway.decisions("trial", "allowed", "local").await, 2);
    assert_eq!(gateway.decisions("trial", "would_refuse", "local").await, 3);
    assert_eq!(gateway.decisions("trial", "refused", "local").await, 0);
    let metrics = gateway.probe("/metrics").await.text();
    assert!(metrics.contains("quota=\"trial\",mode=\"shadow\""), "the mode is a label");

    // The trial is over: what was counted counts.
    gateway.replace_routes(&rules.replace("shadow", "enforce"));
    assert_eq!(gateway.admin("POST", "/admin/reload").await.status, 200);
    gateway.get("/trial").await.expect_problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_bounded() {
    let origin = MoodyOrigin::start().await;
    origin.work(Duration::from_millis(1_500));
    let rules = route("slow", &["slow"]) + "[quota.slow]\nconcurrency = 2\n";
    let gateway = Setup::new(origin.address).without_inspection().routes(&rules).start().await;
    let (mut one, mut two) = (gateway.connect().await, gateway.connect().await);
    one.send(&shape::get("/slow")).await;
    two.send(&shape::get("/slow")).await;
    eventually_some("both are in flight", async || (origin.in_flight() == 2).then_some(())).await;
    let third = gateway.get("/slow").await;
    third.expect_problem(429, "rate_limited");
    assert_eq!(third.header("ratelimit-policy"), Some("\"slow\";q=2;qu=\"concurrent-requests\""));
    assert_eq!(third.header("ratelimit"), Some("\"slow\";r=0"));
    assert_eq!(retry_after_s(&third), Some(1));
    assert_eq!(one.response().await.status, 200);
    assert_eq!(two.response().await.status, 200);
    assert_eq!(gateway.get("/slow").await.status, 200, "places are free again");

    // A client that leaves takes no place with it.
    origin.work(Duration::from_mins(1));
    let (mut one, mut two) = (gateway.connect().await, gateway.connect().await);
    one.send(&shape::get("/slow")).await;
    two.send(&shape::get("/slow")).await;
    eventually_some("both are in flight", async || (origin.in_flight() == 2).then_some(())).await;
    gateway.get("/slow").await.expect_problem(429, "rate_limited");
    drop((one, two));
    origin.work(Duration::ZERO);
    let served = async || (gateway.get("/slow").await.status == 200).then_some(());
    eventually_some("the places of those who left are free", served).await;
    assert_eq!(origin.peak(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_quotas_are_charged_together_or_not_at_all() {
    let origin = CountingOrigin::start().await;
    let rules = route("one", &["small", "large"])
        + &route("other", &["large"])
        + "[quota.small]\nlimit = 2\nper = \"1h\"\n[quota.large]\nalgorithm = \"window\"\nlimit = 5\nper = \"day\"\n";
    let gateway = quotas(&origin, &rules).start().await;
    for left in [1, 0] {
        let response = gateway.get("/one").await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("ratelimit-policy"), Some("\"small\";q=2;w=3600, \"large\";q=5;w=86400"));
        assert_eq!(shown(&response, "small").unwrap().remaining, left);
        assert_eq!(shown(&response, "large").unwrap().remaining, left + 3);
    }
    for _ in 0..4 {
        let refused = gateway.get("/one").await;
        refused.expect_problem(429, "rate_limited");
        assert!((1_700..=1_800).contains(&retry_after_s(&refused).unwrap()), "half an hour for a unit: {refused:?}");
        assert_eq!(shown(&refused, "large").unwrap().remaining, 3, "what one refuses costs the other nothing");
    }
    for left in [2, 1, 0] {
        assert_eq!(shown(&gateway.get("/other").await, "large").unwrap().remaining, left);
    }
    // Now both are spent: the client is told of the longer wait.
    let refused = gateway.get("/one").await;
    let reset_s = shown(&refused, "large").unwrap().reset_s;
    assert_eq!(retry_after_s(&refused), Some(reset_s.max(shown(&refused, "small").unwrap().reset_s)));
    assert_eq!(origin.requests(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_every_route_applies_to_those_that_do_not_name_it() {
    let origin = CountingOrigin::start().await;
    let rules = route("plain", &[])
        + &route("own", &["own"])
        + "[quota.all]\nlimit = 3\nper = \"1h\"\nevery_route = true\n[quota.own]\nlimit = 1\nper = \"1h\"\n";
    let gateway = quotas(&origin, &rules).start().await;
    let first = gateway.get("/plain").await;
    assert_eq!(shown(&first, "all"), Some(Shown { remaining: 2, reset_s: 1_200 }));
    let second = gateway.get("/own").await;
    assert_eq!((shown(&second, "all").unwrap().remaining, shown(&second, "own").unwrap().remaining), (1, 0));
    gateway.get("/own").await.expect_problem(429, "rate_limited");
    assert_eq!(gateway.get("/plain").await.status, 200, "the refusal cost nothing");
    gateway.get("/plain").await.expect_problem(429, "rate_limited");
    gateway.get("/nowhere").await.expect_problem(404, "route_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_has_its_burst_and_then_its_rate() {
    let origin = CountingOrigin::start().await;
    // A unit every 400 ms.
    let rules = route("bucket", &["bucket"]) + "[quota.bucket]\nlimit = 5\nper = \"2s\"\nburst = 3\n";
    let gateway = quotas(&origin, &rules).start().await;
    let mut connection = gateway.connect().await;
    let started = std::time::Instant::now();
    let (mut passed, mut last_refused) = (0_u32, Duration::ZERO);
    while started.elapsed() < Duration::from_secs(4) {
        let at = started.elapsed();
        let response = connection.ask(&shape::get("/bucket")).await;
        if response.status == 200 {
            passed += 1;
        } else {
            assert_eq!(retry_after_s(&response), Some(1), "never 0, and less than a second to wait");
            assert_eq!(response.header("ratelimit"), Some("\"bucket\";r=0;t=1"));
            last_refused = at;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let units = |time: Duration| 3.0 + time.as_secs_f64() / 0.4;
    let least = units(last_refused) - 1.5;
    assert!((least..=units(started.elapsed())).contains(&f64::from(passed)), "{passed} passed, at least {least}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_counts_of_what_did_not_change() {
    let origin = CountingOrigin::start().await;
    let quota = "[quota.kept]\nlimit = 3\nper = \"1h\"\n";
    let rules = route("kept", &["kept"]) + quota;
    let gateway = quotas(&origin, &rules).start().await;
    let left = async || shown(&gateway.get("/kept").await, "kept").map(|shown| shown.remaining);
    assert_eq!((left().await, left().await), (Some(2), Some(1)));

    let reload = async |rules: &str| {
        gateway.replace_routes(rules);
        assert_eq!(gateway.admin("POST", "/admin/reload").await.status, 200);
    };
    reload(&(rules.clone() + &route("more", &[]))).await;
    assert_eq!(left().await, Some(0), "a new route changes no count");
    gateway.get("/kept").await.expect_problem(429, "rate_limited");

    reload(&rules.replace("limit = 3", "limit = 30")).await;
    assert_eq!(left().await, Some(29), "another limit is another quota, and begins anew");
    assert!(gateway.decisions("kept", "refused", "local").await > 0, "the series goes on");

    reload(&route("kept", &[])).await;
    assert_eq!(left().await, None);
    let metrics = gateway.probe("/metrics").await.text();
    assert!(!metrics.contains("quota=\"kept\""), "a quota that is gone has no series");
}
