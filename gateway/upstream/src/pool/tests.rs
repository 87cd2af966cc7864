use std::net::IpAddr;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rampart_settings::{Place, Report};

use super::*;
use crate::metrics::Failure;
use crate::pools::Pools;
use crate::raw::RawUpstream;

fn upstream(name: &str, toml: &str) -> Upstream {
    let report = Report::new();
    let source = rampart_settings::Source::new("test", toml);
    let document = rampart_settings::Document::parse(source, &report).expect("valid TOML");
    let raw: RawUpstream = rampart_settings::read(&document, &report).expect("valid keys");
    let upstream = Upstream::compile(name, &raw, &Place::nowhere("test", &report)).expect("an address");
    assert!(report.is_ok(), "{:?}", report.into_sorted());
    upstream
}

fn pool(toml: &str) -> Pool {
    Pool::new(&upstream("agents", toml), &Resolved::default(), &Metrics::default())
}

/// The same time throughout.
fn start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

fn no_key() -> u64 {
    panic!("the key is asked for under consistent hashing only")
}

fn ports(pool: &Pool, picks: usize) -> Vec<u16> {
    (0..picks)
        .map(|_| pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap().endpoint().socket().port())
        .collect()
}

fn sockets(addresses: &[&str]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::new(address.parse::<IpAddr>().unwrap(), 1)).collect()
}

fn exposition(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

const THREE: &str = r#"addresses = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]"#;
const NAMED: &str = r#"addresses = ["http://agents.internal:9000"]"#;

#[test]
fn round_robin_goes_round() {
    assert_eq!(ports(&pool(THREE), 7), [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn weights_are_smooth() {
    let toml = r#"addresses = [{ address = "127.0.0.1:1", weight = 5 }, "127.0.0.1:2", "127.0.0.1:3"]"#;
    assert_eq!(ports(&pool(toml), 7), [1, 1, 2, 1, 3, 1, 1]);
}

#[test]
fn round_robin_is_fair_among_threads() {
    let pool = pool(THREE);
    let counts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(|| ports(&pool, 3_000))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).fold([0; 4], |mut counts, port| {
            counts[usize::from(port)] += 1;
            counts
        })
    });
    assert_eq!(counts, [0, 4_000, 4_000, 4_000]);
    assert_eq!(pool.in_flight(), 0);
}

#[test]
fn least_connections_follows_the_leases() {
    let pool = pool(&format!("{THREE}\nbalance = \"least_connections\""));
    let held: Vec<Lease> = (0..3).map(|_| pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap()).collect();
    let mut first: Vec<u16> = held.iter().map(|lease| lease.endpoint().socket().port()).collect();
    first.sort_unstable();
    assert_eq!(first, [1, 2, 3], "an idle pool is gone round");
    let (freed, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|lease| lease.endpoint().socket().port() == 2);
    drop(freed);
    assert_eq!(ports(&pool, 5), [2; 5]);
    assert_eq!(others.len(), 2);
}

#[test]
fn least_connections_is_round_robin_where_all_are_idle() {
    let mut seen = ports(&pool(&format!("{THREE}\nbalance = \"least_connections\"")), 300);
    seen.sort_unstable();
    assert_eq!(seen, [[1; 100], [2; 100], [3; 100]].concat());
}

#[test]
fn consistent_hash_keeps_a_key_and_survives_an_exclusion() {
    let pool = pool(&format!("{THREE}\nbalance = \"consistent_hash\""));
    let home = pool.pick(|| 42, &[], RequestBody::InHand, start()).unwrap().endpoint().id();
    assert!((0..50).all(|_| pool.pick(|| 42, &[], RequestBody::InHand, start()).unwrap().endpoint().id() == home));
    let second = pool.pick(|| 42, &[home], RequestBody::InHand, start()).unwrap().endpoint().id();
    assert_ne!(second, home);
    assert_eq!(pool.pick(|| 42, &[home], RequestBody::InHand, start()).unwrap().endpoint().id(), second);
    let spread: std::collections::HashSet<_> = (0..64_u64)
        .map(|key| {
            pool.pick(|| crate::hash::hash_key(&key.to_le_bytes()), &[], RequestBody::InHand, start())
                .unwrap()
                .endpoint()
                .id()
        })
        .collect();
    assert_eq!(spread.len(), 3);
}

#[test]
fn excluded_endpoints_are_not_picked() {
    for balance in ["round_robin", "least_connections", "consistent_hash"] {
        let pool = pool(&format!("{THREE}\nbalance = \"{balance}\""));
        let mut tried = Vec::new();
        for _ in 0..3 {
            let lease = pool.pick(|| 7, &tried, RequestBody::InHand, start()).unwrap();
            assert!(!tried.contains(&lease.endpoint().id()));
            tried.push(lease.endpoint().id());
        }
        assert_eq!(
            pool.pick(|| 7, &tried, RequestBody::InHand, start()).unwrap_err(),
            NoEndpoint::Exhausted,
            "{balance}"
        );
    }
}

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let pool = pool(THREE);
    let lease = pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap();
    let endpoint = Arc::clone(&pool.endpoints()[0]);
    assert_eq!((pool.in_flight(), endpoint.in_flight()), (1, 1));
    drop(lease);
    assert_eq!((pool.in_flight(), endpoint.in_flight()), (0, 0));
}

#[test]
fn a_name_serves_once_it_is_resolved() {
    let pool = pool(NAMED);
    assert_eq!(pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap_err(), NoEndpoint::Unresolved);
    assert_eq!(pool.unresolved().len(), 1);
    let resolution = pool.set_addresses("agents.internal:9000", &sockets(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]));
    assert_eq!(resolution, Resolution::Changed { endpoints: 2, left_out: 0 });
    assert!(pool.unresolved().is_empty());
    assert_eq!(pool.names().len(), 1);
    let mut picked: Vec<String> = (0..2)
        .map(|_| pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap().endpoint().socket().to_string())
        .collect();
    picked.sort_unstable();
    assert_eq!(picked, ["10.0.0.1:9000", "10.0.0.2:9000"], "with the port of the address");
}

#[test]
fn the_last_good_resolution_stays() {
    let pool = pool(NAMED);
    assert_eq!(pool.set_addresses("agents.internal:9000", &[]), Resolution::Kept);
    pool.set_addresses("agents.internal:9000", &sockets(&["10.0.0.1"]));
    assert_eq!(pool.set_addresses("agents.internal:9000", &[]), Resolution::Kept);
    assert_eq!(pool.set_addresses("agents.internal:9000", &sockets(&["0.0.0.0"])), Resolution::Unchanged);
    assert_eq!(pool.set_addresses("agents.internal:9000", &sockets(&["::ffff:10.0.0.1"])), Resolution::Unchanged);
    assert_eq!(pool.set_addresses("agents.internal:9001", &sockets(&["10.0.0.9"])), Resolution::Unknown);
    assert_eq!(
        pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap().endpoint().socket().to_string(),
        "10.0.0.1:9000"
    );
}

#[test]
fn an_ip_address_cannot_be_resolved_away() {
    let pool = pool(THREE);
    assert_eq!(pool.set_addresses("127.0.0.1:1", &sockets(&["6.6.6.6"])), Resolution::Unknown);
    assert_eq!(ports(&pool, 3), [1, 2, 3]);
}

#[test]
fn a_resolution_keeps_what_stays() {
    let pool = pool(NAMED);
    pool.set_addresses("agents.internal:9000", &sockets(&["10.0.0.1", "10.0.0.2"]));
    let held = [
        pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap(),
        pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap(),
    ];
    pool.set_addresses("agents.internal:9000", &sockets(&["10.0.0.2", "10.0.0.3"]));
    let now: Vec<(String, u32)> =
        pool.endpoints().iter().map(|endpoint| (endpoint.socket().to_string(), endpoint.in_flight())).collect();
    assert_eq!(now, [("10.0.0.2:9000".to_owned(), 1), ("10.0.0.3:9000".to_owned(), 0)]);
    assert_eq!(pool.endpoints()[0].id(), held[1].endpoint().id());
    assert_eq!(pool.in_flight(), 2, "the endpoint that left is still in use");
    drop(held);
    assert_eq!(pool.in_flight(), 0);
}

#[test]
fn resolutions_are_bounded() {
    let many: Vec<SocketAddr> =
        (0..2_000_u32).map(|n| SocketAddr::new(IpAddr::V4((0x0a00_0001 + n).into()), 1)).collect();
    let pool = pool(NAMED);
    let resolution = pool.set_addresses("agents.internal:9000", &many);
    let left_out = 2_000 - MAX_RESOLVED_PER_NAME;
    assert_eq!(resolution, Resolution::Changed { endpoints: MAX_RESOLVED_PER_NAME, left_out });

    let names: Vec<String> = (0..8).map(|n| format!("\"n{n}:80\"")).collect();
    let pool = self::pool(&format!("addresses = [{}]", names.join(", ")));
    for n in 0..8_usize {
        pool.set_addresses(&format!("n{n}:80"), &many[n * 200..(n + 1) * 200]);
    }
    assert_eq!(pool.endpoints().len(), MAX_ENDPOINTS);
    let picked =
        (0..MAX_ENDPOINTS).map(|_| pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap().endpoint().socket());
    assert_eq!(picked.collect::<std::collections::HashSet<_>>().len(), MAX_ENDPOINTS);
}

#[test]
fn a_reload_keeps_what_stays() {
    let pool = pool(THREE);
    let held: Vec<Lease> = (0..4).map(|_| pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap()).collect();
    let ids: Vec<EndpointId> = held.iter().map(|lease| lease.endpoint().id()).collect();
    let toml = r#"
        addresses = ["127.0.0.1:4", { address = "127.0.0.1:1", weight = 3 }, "https://127.0.0.1:2"]
        balance = "least_connections"
    "#;
    pool.reconcile(&upstream("agents", toml), &Resolved::default());
    let now: Vec<(u16, u32, bool)> = pool
        .endpoints()
        .iter()
        .map(|endpoint| (endpoint.socket().port(), endpoint.in_flight(), ids.contains(&endpoint.id())))
        .collect();
    // Port 2 is spoken to in another way now: it is another endpoint.
    assert_eq!(now, [(4, 0, false), (1, 2, true), (2, 0, false)]);
    assert_eq!(pool.in_flight(), 4);
    drop(held);
    assert_eq!(pool.in_flight(), 0);
}

#[test]
fn a_reload_keeps_resolutions_and_takes_new_ones() {
    let pool = pool(NAMED);
    pool.set_addresses("agents.internal:9000", &sockets(&["10.0.0.1"]));
    let id = pool.endpoints()[0].id();
    pool.reconcile(&upstream("agents", NAMED), &Resolved::default());
    assert_eq!(pool.endpoints()[0].id(), id);
    let mut resolved = Resolved::default();
    resolved.insert("other.internal:80", sockets(&["10.0.0.7"]));
    pool.reconcile(&upstream("agents", r#"addresses = ["http://other.internal"]"#), &resolved);
    assert_eq!(
        pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap().endpoint().socket().to_string(),
        "10.0.0.7:80"
    );
}

#[test]
fn pools_are_kept_by_name() {
    let pools = Pools::new(Metrics::default());
    let (agents, other) = (upstream("agents", THREE), upstream("other", NAMED));
    assert_eq!(pools.names_to_resolve(&[agents.clone(), other.clone(), other.clone()]).len(), 1);
    pools.reconcile(&[agents.clone(), other.clone()], &Resolved::default());
    let (before, lease) = (
        pools.get("agents").unwrap(),
        pools.get("agents").unwrap().pick(no_key, &[], RequestBody::InHand, start()).unwrap(),
    );
    assert_eq!(pools.all().len(), 2);
    assert_eq!(pools.names_to_resolve(std::slice::from_ref(&other)).len(), 1);
    pools.get("other").unwrap().set_addresses("agents.internal:9000", &sockets(&["10.0.0.1"]));
    assert!(pools.names_to_resolve(&[other]).is_empty());
    pools.reconcile(std::slice::from_ref(&agents), &Resolved::default());
    assert_eq!(pools.all().len(), 1);
    assert!(
        pools.get("other").unwrap().pick(no_key, &[], RequestBody::InHand, start()).is_ok(),
        "the configuration before may still be in use"
    );
    pools.reconcile(&[agents], &Resolved::default());
    assert!(pools.get("other").is_none());
    assert!(Arc::ptr_eq(&before, &pools.get("agents").unwrap()));
    assert_eq!(before.in_flight(), 1);
    drop(lease);
}

#[test]
fn an_upstream_that_comes_back_finds_its_pool() {
    let pools = Pools::default();
    let (agents, other) = (upstream("agents", THREE), upstream("other", THREE));
    pools.reconcile(&[agents.clone(), other.clone()], &Resolved::default());
    let lease = pools.get("other").unwrap().pick(no_key, &[], RequestBody::InHand, start()).unwrap();
    pools.reconcile(std::slice::from_ref(&agents), &Resolved::default());
    pools.reconcile(&[agents, other], &Resolved::default());
    assert_eq!(pools.get("other").unwrap().in_flight(), 1);
    assert_eq!(pools.all().len(), 2);
    drop(lease);
}

#[test]
fn what_happens_is_counted() {
    let metrics = Metrics::default();
    let pool = Pool::new(&upstream("agents", r#"addresses = ["127.0.0.1:1"]"#), &Resolved::default(), &metrics);
    let lease = pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap();
    lease.connected(std::time::Duration::from_millis(2));
    lease.responded(200, std::time::Duration::from_millis(20), start());
    for failure in Failure::ALL {
        lease.failed(failure, start());
    }
    lease.failed(Failure::ReadTimeout, start());
    pool.pick(no_key, &[], RequestBody::InHand, start()).unwrap().reused();
    pool.pick(no_key, &[lease.endpoint().id()], RequestBody::InHand, start()).unwrap_err();
    let text = exposition(&metrics);
    for line in [
        r#"rampart_upstream_active_requests{upstream="agents",address="127.0.0.1:1"} 1"#,
        r#"rampart_upstream_picks_total{upstream="agents",address="127.0.0.1:1"} 2"#,
        r#"rampart_upstream_connections_total{upstream="agents",address="127.0.0.1:1",origin="new"} 1"#,
        r#"rampart_upstream_connections_total{upstream="agents",address="127.0.0.1:1",origin="reused"} 1"#,
        r#"rampart_upstream_failures_total{upstream="agents",address="127.0.0.1:1",kind="read_timeout"} 2"#,
        r#"rampart_upstream_failures_total{upstream="agents",address="127.0.0.1:1",kind="protocol"} 1"#,
        r#"rampart_upstream_endpoints{upstream="agents",address="127.0.0.1:1"} 1"#,
        r#"rampart_upstream_no_endpoint_total{upstream="agents",reason="exhausted"} 1"#,
        r#"rampart_upstream_connect_seconds_bucket{le="0.0025",upstream="agents"} 1"#,
        r#"rampart_upstream_response_seconds_count{upstream="agents"} 1"#,
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
}

#[test]
fn series_leave_with_their_address() {
    let metrics = Metrics::default();
    let pools = Pools::new(metrics.clone());
    for round in 0..50 {
        let toml = format!("addresses = [\"10.0.0.{round}:80\"]");
        pools.reconcile(&[upstream("agents", &toml), upstream(&format!("only-{round}"), THREE)], &Resolved::default());
    }
    let text = exposition(&metrics);
    assert!(text.contains("10.0.0.49:80") && text.contains("only-49"));
    assert!(!text.contains("10.0.0.48:80") && !text.contains("only-47"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("rampart_upstream_picks_total{")).count(), 1 + 2 * 3);
}

#[test]
fn a_change_of_scheme_keeps_the_series() {
    let metrics = Metrics::default();
    let pools = Pools::new(metrics.clone());
    pools.reconcile(&[upstream("agents", r#"addresses = ["http://127.0.0.1:1"]"#)], &Resolved::default());
    pools.get("agents").unwrap().pick(no_key, &[], RequestBody::InHand, start()).unwrap();
    pools.reconcile(&[upstream("agents", r#"addresses = ["https://127.0.0.1:1"]"#)], &Resolved::default());
    pools.get("agents").unwrap().pick(no_key, &[], RequestBody::InHand, start()).unwrap();
    let line = r#"rampart_upstream_picks_total{upstream="agents",address="127.0.0.1:1"} 2"#;
    assert!(exposition(&metrics).contains(line));
}

#[test]
fn picks_and_changes_at_the_same_time() {
    let pool = pool(NAMED);
    pool.set_addresses("agents.internal:9000", &sockets(&["10.0.0.1"]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    pool.pick(no_key, &[], RequestBody::InHand, start()).expect("the pool is never empty");
                }
            });
        }
        scope.spawn(|| {
            for round in 0..500 {
                let set = if round % 2 == 0 { sockets(&["10.0.0.1", "10.0.0.2"]) } else { sockets(&["10.0.0.3"]) };
                pool.set_addresses("agents.internal:9000", &set);
            }
        });
    });
    assert_eq!(pool.in_flight(), 0);
    assert!(pool.endpoints().iter().all(|endpoint| endpoint.in_flight() == 0));
}
