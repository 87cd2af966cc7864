//! The keys of an issuer: followed when it rotates them, kept when it is gone, never asked for more than need be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rampart_tests::token::{claims, with};
use rampart_tests::wait::eventually_some;
use rampart_tests::{Answer, Authority, CountingOrigin, KeyServer, Load, Response, SigningKey};
use serde_json::json;

use super::{ROUTES, World, bearing, before, issuer_table};

/// A token that was never seen before.
fn fresh(key: &SigningKey) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    key.token(&with(claims("alice"), &json!({"jti": NUMBER.fetch_add(1, Ordering::Relaxed)})))
}

const EVERYWHERE: &str = r#"
[[route]]
name = "everywhere"
match = { path = "/**" }
upstream = "agents"
identity = { issuers = ["main"] }
"#;

/// An issuer publishes a new key beside the old one, and signs with it from the next moment on. A long cooldown shows that
/// rotations that follow each other are not taken for made-up keys.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_keys_rotate_under_load() {
    const ROTATIONS: usize = 6;
    let world = World::of("cooldown = \"1m\"", EVERYWHERE).await;
    let mut keys = vec![Arc::new(world.key)];
    let signing = Arc::new(Mutex::new(Arc::clone(&keys[0])));
    let current = Arc::clone(&signing);
    let load = Load::start(world.gateway.addresses.plain, 8, Duration::from_millis(2), move |target| {
        let key = Arc::clone(&current.lock().unwrap());
        bearing(target, &key.token(&with(claims("alice"), &json!({"jti": target}))))
    });
    for turn in 1..=ROTATIONS {
        let reached = world.origin.requests();
        rampart_tests::eventually("requests pass", || world.origin.requests() >= reached + 100).await;
        let next = Arc::new(SigningKey::es256(&format!("key-{turn}")));
        world.issuer.publish(&[&*keys[turn - 1], &*next]);
        keys.push(Arc::clone(&next));
        *signing.lock().unwrap() = next;
    }
    let reached = world.origin.requests();
    rampart_tests::eventually("requests pass", || world.origin.requests() >= reached + 100).await;
    let asked = load.finish().await;
    let failed: Vec<_> = asked.iter().filter(|asked| !asked.succeeded()).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), asked.len(), failed.first());
    assert!(asked.len() >= 100 * (ROTATIONS + 1));
    // One at the start and one for each rotation; a second where a request came when the first had begun.
    let fetches = world.issuer.asked();
    println!("{} requests, {ROTATIONS} rotations, {fetches} fetches, 0 failed", asked.len());
    assert!((1 + ROTATIONS..=1 + 2 * ROTATIONS).contains(&fetches), "{fetches} fetches");
    let changed = r#"rampart_identity_key_fetches_total{issuer="main",outcome="changed"}"#;
    assert_eq!(world.gateway.metric(changed).await, 1 + ROTATIONS as u64);
    // What was taken out of the set is no key any more.
    let stale = world.gateway.ask(&bearing("/a", &fresh(&keys[0]))).await;
    stale.expect_problem(401, "identity_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_an_outage_known_keys_go_on_and_others_are_refused_without_hammering() {
    let world = World::of("cooldown = \"1m\"", ROUTES).await;
    assert_eq!(world.get("/protected/a", &fresh(&world.key)).await.status, 200);
    let unknown = SigningKey::es256("not-there");
    world.issuer.say(Answer::Close);
    let asked = world.issuer.asked();
    let started = std::time::Instant::now();
    for number in 1..=40 {
        assert_eq!(world.get("/protected/a", &fresh(&world.key)).await.status, 200, "{number}");
        let refused = world.get("/protected/a", &fresh(&unknown)).await;
        refused.expect_problem(503, "identity_unavailable");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(world.event(&refused).await["access"]["reason"], "keys_unavailable");
    }
    // One for a token; then it is tried again by itself after 1, 2, 4 ... seconds.
    let by_itself = (started.elapsed().as_secs() + 1).ilog2() as usize + 1;
    let asked = world.issuer.asked() - asked;
    assert!((1..=1 + by_itself).contains(&asked), "asked {asked} times in {:?}", started.elapsed());
    let unreachable = r#"rampart_identity_key_fetches_total{issuer="main",outcome="unreachable"}"#;
    assert!(world.gateway.metric(unreachable).await >= 1);
    let shown = async || world.gateway.probe("/ready").await.json()["dependencies"]["issuers"][0].clone();
    let kept = shown().await;
    assert_eq!((&kept["name"], &kept["status"], &kept["keys"]), (&json!("main"), &json!("kept"), &json!(1)), "{kept}");
    assert!(kept["age_s"].as_u64().is_some_and(|age_s| age_s <= started.elapsed().as_secs() + 5), "{kept}");

    // It comes back, and nobody has to do anything.
    world.issuer.publish(&[&world.key, &unknown]);
    recovers(&world, &unknown).await;
    let current = shown().await;
    assert_eq!((&current["status"], &current["keys"]), (&json!("current"), &json!(2)), "{current}");
    assert!(world.gateway.read("stderr").contains("the last good ones stay in use"));
}

async fn recovers(world: &World, key: &SigningKey) {
    eventually_some("the new key is known", async || {
        (world.get("/protected/a", &fresh(key)).await.status == 200).then_some(())
    })
    .await;
}

/// What is no set of keys does not take the place of one.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_talks_nonsense_loses_no_keys() {
    let world = World::of("cooldown = \"1s\"", ROUTES).await;
    assert_eq!(world.get("/protected/a", &fresh(&world.key)).await.status, 200);
    let unknown = SigningKey::es256("not-there");
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(2 << 20));
    for said in [
        Answer::json("<html>maintenance</html>"),
        Answer::json("{}"),
        Answer::json("{\"keys\":[]}"),
        Answer::json("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"not-there\"}]}"),
        Answer::json("{\"keys\":[]}{\"keys\":[]}"),
        Answer::json(large),
        Answer::status(404),
        Answer::Full { status: 302, headers: vec![("Location".into(), "http://127.0.0.1:1/".into())], body: "".into() },
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":".to_vec()),
    ] {
        let shown = format!("{said:?}").chars().take(80).collect::<String>();
        world.issuer.say(said);
        let asked = world.issuer.asked();
        eventually_some("it is asked", async || {
            world.get("/protected/a", &fresh(&unknown)).await.expect_problem(503, "identity_unavailable");
            (world.issuer.asked() > asked).then_some(())
        })
        .await;
        let known = world.get("/protected/a", &fresh(&world.key)).await;
        assert_eq!(known.status, 200, "{shown}: {}", known.text());
    }
}

/// Before there is any key nobody can be known, and that is nobody's fault but ours: 503, and it mends itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_before_its_issuer_says_so_and_waits() {
    let key = SigningKey::es256("first");
    let issuer = KeyServer::start(&[]).await;
    issuer.say(Answer::status(503));
    let origin = CountingOrigin::start().await;
    let rules = format!("{}\n{ROUTES}", issuer_table("main", &issuer, "cooldown = \"1s\""));
    let gateway = before(&origin).routes(&rules).start().await;
    let early = gateway.ask(&bearing("/protected/a", &fresh(&key))).await;
    early.expect_problem(503, "identity_unavailable");
    assert!(early.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().unwrap() >= 1));
    assert_eq!(early.header("www-authenticate"), None, "another token would not help");
    let event = gateway.event(early.header("x-request-id").unwrap()).await;
    assert_eq!(event["access"], json!({"kind": "refused", "via": "jwt:main", "reason": "keys_unavailable"}));
    // What needs no issuer goes on.
    assert_eq!(gateway.get("/open/a").await.status, 200);
    assert_eq!(gateway.get("/optional/a").await.status, 200);
    gateway.get("/protected/a").await.expect_problem(401, "identity_missing");
    issuer.publish(&[&key]);
    eventually_some("the keys are there", async || {
        (gateway.ask(&bearing("/protected/a", &fresh(&key))).await.status == 200).then_some(())
    })
    .await;
}

/// Sixty-four requests with as many made-up keys cost the issuer one fetch, or a second for those that came when the first
/// had begun; a known caller does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_unknown_keys_is_one_fetch() {
    const STORM: usize = 64;
    let world = Arc::new(World::of("cooldown = \"1m\"", ROUTES).await);
    assert_eq!(world.get("/protected/a", &fresh(&world.key)).await.status, 200);
    world.issuer.publish_slowly(&[&world.key], Duration::from_secs(1));
    let asked = world.issuer.asked();
    let storm = async |from: usize| {
        let ask = |number: usize| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let key = SigningKey::es256(&format!("made-up-{number}"));
                world.get("/protected/a", &fresh(&key)).await
            })
        };
        let requests: Vec<_> = (from..from + STORM).map(ask).collect();
        requests
    };
    let first = storm(0).await;
    rampart_tests::eventually("a fetch is under way", || world.issuer.asked() > asked).await;
    let known = world.get("/protected/a", &fresh(&world.key)).await;
    assert_eq!(known.status, 200);
    assert!(!first.iter().any(tokio::task::JoinHandle::is_finished), "a known caller waited for the fetch");
    // Those that the fetches began after are known to be made up; those that came during the last are not.
    let made_up = refused(first).await;
    assert!(made_up >= 1, "{made_up}");
    let fetches = world.issuer.asked() - asked;
    assert!((1..=2).contains(&fetches), "{fetches} fetches for {STORM} requests");
    // From here on the cooldown answers.
    assert_eq!(refused(storm(STORM).await).await, 0);
    assert_eq!(world.issuer.asked() - asked, fetches);
}

/// None is let in. How many were told that their key is none, rather than that nobody knows at present.
async fn refused(requests: Vec<tokio::task::JoinHandle<Response>>) -> usize {
    let mut made_up = 0;
    for request in requests {
        let response = request.await.unwrap();
        if response.status == 401 {
            response.expect_problem(401, "identity_expired");
            made_up += 1;
        } else {
            response.expect_problem(503, "identity_unavailable");
        }
    }
    made_up
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_come_change_and_go_by_reload() {
    let world = World::start().await;
    let second_key = SigningKey::es256("theirs");
    let second = KeyServer::start(&[&second_key]).await;
    let theirs =
        |number: usize| second_key.token(&with(claims("alice"), &json!({"iss": "https://second.test", "jti": number})));
    let ours = world.token("alice");
    assert_eq!(world.get("/protected/a", &ours).await.status, 200);
    world.get("/protected/a", &theirs(0)).await.expect_problem(401, "identity_invalid");
    let asked = world.issuer.asked();

    let main = issuer_table("main", &world.issuer, "");
    let other = issuer_table("second", &second, "").replace("https://login.test", "https://second.test");
    let both = ROUTES.replace("issuers = [\"main\"]", "issuers = [\"main\", \"second\"]");
    let reload = async |rules: &str| {
        world.gateway.replace_routes(rules);
        let done = world.gateway.admin("POST", "/admin/reload").await;
        assert_eq!(done.status, 200, "{}", done.text());
    };
    reload(&format!("{main}\n{other}\n{both}")).await;
    let taken = world.get("/told/a", &theirs(1)).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    assert_eq!(world.origin.last().header("x-via"), Some("jwt:second"));
    assert_eq!(world.get("/protected/a", &ours).await.status, 200);
    assert_eq!(world.issuer.asked(), asked, "the keys of an issuer that stays are not fetched anew");

    // A token that was good, and is remembered, is judged by the rules that are.
    let stricter = main.replace("audience = \"agents\"", "audience = \"agents-2\"");
    reload(&format!("{stricter}\n{other}\n{both}")).await;
    let refused = world.get("/protected/a", &ours).await;
    refused.expect_problem(401, "identity_invalid");
    assert_eq!(world.event(&refused).await["access"]["reason"], "audience");

    reload(&format!("{main}\n{ROUTES}")).await;
    world.get("/protected/a", &theirs(1)).await.expect_problem(401, "identity_invalid");
    assert_eq!(world.get("/protected/a", &ours).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_over_tls_are_believed_by_the_named_authority_only() {
    let key = SigningKey::es256("first");
    let authority = Authority::new();
    let issuer = KeyServer::start_tls(&[&key], authority.sign(&["127.0.0.1"]).server(&["http/1.1"])).await;
    let origin = CountingOrigin::start().await;
    let start = async |ca: &str| {
        let table = issuer_table("main", &issuer, "ca_file = \"issuer-ca.pem\"");
        before(&origin).file("issuer-ca.pem", ca).routes(&format!("{table}\n{ROUTES}")).start().await
    };
    let gateway = start(&authority.pem()).await;
    assert_eq!(gateway.ask(&bearing("/protected/a", &fresh(&key))).await.status, 200);
    let stranger = start(&Authority::new().pem()).await;
    let refused = stranger.ask(&bearing("/protected/a", &fresh(&key))).await;
    refused.expect_problem(503, "identity_unavailable");
    assert_eq!(origin.requests(), 1);
}
