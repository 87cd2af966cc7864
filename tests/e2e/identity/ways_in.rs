//! Ways around a protected route, and ways into it: spellings of its path, methods, upgrades, every source of keys.

use rampart_tests::token::{claims, with};
use rampart_tests::{Answer, CountingOrigin, KeyServer, SigningKey, shape};
use serde_json::json;

use super::{World, bearing, before, issuer_table};

const AROUND: &str = r#"
[[route]]
name = "everything-else"
match = { path = "/**" }
upstream = "agents"
inspection = "off"

[[route]]
name = "protected"
match = { path = "/protected/**" }
upstream = "agents"
inspection = "off"
identity = { issuers = ["main"] }
"#;

/// Paths that one server or another takes for `/protected/a`.
const SPELLINGS: [&str; 25] = [
    "/protected/a",
    "/%70rotected/a",
    "/%70%72%6f%74%65%63%74%65%64/a",
    "//protected/a",
    "///protected//a",
    "/./protected/a",
    "/x/../protected/a",
    "/x/%2e%2e/protected/a",
    "/protected/./a",
    "/protected/x/../a",
    "/protected%2fa",
    "/protected%2Fa",
    "/%2fprotected/a",
    "/protected\\a",
    "/\\protected/a",
    "/protected%5ca",
    "/;/protected/a",
    "/;x=1/protected/a",
    "/protected;x=1/a",
    "/x/..;/protected/a",
    "/protected%00/a",
    "/protected%252fa",
    "/%2570rotected/a",
    "/protected%20/a",
    "http://gateway.test/protected/a",
];

/// How the most lenient of servers reads a path: decoded, backslashes as slashes, without parameters, empty and dot
/// segments.
fn lenient(target: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        rest = if *first == b'%' && hex.is_some() { &tail[2..] } else { tail };
        bytes.push(hex.filter(|_| *first == b'%').unwrap_or(*first));
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_goes_around_identity() {
    assert_eq!(lenient("/x/..;/%70rotected\\;a/b"), "/protected/b");
    let world = World::of("", AROUND).await;
    let mut around = Vec::new();
    for target in SPELLINGS {
        let response = world.gateway.get(target).await;
        match response.status {
            401 => drop(response.expect_problem(401, "identity_missing")),
            400 => assert!(matches!(response.json()["code"].as_str(), Some("path_refused" | "payload_blocked"))),
            200 => {
                let arrived = world.origin.last().target;
                if lenient(&arrived).starts_with("/protected/") {
                    around.push((target, arrived));
                }
            }
            other => panic!("{target}: {other} {}", response.text()),
        }
    }
    assert_eq!(around, Vec::<(&str, String)>::new(), "an open route led into the protected place");
    // Neither do methods, nor fields by which some servers are told another path or method.
    for (method, name, value) in [
        ("OPTIONS", "Origin", "https://app.test"),
        ("HEAD", "X-Original-URL", "/open"),
        ("GET", "X-Rewrite-URL", "/open"),
        ("GET", "X-HTTP-Method-Override", "OPTIONS"),
        ("DELETE", "X-Forwarded-Prefix", "/open"),
    ] {
        let mut connection = world.gateway.connect().await;
        connection.send(&shape::head(method, "/protected/a", &[(name, value)])).await;
        assert_eq!(connection.head_of_response().await.unwrap().status, 401, "{method} {name}");
    }
    for (name, value) in [("X-Original-URL", "/protected/a"), ("X-Rewrite-URL", "/protected/a")] {
        assert_eq!(world.gateway.ask(&shape::head("GET", "/open", &[(name, value)])).await.status, 200);
        assert_eq!(world.origin.last().header(name), None, "a path beside the path");
    }
}

const UPGRADES: &str = r#"
[[route]]
name = "socket"
match = { path = "/socket" }
upstream = "agents"
websocket = true
identity = { issuers = ["main"], forward = { "X-User" = "subject" } }
"#;

/// Pages cannot set `Authorization` on a WebSocket: their token is in a cookie.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_needs_a_known_caller_too() {
    let key = SigningKey::es256("first");
    let issuer = KeyServer::start(&[&key]).await;
    let answer =
        [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")];
    let answer = answer.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let origin = CountingOrigin::scripted(move |_| Answer::Echo(answer.clone())).await;
    let table = issuer_table("main", &issuer, "token = [\"cookie:session\"]");
    let gateway = before(&origin).routes(&format!("{table}\n{UPGRADES}")).start().await;
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("X-User", "root"),
    ];
    let stranger = gateway.ask(&shape::head("GET", "/socket", &handshake)).await;
    stranger.expect_problem(401, "identity_missing");
    origin.expect_untouched();
    let cookie = format!("session={}", key.token(&claims("alice")));
    let known = [&handshake[..], &[("Cookie", cookie.as_str())]].concat();
    let mut socket = gateway.connect().await;
    socket.send(&shape::head("GET", "/socket", &known)).await;
    assert_eq!(socket.head_of_response().await.unwrap().status, 101);
    assert_eq!(origin.last().all("x-user"), ["alice"]);
}

const SOURCES: &str = r#"
[issuer.secret]
issuer = "https://secret.test"
audience = "agents"
algorithms = ["HS256"]
key = "secret://env/TOKEN_KEY"

[issuer.file]
issuer = "https://file.test"
audience = "agents"
algorithms = ["EdDSA", "ES256"]
jwks_file = "keys.json"

[issuer.pem]
issuer = "https://pem.test"
audience = "agents"
algorithms = ["ES256"]
public_key_file = "key.pem"

[[route]]
name = "all"
match = { path = "/all" }
upstream = "agents"
identity = { issuers = ["secret", "file", "pem"], forward = { "X-Via" = "via" } }

[[route]]
name = "one"
match = { path = "/one" }
upstream = "agents"
identity = { issuers = ["file"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_source_of_keys_vouches_for_its_own_issuer_only() {
    const SECRET: &str = "b53f1c0a9e7d42688c1de07f93ab5d14ce2f6079a8b4d3e1";
    let shared = SigningKey::hs256("shared", SECRET.as_bytes());
    let (edwards, curve, pem) = (SigningKey::ed25519("edwards"), SigningKey::es256("curve"), SigningKey::es256("pem"));
    let origin = CountingOrigin::start().await;
    let set = rampart_tests::key_server::set_of(&[&edwards, &curve]).to_string();
    let gateway = before(&origin)
        .routes(SOURCES)
        .env("TOKEN_KEY", SECRET)
        .file("keys.json", &set)
        .file("key.pem", &pem.public_pem())
        .start()
        .await;
    let of = |name: &str| with(claims("alice"), &json!({"iss": format!("https://{name}.test")}));
    let keys = [("secret", &shared), ("file", &edwards), ("file", &curve), ("pem", &pem)];
    for (owner, key) in keys {
        for claimed in ["secret", "file", "pem"] {
            let token = key.token(&of(claimed));
            let response = gateway.ask(&bearing("/all", &token)).await;
            let expected = if owner == claimed { 200 } else { 401 };
            assert_eq!(response.status, expected, "{} says {claimed}: {}", key.id(), response.text());
            if owner == claimed {
                assert_eq!(origin.last().header("x-via"), Some(&*format!("jwt:{owner}")));
            }
            // Good elsewhere is not good here.
            let one = gateway.ask(&bearing("/one", &token)).await.status;
            assert_eq!(one, if owner == "file" && claimed == "file" { 200 } else { 401 }, "{} {claimed}", key.id());
        }
    }
    // A file that is replaced is read again.
    let next = SigningKey::es256("next");
    let token = next.token(&of("file"));
    gateway.ask(&bearing("/one", &token)).await.expect_problem(401, "identity_expired");
    gateway.replace("keys.json", &rampart_tests::key_server::set_of(&[&next]).to_string());
    rampart_tests::wait::eventually_some("the new file is used", async || {
        (gateway.ask(&bearing("/one", &token)).await.status == 200).then_some(())
    })
    .await;
    let old = gateway.ask(&bearing("/one", &curve.token(&of("file")))).await;
    old.expect_problem(401, "identity_expired");
}
