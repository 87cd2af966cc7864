//! How many gateways there are, as they count each other.

use std::time::Duration;

use rampart_store::testing::{Cluster, Redis as Server};
use tokio::task::spawn_blocking;

use crate::{RECOVERY, eventually, start, until_up};

async fn check(settings: &str) {
    let first = start(settings).await;
    until_up(&first, RECOVERY).await;
    let second = start(settings).await;
    let third = start(settings).await;
    let other = start(&format!("{settings}prefix = \"other\"\n")).await;
    let fixed = start(&format!("{settings}prefix = \"fixed\"\ninstances = 7\n")).await;
    assert_eq!(fixed.instances(), 7);
    eventually("three are counted by all", RECOVERY, || {
        [&first, &second, &third].iter().all(|redis| redis.instances() == 3)
    })
    .await;
    second.stop().await;
    // Sooner than its heartbeat runs out.
    eventually("one took its leave", RECOVERY, || first.instances() == 2).await;
    drop(third);
    eventually("one is missed", Duration::from_secs(9), || first.instances() == 1).await;
    assert_eq!((other.instances(), fixed.instances()), (1, 7));
    assert!(!second.usable());
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_count_each_other_at_one_server() {
    let server = Server::start();
    check(&server.settings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_count_each_other_in_a_cluster() {
    let cluster = spawn_blocking(Cluster::start).await.unwrap();
    check(&cluster.settings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_count_stays_while_redis_is_down() {
    let mut server = Server::start();
    let (first, second) = (start(&server.settings()).await, start(&server.settings()).await);
    eventually("both are counted", RECOVERY, || first.instances() == 2 && second.instances() == 2).await;
    server.kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((first.instances(), second.instances()), (2, 2));
}
