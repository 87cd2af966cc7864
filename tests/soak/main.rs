//! Minutes-long runs against the release build: `make soak`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code: a broken expectation must stop the test where it broke; figures are what it is run for"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rampart_tests::core_rules;
use rampart_tests::process::{cpu_time, open_files, resident_bytes};
use rampart_tests::setup::CATCH_ALL;
use rampart_tests::shape::{self, SQL_INJECTION};
use rampart_tests::wait::eventually_some;
use rampart_tests::{Connection, CountingOrigin, Gateway, Setup};
use rustix::process::Signal;

const CONNECTIONS: usize = 64;
const STORM: Duration = Duration::from_mins(1);
const BETWEEN_RELOADS: Duration = Duration::from_millis(100);
const RELOADS: usize = 1_000;
/// How much more memory the second half of the reloads may leave behind, in percent.
const GROWTH_PERCENT: u64 = 5;
/// What may be resident with the Core Rule Set loaded, in bytes.
const CORE_RULES_MOST_BYTES: u64 = 80_000_000;

fn routes(turn: usize) -> String {
    format!(
        "{CATCH_ALL}\n[[route]]\nname = \"turn {turn}\"\nmatch = {{ path = \"/turn/{turn}\" }}\nupstream = \"agents\"\n"
    )
}

/// Clients that go on until told to stop; each fails with its first request that is not answered well.
struct Crowd {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Crowd {
    fn gather(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients = (0..CONNECTIONS)
            .map(|client| tokio::spawn(converse(gateway.addresses.plain, client, stop.clone(), answered.clone())))
            .collect();
        Self { stop, answered, clients }
    }

    async fn leave(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.expect("every request was answered well");
        }
        self.answered.load(Ordering::SeqCst)
    }
}

async fn converse(address: std::net::SocketAddr, client: usize, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let good = shape::post("/api/v1/tasks", "application/json", br#"{"title":"weekly report"}"#);
    let bad = shape::post("/api/v1/tasks", "application/json", SQL_INJECTION.as_bytes());
    let large = shape::post_chunked("/api/v1/tasks", "application/json", &shape::benign_json(100_000), 30_000);
    let mut connection = Connection::open(address).await;
    let mut turn = client;
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let (bytes, status) = match turn % 10 {
            0 => (&bad, 400),
            5 => (&large, 200),
            _ => (&good, 200),
        };
        let response = connection.ask(bytes).await;
        assert_eq!(response.status, status, "{}", response.text());
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute long: make soak"]
async fn sixty_seconds_of_reloads_fail_no_request() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(CATCH_ALL).start().await;
    let crowd = Crowd::gather(&gateway);
    let started = Instant::now();
    let mut turn = 0;
    while started.elapsed() < STORM {
        turn += 1;
        gateway.replace_routes(&routes(turn));
        gateway.signal(Signal::HUP);
        tokio::time::sleep(BETWEEN_RELOADS).await;
    }
    let answered = crowd.leave().await;
    let swapped = gateway.metric(r#"rampart_reload_total{result="swapped"}"#).await;
    let failed = gateway.metric(r#"rampart_reload_total{result="failed"}"#).await;
    println!(
        "{answered} requests on {CONNECTIONS} connections, none failed; {turn} changes, {swapped} snapshots swapped in"
    );
    println!("resident {} MiB, CPU {:?}", resident_bytes(gateway.pid()) >> 20, cpu_time(gateway.pid()));
    assert!(answered > 10_000, "only {answered} requests");
    assert!(swapped >= 50, "only {swapped} of {turn} changes were taken up");
    assert!(failed == 0, "{failed} reloads failed");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: make soak"]
async fn a_thousand_reloads_leave_memory_flat() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).routes(CATCH_ALL).start().await;
    reload_and_watch(&gateway, routes).await;
}

/// Every reload reads and compiles the whole Core Rule Set.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: make soak"]
async fn a_thousand_reloads_of_the_core_rule_set_leave_memory_flat() {
    let origin = CountingOrigin::start().await;
    let inspected = |routes: &str| {
        format!("{}\n{}", routes.replace("upstream =", "inspection = \"crs\"\nupstream ="), core_rules::profile())
    };
    let setup = Setup::new(origin.address).without_shipped_rules().routes(&inspected(CATCH_ALL));
    let Some(setup) = core_rules::install(setup, 1) else { return };
    let gateway = setup.start().await;
    let mut connection = gateway.connect().await;
    let attack = shape::post("/", "application/json", SQL_INJECTION.as_bytes());
    assert_eq!(connection.ask(&attack).await.status, 403);
    let resident = resident_bytes(gateway.pid());
    println!("resident with the Core Rule Set: {} MiB", resident >> 20);
    assert!(resident < CORE_RULES_MOST_BYTES, "{resident} bytes are resident");
    let before = gateway.read("crs/before.conf");
    // Rules whose files have not changed would be taken over.
    let turn = |turn| {
        gateway.replace("crs/before.conf", &format!("{before}# turn {turn}\n"));
        inspected(&routes(turn))
    };
    reload_and_watch(&gateway, turn).await;
    assert_eq!(connection.ask(&attack).await.status, 403);
}

/// Reloads a thousand times, each time with another route, and compares the memory of the two halves.
async fn reload_and_watch(gateway: &Gateway, routes: impl Fn(usize) -> String) {
    let files = open_files(gateway.pid());
    let mut connection = gateway.connect().await;
    let mut samples = Vec::new();
    for turn in 0..RELOADS {
        gateway.replace_routes(&routes(turn));
        let done = gateway.admin("POST", "/admin/reload").await;
        assert_eq!(done.status, 200, "{}", done.text());
        assert_eq!(connection.ask(&shape::get(&format!("/turn/{turn}"))).await.status, 200);
        if turn % 50 == 49 {
            samples.push(resident_bytes(gateway.pid()));
        }
    }
    // The first fifth warms up: allocator, caches of the prefilter. Then the mean of the two halves must agree.
    let settled = &samples[samples.len() / 5..];
    let (first, second) = settled.split_at(settled.len() / 2);
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
    let shown: Vec<String> =
        samples.iter().map(|bytes| format!("{}.{}", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024)).collect();
    println!("resident MiB after every 50 of {RELOADS} reloads: {}", shown.join(" "));
    assert!(mean(second) * 100 <= mean(first) * (100 + GROWTH_PERCENT), "{} -> {} bytes", mean(first), mean(second));
    eventually_some("descriptors are given back", async || (open_files(gateway.pid()) <= files + 10).then_some(()))
        .await;
}
