//! The master changes: as planned, and because it died.

use rampart_tests::CountingOrigin;
use rampart_tests::redis::Sentinel;

use super::{A_WHILE, Storm, expect_modes, expect_recovery, setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_under_load_is_followed() {
    let origin = CountingOrigin::start().await;
    let mut servers = tokio::task::block_in_place(|| Sentinel::start(1));
    let gateway = setup(&origin, &servers.settings()).start().await;
    gateway.redis_becomes("up").await;
    assert_eq!(gateway.redis().await["mode"], "sentinel");
    let storm = Storm::start(&gateway);
    tokio::time::sleep(A_WHILE).await;
    tokio::task::block_in_place(|| servers.fail_over());
    expect_recovery(&gateway).await;
    tokio::time::sleep(A_WHILE).await;
    let asked = storm.finish().await;
    expect_modes("failed over as planned", &asked);
    assert_eq!(asked[2].last().expect("requests").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_dies_under_load_is_replaced() {
    let origin = CountingOrigin::start().await;
    let mut servers = tokio::task::block_in_place(|| Sentinel::start(1));
    let gateway = setup(&origin, &servers.settings()).start().await;
    gateway.redis_becomes("up").await;
    let storm = Storm::start(&gateway);
    tokio::time::sleep(A_WHILE).await;
    tokio::task::block_in_place(|| servers.kill_master());
    expect_recovery(&gateway).await;
    tokio::time::sleep(A_WHILE).await;
    let asked = storm.finish().await;
    expect_modes("master killed", &asked);
    assert_eq!(asked[2].last().expect("requests").status, 200);
}
