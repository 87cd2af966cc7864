//! Start, stop and hand-over.

use std::time::Duration;

use rampart_tests::shape;
use rampart_tests::wait::eventually_some;
use rampart_tests::{Answer, Connection, CountingOrigin, Gateway, Setup};
use rustix::process::Signal;

/// An origin whose `/slow` takes two seconds.
async fn slow_origin() -> CountingOrigin {
    CountingOrigin::scripted(|seen| {
        if seen.target == "/slow" {
            Answer::Chunks(Vec::new(), vec![(Duration::from_secs(2), "at last".into())])
        } else {
            Answer::json("quick")
        }
    })
    .await
}

async fn begun(gateway: &Gateway, origin: &CountingOrigin) -> Connection {
    let before = origin.requests();
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/slow")).await;
    rampart_tests::eventually("the slow request is under way", || origin.requests() > before).await;
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_is_one_line_that_says_what_was_loaded() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).start().await;
    let digest = gateway.digest().await;
    let stderr = gateway.read("stderr");
    let address = gateway.addresses.plain.to_string();
    let line = stderr
        .lines()
        .find(|line| line.contains(&address))
        .unwrap_or_else(|| panic!("no line names {address}: {stderr}"));
    for part in [gateway.addresses.admin.to_string().as_str(), "route", "rule", "upstream", &digest[..8]] {
        assert!(line.contains(part), "{part} is missing in {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_finishes_what_was_begun() {
    let origin = slow_origin().await;
    let mut gateway = Setup::new(origin.address).start().await;
    let mut under_way = begun(&gateway, &origin).await;
    gateway.signal(Signal::TERM);
    let answer = under_way.response().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "at last"));
    let status = gateway.wait(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}");
    assert!(tokio::net::TcpStream::connect(gateway.addresses.plain).await.is_err());
    // The access log was written out to its end.
    assert!(gateway.lines("access.log").iter().any(|line| line["path"] == "/slow" && line["status"] == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_says_not_ready_while_it_drains() {
    let origin = slow_origin().await;
    let mut gateway = Setup::new(origin.address).start().await;
    let mut under_way = begun(&gateway, &origin).await;
    gateway.signal(Signal::TERM);
    eventually_some("/ready says no", async || {
        let wire = tokio::net::TcpStream::connect(gateway.addresses.admin).await.ok()?;
        let mut connection = Connection::over(wire);
        connection.try_send(&shape::get("/ready")).await.ok()?;
        connection.try_response().await.ok().filter(|answer| answer.status == 503)
    })
    .await;
    assert_eq!(under_way.response().await.status, 200);
    gateway.wait(Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_ends_at_its_deadline() {
    let origin = CountingOrigin::scripted(|_| Answer::Silence(Duration::from_mins(2))).await;
    let mut gateway = Setup::new(origin.address).start().await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/forever")).await;
    rampart_tests::eventually("it is under way", || origin.requests() == 1).await;
    let started = std::time::Instant::now();
    gateway.signal(Signal::TERM);
    gateway.wait(Duration::from_secs(20)).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(12), "grace is 5 s, it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_at_once() {
    let origin = CountingOrigin::scripted(|_| Answer::Silence(Duration::from_mins(2))).await;
    let mut gateway = Setup::new(origin.address).start().await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::get("/forever")).await;
    let started = std::time::Instant::now();
    gateway.end(Signal::INT, Duration::from_secs(10)).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_loses_no_request() {
    let origin = slow_origin().await;
    let setup = Setup::new(origin.address);
    let mut gateway = setup.clone().start().await;
    let old = gateway.pid();
    let mut under_way = begun(&gateway, &origin).await;

    // Clients that go on through the whole hand-over, each request on a connection of its own.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (stop, address) = (stop.clone(), gateway.addresses.plain);
        clients.push(tokio::spawn(async move {
            let mut answered = 0_usize;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let response = Connection::open(address).await.ask(&shape::get("/quick")).await;
                assert_eq!(response.status, 200);
                answered += 1;
            }
            answered
        }));
    }

    gateway.start_successor(&setup);
    gateway.signal(Signal::QUIT);
    let answer = under_way.response().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "at last"));
    let status = gateway.succeed(Duration::from_secs(30)).await;
    assert!(status.success(), "{status}");
    assert_ne!(gateway.pid(), old);
    // The new process serves alone now; go on for a while.
    for _ in 0..20 {
        assert_eq!(gateway.get("/quick").await.status, 200);
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut answered = 0;
    for client in clients {
        answered += client.await.expect("no request was lost");
    }
    assert!(answered > 20, "only {answered} requests during the hand-over");
    eventually_some("the probes are answered by the new process", async || {
        (gateway.probe("/ready").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quit_without_a_successor_changes_nothing() {
    let origin = CountingOrigin::start().await;
    let mut gateway = Setup::new(origin.address).start().await;
    gateway.signal(Signal::QUIT);
    eventually_some("the log says why nothing happened", async || {
        gateway.read("stderr").to_lowercase().contains("upgrade").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(gateway.runs());
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_a_broken_configuration_leaves_the_old_process_serving() {
    let origin = CountingOrigin::start().await;
    let setup = Setup::new(origin.address);
    let mut gateway = setup.clone().start().await;
    gateway.replace_routes("[[route]]\nnmae = \"x\"\n");
    gateway.start_successor(&setup);
    eventually_some("the successor says what is wrong", async || {
        gateway.read("successor-stderr").contains("nmae").then_some(())
    })
    .await;
    gateway.signal(Signal::QUIT);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(gateway.runs());
    assert_eq!(gateway.get("/").await.status, 200);
}
