//! One server and nothing wrong: commands, scripts, sign-in, TLS.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rampart_settings::{Place, Report};
use rampart_store::testing::{Options, Redis as Server, config};
use rampart_store::{Arg, Metrics, Redis, Script, State, Unavailable, Value};

use crate::{RECOVERY, eventually, start, start_with, until_down, until_up};

#[tokio::test(flavor = "multi_thread")]
async fn values_go_and_come() {
    let server = Server::start();
    let redis = start(&server.settings()).await;
    until_up(&redis, RECOVERY).await;
    let key = redis.key("test", b"tag", b"rest");
    assert_eq!(redis.get(&key).await, Ok(None));
    redis.set(&key, Bytes::from_static(b"\x00\xff\r\n"), Duration::from_mins(1)).await.unwrap();
    assert_eq!(redis.get(&key).await, Ok(Some(Bytes::from_static(b"\x00\xff\r\n"))));
    let left = server.command(&["PTTL", key.as_str()]).int().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
    assert_eq!(redis.del(&key).await, Ok(true));
    assert_eq!(redis.del(&key).await, Ok(false));
    assert_eq!(redis.ping().await, Ok(()));
    assert_eq!(redis.state(), State::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_loaded_when_they_are_missing() {
    let mut server = Server::start();
    let redis = start(&server.settings()).await;
    until_up(&redis, RECOVERY).await;
    let script = Script::new("types", 1, "return {1, ARGV[1], false, {KEYS[1], tonumber(ARGV[2]) + 1}, 'ok'}");
    let keys = [redis.key("test", b"tag", b"")];
    let args = [Arg::from(vec![0, 255]), Arg::Int(-8)];
    let expect = Value::List(vec![
        Value::Int(1),
        Value::Bytes(Bytes::from_static(&[0, 255])),
        Value::Nil,
        Value::List(vec![Value::Bytes(keys[0].as_str().to_owned().into()), Value::Int(-7)]),
        Value::Bytes(Bytes::from_static(b"ok")),
    ]);
    assert_eq!(redis.eval(&script, &keys, &args).await, Ok(expect.clone()));
    assert_eq!(server.command(&["SCRIPT", "EXISTS", script.digest()]), Value::List(vec![Value::Int(1)]));
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(redis.eval(&script, &keys, &args).await, Ok(expect.clone()));
    server.restart();
    eventually("it answers again", RECOVERY, || redis.usable()).await;
    until_up(&redis, RECOVERY).await;
    assert_eq!(redis.eval(&script, &keys, &args).await, Ok(expect));
    let broken = Script::new("broken", 1, "return redis.error_reply('OOPS no')");
    assert_eq!(redis.eval(&broken, &keys, &[]).await, Err(Unavailable::Refused("OOPS no".to_owned())));
    assert!(redis.usable(), "an error of a script opens no breaker");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_nothing_fails_and_nothing_waits() {
    let mut server = Server::start();
    server.kill();
    let redis = start(&server.settings()).await;
    let key = redis.key("test", b"tag", b"");
    for _ in 0..100 {
        let begun = Instant::now();
        assert_eq!(redis.get(&key).await, Err(Unavailable::Down));
        assert!(begun.elapsed() < Duration::from_millis(20), "{:?}", begun.elapsed());
    }
    assert_eq!((redis.usable(), redis.instances()), (false, 1));
    // Sooner than the deadline to connect: each connection was refused.
    until_down(&redis, Duration::from_millis(400)).await;
    assert_eq!(redis.fault().as_deref(), Some("Connection refused"));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.restart();
    until_up(&redis, RECOVERY).await;
    assert_eq!((redis.get(&key).await, redis.fault()), (Ok(None), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_down_after_one_deadline() {
    let server = Server::start();
    server.freeze();
    let begun = Instant::now();
    let redis = start(&server.settings()).await;
    assert_eq!((redis.state(), redis.fault()), (State::Connecting, None));
    until_down(&redis, Duration::from_secs(2)).await;
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    eventually("the reason is known", RECOVERY, || redis.fault().as_deref() == Some("no answer in time")).await;
    server.thaw();
    until_up(&redis, RECOVERY).await;
    assert_eq!(redis.fault(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_sign_in_is_told_why() {
    let arguments = ["--requirepass", "hunter2"].map(str::to_owned).into();
    let server = Server::start_with(&Options { arguments, ..Options::default() });
    let with_password = format!("{}password = \"secret://env/REDIS_PASSWORD\"\n", server.settings());
    for (settings, expect) in [(&server.settings(), "NOAUTH "), (&with_password, "WRONGPASS ")] {
        let redis = start_with(settings, "hunter3", &Metrics::default()).await;
        until_down(&redis, RECOVERY).await;
        let fault = redis.fault().unwrap();
        assert!(fault.starts_with(expect) && !fault.contains("hunter"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_away_says_why_it_does_not_come_back() {
    let mut server = Server::start();
    let redis = start(&server.settings()).await;
    until_up(&redis, RECOVERY).await;
    server.kill();
    until_down(&redis, RECOVERY).await;
    eventually("the reason is known", RECOVERY, || redis.fault().as_deref() == Some("Connection refused")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acl_user_signs_in_and_keeps_to_its_keys() {
    let user = Some(("gateway".to_owned(), "hunter2".to_owned()));
    let server = Server::start_with(&Options { user, ..Options::default() });
    let settings = format!("{}password = \"secret://env/REDIS_PASSWORD\"\n", server.settings());
    let redis = start_with(&settings, "hunter2", &Metrics::default()).await;
    let wrong = start_with(&settings, "hunter3", &Metrics::default()).await;
    let elsewhere = start_with(&format!("{settings}prefix = \"other\"\n"), "hunter2", &Metrics::default()).await;
    until_up(&redis, RECOVERY).await;
    until_up(&elsewhere, RECOVERY).await;
    assert_eq!(redis.get(&redis.key("test", b"tag", b"")).await, Ok(None));
    let refused = elsewhere.get(&elsewhere.key("test", b"tag", b"")).await;
    assert!(matches!(&refused, Err(Unavailable::Refused(why)) if why.starts_with("NOPERM")), "{refused:?}");
    assert!(elsewhere.usable());
    until_down(&wrong, RECOVERY).await;
    assert_eq!(wrong.ping().await, Err(Unavailable::Down));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_the_named_authority_alone() {
    let server = Server::start_with(&Options { tls: true, ..Options::default() });
    let redis = start(&server.settings()).await;
    let system = start(&format!("url = {:?}\n", server.url())).await;
    let plain = start(&format!("url = \"redis://{}\"\n", server.address())).await;
    let unreadable = format!("url = {:?}\ntls = {{ ca_file = \"/nowhere.pem\" }}\n", server.url());
    let absent = start(&unreadable).await;
    until_up(&redis, RECOVERY).await;
    assert_eq!(redis.ping().await, Ok(()));
    let report = Report::new();
    let place = Place::nowhere("config", &report);
    config(&server.settings(), "").check_files(&place);
    assert!(report.is_ok());
    config(&unreadable, "").check_files(&place);
    assert_eq!(report.errors(), 1);
    tokio::time::sleep(Duration::from_millis(700)).await;
    for other in [system, plain, absent] {
        until_down(&other, RECOVERY).await;
        assert_eq!(other.ping().await, Err(Unavailable::Down));
        assert!(other.fault().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_addresses_are_connected_to() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let arguments = ["--bind", "127.0.0.1", "::1"].map(str::to_owned).into();
    let server = Server::start_with(&Options { arguments, ..Options::default() });
    let redis = start(&format!("url = \"redis://[::1]:{}\"\n", server.address().port())).await;
    until_up(&redis, RECOVERY).await;
    assert_eq!(redis.ping().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_and_end_with_the_pool() {
    let server = Server::start();
    let connected = || {
        let list = server.command(&["CLIENT", "LIST"]);
        String::from_utf8_lossy(list.bytes().unwrap()).lines().count() - 1
    };
    let metrics = Metrics::default();
    let redis = start_with(&format!("{}pool = 3\n", server.settings()), "", &metrics).await;
    eventually("all are open", RECOVERY, || redis.connections().idle == 3).await;
    assert_eq!(connected(), 3);
    let slow = Script::new("slow", 1, "for i = 1, 1e7 do end return 1");
    let (keys, other): ([_; 1], Redis) = ([redis.key("test", b"tag", b"")], redis.clone());
    let task = tokio::spawn(async move { other.eval(&slow, &keys, &[]).await });
    eventually("one is active", RECOVERY, || redis.connections().active == 1).await;
    let _ = task.await.unwrap();
    eventually("none is active", RECOVERY, || redis.connections().active == 0).await;
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "rampart_redis_connections{state=\"idle\"} 3",
        "rampart_redis_connections{state=\"active\"} 0",
        "rampart_redis_pool_connections 3",
        "rampart_redis_up 1",
        "rampart_redis_breaker_open 0",
        "rampart_redis_instances 1",
        "rampart_redis_gateways{key=\"own\"} 1",
        "rampart_redis_gateways{key=\"other\"} 0",
        "rampart_redis_commands_total{command=\"beat\",outcome=\"ok\"}",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    drop(redis);
    eventually("none is left", RECOVERY, || connected() == 0).await;
}
