//! Redis Cluster: slots that move under load, and a master that is gone.

use std::time::Duration;

use rampart_store::Unavailable;
use rampart_store::testing::Cluster;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::load::{Load, check_healed, check_skipped, check_times};
use crate::{RECOVERY, start, until_down, until_up};

/// How many slots move.
const SLOTS: u16 = 32;

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_under_load_and_every_answer_is_its_own() {
    let mut cluster = spawn_blocking(Cluster::start).await.unwrap();
    let redis = start(&cluster.settings()).await;
    until_up(&redis, RECOVERY).await;
    // All calls are for the slots that move, and every third for a key that is not there yet: a node that gives its
    // slot away redirects those (ASK), and the others once they have moved (MOVED).
    let tags: Vec<[u8; 8]> =
        (0_u64..).map(u64::to_be_bytes).filter(|tag| redis.key("load", tag, b"").slot() < SLOTS).take(128).collect();
    let names = redis.clone();
    let load = Load::start_with(&redis, 32, move |number| {
        let fresh = if number % 3 == 0 { number.to_be_bytes().to_vec() } else { Vec::new() };
        names.key("load", &tags[usize::try_from(number).unwrap() % tags.len()], &fresh)
    });
    sleep(Duration::from_millis(500)).await;
    let cluster = spawn_blocking(move || {
        cluster.reshard(SLOTS, Duration::from_millis(60));
        cluster
    });
    let _cluster = cluster.await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    let skipped = check_skipped(&calls);
    let moving = calls.iter().filter(|call| matches!(call.failure, Some(Unavailable::Refused(_)))).count();
    eprintln!(
        "{} calls, {missed} missed the deadline, {skipped} not made, {moving} met a slot on the move",
        calls.len()
    );
    check_healed(&calls, Duration::from_millis(500));
    assert!(moving > 0, "no call met a slot on the move: the test does not test");
    let failed = calls.iter().filter(|call| call.failure.is_some()).count();
    assert!(failed * 5 < calls.len(), "{failed} of {} calls failed", calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_dies_and_comes_back() {
    let mut cluster = spawn_blocking(Cluster::start).await.unwrap();
    let redis = start(&cluster.settings()).await;
    until_up(&redis, RECOVERY).await;
    let load = Load::start(&redis, 16, 256);
    sleep(Duration::from_millis(300)).await;
    cluster.nodes()[2].kill();
    until_down(&redis, RECOVERY).await;
    sleep(Duration::from_secs(1)).await;
    cluster.nodes()[2].restart();
    until_up(&redis, 2 * RECOVERY).await;
    sleep(Duration::from_secs(3)).await;
    let calls = load.stop().await;
    check_times(&calls);
    check_skipped(&calls);
    check_healed(&calls, Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_freezes_and_goes_on() {
    let mut cluster = spawn_blocking(Cluster::start).await.unwrap();
    let redis = start(&cluster.settings()).await;
    until_up(&redis, RECOVERY).await;
    let load = Load::start(&redis, 16, 256);
    sleep(Duration::from_millis(300)).await;
    cluster.nodes()[1].freeze();
    until_down(&redis, RECOVERY).await;
    sleep(Duration::from_secs(2)).await;
    cluster.nodes()[1].thaw();
    until_up(&redis, 2 * RECOVERY).await;
    sleep(Duration::from_secs(3)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    eprintln!("{} calls, {missed} missed the deadline", calls.len());
    assert!(missed <= 64, "{missed} calls paid for one outage");
    check_skipped(&calls);
    check_healed(&calls, Duration::from_millis(500));
}
