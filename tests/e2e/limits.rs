//! Bounds that protect the process, seen from outside.

use std::time::Duration;

use rampart_tests::hostile::{IdleCrowd, SlowHeaderClient};
use rampart_tests::wait::eventually_some;
use rampart_tests::{CountingOrigin, Setup, shape};

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_drips_is_cut_at_the_total_deadline() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).listener("header_deadline = \"1s\"").start().await;
    let slow = SlowHeaderClient { pause: Duration::from_millis(50) };
    let cut = slow.run(gateway.addresses.plain, Duration::from_secs(10)).await.expect("the gateway cuts it");
    assert!(cut >= Duration::from_millis(800) && cut < Duration::from_secs(4), "cut after {cut:?}");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_on_a_connection_has_the_same_deadline() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).listener("header_deadline = \"1s\"\nidle = \"20s\"").start().await;
    let mut connection = gateway.connect().await;
    assert_eq!(connection.ask(&shape::get("/")).await.status, 200);
    connection.send(b"GET / HTTP/1.1\r\nHost: gateway.test\r\nX-Never: ").await;
    connection.expect_close(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).listener("header_deadline = \"1s\"\nidle = \"1s\"").start().await;
    let mut silent = gateway.connect().await;
    silent.expect_close(Duration::from_secs(5)).await;
    let mut used = gateway.connect().await;
    assert_eq!(used.ask(&shape::get("/")).await.status, 200);
    used.expect_close(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_cap_holds_and_frees_again() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).listener("max_connections = 20\nheader_deadline = \"30s\"").start().await;
    let crowd = IdleCrowd::gather(gateway.addresses.plain, 40).await;
    eventually_some("the cap closes what is beyond it", async || (crowd.still_open() <= 20).then_some(())).await;
    // The probe listener is not behind the cap.
    assert_eq!(gateway.probe("/health").await.status, 200);
    drop(crowd);
    eventually_some("a place is free again", async || {
        let wire = tokio::net::TcpStream::connect(gateway.addresses.plain).await.ok()?;
        let mut connection = rampart_tests::Connection::over(wire);
        connection.try_send(&shape::get("/")).await.ok()?;
        connection.try_response().await.ok().filter(|response| response.status == 200)
    })
    .await;
}
