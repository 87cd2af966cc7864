//! How many gateways there are, as they count each other.

use std::time::Duration;

use rampart_store::Redis;
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

#[tokio::test(flavor = "multi_thread")]
async fn gateways_with_another_cluster_key_are_counted_apart() {
    let (own, other) = ("secret://env/CLUSTER_KEY", "secret://env/OTHER_CLUSTER_KEY");
    let server = Server::start();
    let with = async |lines: &str| start(&format!("{}{lines}\n", server.settings())).await;
    let one = with(&format!("cluster_key = {own:?}")).await;
    let two = with(&format!("cluster_key = {own:?}")).await;
    let stranger = with(&format!("cluster_key = {other:?}")).await;
    let counts = |redis: &Redis| (redis.instances(), redis.other_keys());
    let so = |redis: &Redis, expect: (u32, u32)| counts(redis) == expect;
    let apart = || so(&one, (2, 1)) && so(&two, (2, 1)) && so(&stranger, (1, 2));
    eventually("each side counts its own", RECOVERY, apart).await;
    // A rotation from the one to the other: they belong together from both sides.
    stranger.stop().await;
    two.stop().await;
    let new = with(&format!("cluster_key = {other:?}\ncluster_key_previous = {own:?}")).await;
    eventually("in a rotation they are one", RECOVERY, || so(&one, (2, 0)) && so(&new, (2, 0))).await;
    // A fixed number says who shares, and not who is there.
    let fixed = with(&format!("cluster_key = {own:?}\ninstances = 7\nprefix = \"fixed\"")).await;
    let odd = with(&format!("cluster_key = {other:?}\nprefix = \"fixed\"")).await;
    eventually("the other is seen", RECOVERY, || so(&fixed, (7, 1)) && so(&odd, (1, 1))).await;
}
