//! Sign-ins and refusals as records: who, from where, by which issuer or key, why; the credential never.

use rampart_tests::token::{claims, with};
use rampart_tests::wait::eventually_some;
use rampart_tests::{Gateway, shape};
use serde_json::{Value, json};

use super::{World, bearing, rampart, text};

/// `rampart audit query` with these filters.
fn query(gateway: &Gateway, filters: &[&str]) -> Vec<Value> {
    let output = rampart(gateway, &[&["audit", "query", "--config", "config.toml", "--json"], filters].concat());
    assert!(output.status.success(), "{filters:?}: {}", text(&output.stderr));
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    page["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_recorded_once_and_every_request_says_who_asked() {
    let world = World::start().await;
    let first = world.get("/protected/a", &world.token("alice")).await;
    assert_eq!(first.status, 200);
    let event = world.event(&first).await;
    assert_eq!(event["identity"], "jwt:main:alice", "{event}");
    assert_eq!(event["access"], json!({"kind": "sign_in", "via": "jwt:main", "reason": null}), "{event}");
    assert_eq!(
        (&event["client"], &event["route"], &event["verdict"]),
        (&"127.0.0.1".into(), &"protected".into(), &"pass".into())
    );
    assert_eq!(event["code"], Value::Null, "{event}");
    // Later requests, with another token too, are no news; they are in the access log.
    let renewed = world.key.token(&with(claims("alice"), &json!({"jti": "2"})));
    for token in [&world.token("alice"), &renewed] {
        let again = world.get("/protected/b", token).await;
        let access = world.gateway.access(again.header("x-request-id").unwrap()).await;
        assert_eq!((&access["identity"], &access["status"]), (&"jwt:main:alice".into(), &200.into()));
    }
    let bob = world.get("/protected/a", &world.token("bob")).await;
    assert_eq!(world.event(&bob).await["identity"], "jwt:main:bob");
    let sign_ins: Vec<Value> = world
        .gateway
        .lines("events.log")
        .into_iter()
        .filter(|event| event["access"]["kind"] == "sign_in")
        .map(|event| event["identity"].clone())
        .collect();
    assert_eq!(sign_ins, ["jwt:main:alice", "jwt:main:bob"]);
    let known = r#"rampart_identity_checks_total{kind="jwt",outcome="known"}"#;
    assert_eq!(world.gateway.metric(known).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_find_who_came_in_and_who_did_not() {
    let world = World::start().await;
    let good = world.token("alice");
    let other = world.key.token(&with(claims("mallory"), &json!({"aud": "billing"})));
    let good_id = world.get("/protected/a", &good).await.header("x-request-id").unwrap().to_owned();
    let bad_id = world.get("/protected/a", &other).await.header("x-request-id").unwrap().to_owned();
    let poor_id = world.get("/scoped/a", &good).await.header("x-request-id").unwrap().to_owned();
    let none_id = world.gateway.get("/protected/a").await.header("x-request-id").unwrap().to_owned();
    eventually_some("four events are in the store", async || (query(&world.gateway, &[]).len() == 4).then_some(()))
        .await;
    for (id, code, identity, access) in [
        (&good_id, Value::Null, json!("jwt:main:alice"), json!({"kind": "sign_in", "via": "jwt:main", "reason": null})),
        (
            &bad_id,
            json!("identity_invalid"),
            Value::Null,
            json!({"kind": "refused", "via": "jwt:main", "reason": "audience"}),
        ),
        (
            &poor_id,
            json!("identity_forbidden"),
            json!("jwt:main:alice"),
            json!({"kind": "refused", "via": "jwt:main", "reason": "scope"}),
        ),
        (
            &none_id,
            json!("identity_missing"),
            Value::Null,
            json!({"kind": "refused", "via": null, "reason": "missing"}),
        ),
    ] {
        let found = query(&world.gateway, &["--request-id", id]);
        assert_eq!((&found[0]["code"], &found[0]["identity"], &found[0]["access"]), (&code, &identity, &access));
        assert_eq!(found[0]["client"], "127.0.0.1");
    }
    assert_eq!(query(&world.gateway, &["--code", "identity_forbidden"]).len(), 1);
    assert_eq!(query(&world.gateway, &["--route", "protected", "--verdict", "refused"]).len(), 2);

    // For people, one line each with the same words.
    let shown = text(&rampart(&world.gateway, &["audit", "query", "--config", "config.toml"]).stdout);
    let line = |id: &str| shown.lines().find(|line| line.contains(id)).unwrap_or_default().to_owned();
    for (id, words) in [
        (&good_id, vec!["127.0.0.1", "identity=jwt:main:alice", "sign_in", "via=jwt:main"]),
        (&bad_id, vec!["code=identity_invalid", "via=jwt:main", "reason=audience"]),
        (&poor_id, vec!["identity=jwt:main:alice", "code=identity_forbidden", "reason=scope"]),
        (&none_id, vec!["code=identity_missing", "reason=missing"]),
    ] {
        let line = line(id);
        assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line:?}");
    }
}

/// Neither a token nor a part of one that somebody could use is anywhere on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_nowhere() {
    let world = World::start().await;
    let good = world.token("alice");
    let bad = world.key.token(&with(claims("alice"), &json!({"aud": "x"})));
    let attack = "'; DROP TABLE users; --";
    for token in [&good, &bad, &format!("{good}{attack}"), attack] {
        world.get("/protected/a", token).await;
        world.get(&format!("/open/a?access_token={good}"), token).await;
        let cookie = format!("session={token}");
        world.gateway.ask(&shape::head("GET", "/open/a", &[("Cookie", &cookie), ("X-Api-Key", token)])).await;
    }
    let last = world.gateway.ask(&bearing("/scoped/a", &good)).await;
    world.event(&last).await;
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for entry in std::fs::read_dir(world.gateway.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "upgrade.sock" {
            let held = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            for token in [&good, &bad] {
                assert!(!held.contains(&signature(token)), "a token in {}", path.display());
            }
        }
    }
}
