//! What befalls one server under load.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use rampart_store::testing::{Options, Redis as Server};
use rampart_store::{Redis, State, Unavailable};
use tokio::time::sleep;

use crate::load::{Call, Load, check_healed, check_skipped, check_times};
use crate::{RECOVERY, eventually, start, until_down, until_up};

const WORKERS: u64 = 16;
const KEYS: u64 = 64;

async fn under_load() -> (Server, Redis, Load) {
    let server = Server::start();
    let redis = start(&server.settings()).await;
    until_up(&redis, RECOVERY).await;
    eventually("all connections are open", RECOVERY, || redis.connections().idle == 4).await;
    let load = Load::start(&redis, WORKERS, KEYS);
    sleep(Duration::from_millis(300)).await;
    (server, redis, load)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_costs_those_under_way_one_deadline() {
    let (mut server, redis, load) = under_load().await;
    server.kill();
    until_down(&redis, RECOVERY).await;
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(redis.state(), State::Down { .. }));
    server.restart();
    let took = until_up(&redis, RECOVERY).await;
    sleep(Duration::from_secs(1)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    let skipped = check_skipped(&calls);
    eprintln!("{} calls, {missed} missed the deadline, {skipped} not made; up again after {took:?}", calls.len());
    // Those that were handed over between the end of the connection and the news of it.
    assert!(missed <= usize::try_from(WORKERS).unwrap(), "{missed}");
    assert!(skipped > 100, "{skipped}");
    check_healed(&calls, Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_those_under_way_one_deadline() {
    let (server, redis, load) = under_load().await;
    server.freeze();
    until_down(&redis, RECOVERY).await;
    sleep(Duration::from_secs(2)).await;
    assert!(!redis.usable());
    server.thaw();
    let took = until_up(&redis, RECOVERY).await;
    sleep(Duration::from_secs(1)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    let skipped = check_skipped(&calls);
    eprintln!("{} calls, {missed} missed the deadline, {skipped} not made; up again after {took:?}", calls.len());
    // Each worker has one call under way; a busy machine may make a few more late before or after.
    assert!(missed <= 2 * usize::try_from(WORKERS).unwrap(), "{missed}");
    assert!(skipped > 500, "{skipped}");
    check_healed(&calls, Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_keeps_the_connections() {
    let (server, redis, load) = under_load().await;
    let connected = || {
        let list = server.command(&["CLIENT", "LIST"]);
        let lines = String::from_utf8_lossy(list.bytes().unwrap()).into_owned();
        let ids = lines.lines().map(|line| line.split(' ').next().unwrap().to_owned());
        ids.take(4).collect::<Vec<_>>()
    };
    let before = connected();
    server.freeze();
    sleep(Duration::from_millis(150)).await;
    server.thaw();
    let took = until_up(&redis, RECOVERY).await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(connected(), before, "a pause below the time of silence is waited out");
    check_times(&load.stop().await);
    eprintln!("up again after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_back_at_once() {
    let (mut server, redis, load) = under_load().await;
    for _ in 0..3 {
        server.restart();
        eventually("it is usable again", RECOVERY, || redis.usable()).await;
        until_up(&redis, RECOVERY).await;
        sleep(Duration::from_millis(300)).await;
    }
    sleep(Duration::from_millis(700)).await;
    let calls = load.stop().await;
    check_times(&calls);
    check_skipped(&calls);
    check_healed(&calls, Duration::from_millis(300));
}

/// It answers `PING` all the time: who probed with that would send it request after request.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_holds_writes_back_costs_those_under_way_one_deadline() {
    let (server, redis, load) = under_load().await;
    server.command(&["CLIENT", "PAUSE", "1500", "WRITE"]);
    until_down(&redis, RECOVERY).await;
    until_up(&redis, RECOVERY).await;
    sleep(Duration::from_secs(1)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    let skipped = check_skipped(&calls);
    eprintln!("{} calls, {missed} missed the deadline, {skipped} not made", calls.len());
    assert!(missed <= 2 * usize::try_from(WORKERS).unwrap(), "{missed}");
    assert!(skipped > 500, "{skipped}");
    check_healed(&calls, Duration::from_millis(300));
}

/// A script that counts runs at most once per call, whatever happens to its answer, and once where it was answered.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_twice() {
    let (server, redis, load) = under_load().await;
    for _ in 0..4 {
        server.freeze();
        sleep(Duration::from_millis(250)).await;
        server.thaw();
        until_up(&redis, RECOVERY).await;
        sleep(Duration::from_millis(100)).await;
    }
    let calls = load.stop().await;
    sleep(Duration::from_millis(200)).await;
    let mut sent: HashMap<String, (i64, i64)> = HashMap::new();
    for Call { key, failure, .. } in &calls {
        let (least, most) = sent.entry(key.as_str().to_owned()).or_default();
        *least += i64::from(failure.is_none());
        *most += i64::from(*failure != Some(Unavailable::Down) || failure.is_none());
    }
    let mut unsure = 0;
    for (key, (least, most)) in sent {
        let count = server.command(&["GET", &key]).int().unwrap_or(0);
        // A lost connection is reported as "down" too: up to a call of each worker may be among them.
        assert!((least..=most + i64::try_from(WORKERS).unwrap()).contains(&count), "{key}: {least} {count} {most}");
        unsure += count - least;
    }
    eprintln!("{} calls, {unsure} ran without their answer", calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ends_are_opened_anew() {
    let (server, redis, load) = under_load().await;
    for _ in 0..5 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        sleep(Duration::from_millis(300)).await;
    }
    until_up(&redis, RECOVERY).await;
    sleep(Duration::from_millis(700)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    check_skipped(&calls);
    check_healed(&calls, Duration::from_millis(300));
    let failed = calls.iter().filter(|call| call.failure.is_some()).count();
    eprintln!("{} calls, {missed} missed the deadline, {failed} failed", calls.len());
    assert!(failed > 0, "no connection was ended: the test does not test");
}

/// It answers, so nothing waits for it: what it refuses is the caller's matter, and what it can do it still does.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_refuses_and_stays_up() {
    let arguments = ["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"].map(str::to_owned).into();
    let server = Server::start_with(&Options { arguments, ..Options::default() });
    let redis = start(&server.settings()).await;
    until_up(&redis, RECOVERY).await;
    let large = Bytes::from(vec![7; 256 * 1_024]);
    let mut refused = None;
    for number in 0..64_u64 {
        let key = redis.key("test", &number.to_be_bytes(), b"");
        if let Err(failure) = redis.set(&key, large.clone(), Duration::from_mins(1)).await {
            refused = Some(failure);
            break;
        }
    }
    assert!(matches!(&refused, Some(Unavailable::Refused(why)) if why.starts_with("OOM")), "{refused:?}");
    assert_eq!(redis.state(), State::Up);
    assert_eq!(redis.get(&redis.key("test", &0_u64.to_be_bytes(), b"")).await, Ok(Some(large)));
}
