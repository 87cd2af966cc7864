//! A cluster: quotas of one client in one slot, quotas of several slots, and slots on the move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rampart_limits::{Charge, KeyHash, Outcome, Source};
use rampart_store::testing::Cluster;
use tokio::time::sleep;

use crate::oracle::{charge, quota};
use crate::{DEADLINE, Gateway, SLACK, Stalls, eventually, is_allowed};

/// A key whose first part is `first`.
fn key(first: u16, whole: u8) -> KeyHash {
    let [high, low] = first.to_be_bytes();
    let mut bytes = [whole; 16];
    (bytes[0], bytes[1]) = (high, low);
    KeyHash(bytes)
}

fn scripts(cluster: &mut Cluster) -> u64 {
    let mut calls = 0;
    for node in cluster.nodes() {
        let info = node.command(&["INFO", "commandstats"]);
        let text = String::from_utf8_lossy(info.bytes().unwrap()).into_owned();
        let line = text.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default().to_owned();
        calls += line.split(&['=', ','][..]).nth(1).map_or(0, |number| number.parse::<u64>().unwrap());
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quotas_of_one_client_share_a_slot_and_others_are_given_back() {
    let mut cluster = Cluster::start();
    let gateway = Gateway::start(&cluster.settings()).await;
    let wide = quota("wide", "limit = 1\nper = \"8h\"\nburst = 1000");
    let log = quota("log", "algorithm = \"sliding_log\"\nlimit = 1000\nper = \"1d\"");
    let narrow = quota("narrow", "algorithm = \"window\"\nlimit = 3\nper = \"200d\"");
    let at = |quota: &Arc<_>, key| Charge { quota: Arc::clone(quota), key, cost: 1 };
    // Until every node knows the script.
    for first in 0..300 {
        gateway.take_all(&[at(&wide, key(first, 0))]).await;
    }
    let before = scripts(&mut cluster);
    for first in 0..200 {
        let demand = [at(&wide, key(first, 1)), at(&log, key(first, 2)), at(&narrow, key(first, 3))];
        let settled = gateway.take_all(&demand).await;
        assert!(is_allowed(&settled) && settled.states.iter().all(|state| state.source == Source::Redis));
    }
    let made = scripts(&mut cluster) - before;
    eprintln!("200 requests of three quotas of one client each: {made} scripts");
    assert!((200..=220).contains(&made), "{made}");

    // The narrow quota lies in the last slot that is asked: what the others took comes back.
    let demand = [at(&wide, key(1, 9)), at(&log, key(2, 9)), at(&narrow, key(3, 9))];
    for round in 0..20 {
        assert_eq!(is_allowed(&gateway.take_all(&demand).await), round < 3, "{round}");
    }
    gateway.limits.flush().await;
    let mut left = (0, 0);
    for _ in 0..50 {
        let of = async |quota, key| gateway.limits.peek_shared(quota, key).await.unwrap().remaining;
        left = (of(&wide, key(1, 9)).await, of(&log, key(2, 9)).await);
        if left == (997, 997) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{left:?} are left of 1,000, not 997");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slots_move_under_load() {
    let mut cluster = Cluster::start();
    let gateway = Arc::new(Gateway::start_with(DEADLINE, &cluster.settings()).await);
    let quota = quota("generous", "limit = 1000000\nper = \"1s\"");
    let stop = Arc::new(AtomicBool::new(false));
    let stalls = Stalls::watch();
    let mut workers = Vec::new();
    for worker in 0..6_u64 {
        let (gateway, quota, stop) = (Arc::clone(&gateway), Arc::clone(&quota), Arc::clone(&stop));
        workers.push(tokio::spawn(async move {
            let (mut number, mut made, mut alone, mut longest) = (worker, 0_u64, 0_u64, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                number += 6;
                let begun = std::time::Instant::now();
                let state = gateway.take_all(&[charge(&quota, number, 1)]).await.states[0].clone();
                assert_eq!(state.outcome, Outcome::Allowed);
                longest = longest.max(begun.elapsed());
                made += 1;
                alone += u64::from(state.source == Source::Fallback);
                // A decision without Redis waits for nothing: a loop of them would keep the thread to itself.
                sleep(Duration::from_millis(1)).await;
            }
            (made, alone, longest)
        }));
    }
    sleep(Duration::from_millis(300)).await;
    let moved = tokio::task::spawn_blocking(move || {
        cluster.reshard(300, Duration::from_millis(2));
        cluster
    });
    let _cluster = moved.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let (mut made, mut alone, mut longest) = (0, 0, Duration::ZERO);
    for worker in workers {
        let (more, without, took) = worker.await.unwrap();
        (made, alone, longest) = (made + more, alone + without, longest.max(took));
    }
    let stall = stalls.worst();
    eprintln!("300 slots moved: {made} decisions, {alone} without Redis, longest {longest:?}, stalls of {stall:?}");
    assert!(longest <= DEADLINE + SLACK + stall, "{longest:?}");
    assert!(alone * 10 <= made, "{alone} of {made}");
    eventually("it is usable", || gateway.redis.usable()).await;
}
