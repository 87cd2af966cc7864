//! Active health probes: they take the way of requests, and follow the configuration.

use std::time::Duration;

use rampart_tests::setup::CATCH_ALL;
use rampart_tests::{Answer, Authority, CountingOrigin, CountingOrigin2, Mood, MoodyOrigin, Setup, eventually};

use super::{before, counts};

const QUICK: &str = "every = \"100ms\", deadline = \"100ms\", healthy_after = 1, unhealthy_after = 2";

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_its_probes_gets_no_requests() {
    let mut origins = MoodyOrigin::several(2).await;
    let gateway = before(&origins, &format!("health = {{ path = \"/health\", {QUICK} }}")).await;
    origins[1].kill().await;
    let said = format!("{} fails its health check", origins[1].address);
    eventually("the log says so", || gateway.read("stderr").contains(&said)).await;
    rampart_tests::wait::eventually_some("it is taken out", async || {
        (gateway.metric_sum("rampart_upstream_unhealthy").await == 1).then_some(())
    })
    .await;
    let seen = counts(&origins);
    for _ in 0..10 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    assert_eq!(counts(&origins), [seen[0] + 10, seen[1]]);
    origins[0].turn(Mood::Stalled);
    eventually_refused(&gateway).await;
    origins[0].turn(Mood::Well);
    origins[1].revive().await;
    for origin in &origins {
        let before = origin.requests();
        rampart_tests::wait::eventually_some("it gets requests again", async || {
            gateway.get("/").await;
            (origin.requests() > before).then_some(())
        })
        .await;
    }
}

/// Nobody is healthy: refused at once, with a hint when to come back.
async fn eventually_refused(gateway: &rampart_tests::Gateway) {
    let refused = rampart_tests::wait::eventually_some("nobody is healthy", async || {
        let response = tokio::time::timeout(Duration::from_millis(500), gateway.get("/")).await.ok()?;
        (response.status == 503).then_some(response)
    })
    .await;
    refused.expect_problem(503, "upstream_unavailable");
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().unwrap() >= 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_verify_certificates_and_speak_the_upstreams_protocol() {
    let authority = Authority::new();
    let certified = authority.sign(&["origin.test"]);
    let modern = CountingOrigin2::start(certified.server(&["h2"])).await;
    let old = CountingOrigin::start_tls(certified.server(&["http/1.1"])).await;
    let keys = |address: std::net::SocketAddr, more: &str| {
        let health = format!("health = {{ path = \"/healthz?deep=1\", host = \"probe.test\", {QUICK} }}");
        format!("addresses = [\"https://{address}\"]\n{health}\n{more}")
    };
    let tls = "tls = { ca_file = \"authority.pem\", sni = \"origin.test\" }";
    let stranger = "tls = { ca_file = \"authority.pem\", sni = \"other.test\" }";
    let routes = ["modern", "old", "stranger"]
        .map(|name| format!("[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"{name}\"\n"));
    let gateway = Setup::bare()
        .upstream("modern", &keys(modern.address, &format!("protocol = \"http2\"\n{tls}")))
        .upstream("old", &keys(old.address, tls))
        .upstream("stranger", &keys(old.address, stranger))
        .file("authority.pem", &authority.pem())
        .routes(&routes.join("\n"))
        .start()
        .await;
    eventually("both are probed", || modern.seen().len() >= 3 && old.requests() >= 3).await;
    let probe = old.last();
    assert_eq!((probe.method.as_str(), probe.target.as_str()), ("GET", "/healthz?deep=1"));
    assert_eq!((probe.header("host"), probe.header("user-agent")), (Some("probe.test"), Some("rampart-probe")));
    assert_eq!(modern.connections(), 1, "one connection carries all of them");
    assert_eq!(old.malformed(), 0);
    for route in ["/modern", "/old"] {
        assert_eq!(gateway.get(route).await.status, 200, "{route}");
    }
    rampart_tests::wait::eventually_some("the stranger is found out", async || {
        (gateway.get("/stranger").await.status == 503).then_some(())
    })
    .await;
    gateway.get("/stranger").await.expect_problem(503, "upstream_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_follow_a_reload() {
    let origin = CountingOrigin::scripted(|seen| {
        let good = seen.target != "/bad";
        if good { Answer::json("{}") } else { Answer::status(500) }
    })
    .await;
    let health = |path: &str| format!("health = {{ path = \"{path}\", {QUICK} }}");
    let keys = format!("addresses = [\"http://{}\"]\n{}", origin.address, health("/good"));
    let gateway = Setup::bare().upstream("agents", &keys).routes(CATCH_ALL).start().await;
    let asked = |path: &str| origin.seen().iter().filter(|seen| seen.target == path).count();
    eventually("the first path is asked", || asked("/good") >= 2).await;
    assert_eq!(gateway.get("/").await.status, 200);

    let config = gateway.read("config.toml");
    gateway.replace("config.toml", &config.replace("/good", "/bad"));
    eventually("the second path is asked", || asked("/bad") >= 2).await;
    eventually_refused(&gateway).await;

    gateway.replace("config.toml", &config.replace(&health("/good"), ""));
    rampart_tests::wait::eventually_some("without a check nobody is unhealthy", async || {
        (gateway.get("/").await.status == 200).then_some(())
    })
    .await;
    eventually("nobody is asked any more", || {
        let before = asked("/good") + asked("/bad");
        std::thread::sleep(Duration::from_millis(400));
        asked("/good") + asked("/bad") == before
    })
    .await;
}
