//! A master that is replaced under load.

use std::time::Duration;

use bytes::Bytes;
use rampart_store::Value;
use rampart_store::testing::Sentinel;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::load::{Load, check_healed, check_skipped, check_times};
use crate::{RECOVERY, start, until_up};

async fn check(replace: impl FnOnce(&mut Sentinel) + Send + 'static) {
    let mut group = spawn_blocking(|| Sentinel::start(1)).await.unwrap();
    let redis = start(&group.settings()).await;
    until_up(&redis, RECOVERY).await;
    let load = Load::start(&redis, 16, 64);
    sleep(Duration::from_millis(300)).await;
    let group = spawn_blocking(move || {
        replace(&mut group);
        group
    });
    let mut group = group.await.unwrap();
    until_up(&redis, RECOVERY).await;
    sleep(Duration::from_secs(3)).await;
    let calls = load.stop().await;
    let missed = check_times(&calls);
    let skipped = check_skipped(&calls);
    let failed = calls.iter().filter(|call| call.failure.is_some());
    let outage = failed.clone().next_back().map(|last| last.at - failed.clone().next().unwrap().at);
    eprintln!("{} calls, {missed} missed the deadline, {skipped} not made; failures over {outage:?}", calls.len());
    check_healed(&calls, Duration::from_millis(500));
    let key = redis.key("test", b"marker", b"");
    redis.set(&key, Bytes::from_static(b"here"), Duration::from_mins(1)).await.unwrap();
    let marker = group.master().command(&["GET", key.as_str()]);
    assert_eq!(marker, Value::Bytes(Bytes::from_static(b"here")), "the new master is written to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_hands_over() {
    check(Sentinel::fail_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_dies() {
    check(Sentinel::kill_master).await;
}

/// The hard one: its connections stay open, and when it wakes up it still holds itself to be the master.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_freezes_and_wakes_up_as_a_replica() {
    check(|group| {
        let before = group.master_address();
        group.freeze_master();
        group.thaw(before);
    })
    .await;
}
