//! What sharing quotas through Redis costs and what it is worth, in numbers: exactness over four gateways, round trips,
//! latency, and what an outage costs. Needs redis-server.
//!
//! `cargo run --release -p rampart-limits --example shared`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program for developers: it prints, and a broken expectation stops it"
)]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oracle::{charge, quota};
use rampart_limits::{Ban, Limits, LimitsConfig, Metrics, Micros, Quota, RawBan, Source};
use rampart_settings::{Place, Report};
use rampart_store::testing::{Redis as Server, config};
use rampart_store::{Redis, State};
use tokio::time::sleep;

const GATEWAYS: usize = 4;
const WORKERS: usize = 8;

type Gateway = (Limits, Redis);

#[tokio::main]
async fn main() {
    let mut server = Server::start();
    // A deadline that no command misses because the machine is busy: counting is measured, not the machine.
    let patient = gateways(&server, "command_deadline = \"500ms\"\n").await;
    exactness(&patient).await;
    for (_, redis) in &patient {
        redis.stop().await;
    }
    drop(patient);
    let gateways = gateways(&server, "").await;
    cost(&server, &gateways[0]).await;
    outage(&mut server, &gateways).await;
    bans(&gateways).await;
}

async fn gateways(server: &Server, settings: &str) -> Vec<Gateway> {
    let mut gateways = Vec::new();
    for _ in 0..GATEWAYS {
        gateways.push(gateway(server, settings).await);
    }
    while gateways.iter().any(|(_, redis)| redis.instances() as usize != GATEWAYS) {
        sleep(Duration::from_millis(20)).await;
    }
    gateways
}

async fn gateway(server: &Server, settings: &str) -> Gateway {
    let settings = format!("{settings}{}", server.settings());
    let redis = Redis::start(config(&settings, ""), &rampart_store::Metrics::default()).await;
    let limits = Limits::new(&LimitsConfig::default(), Metrics::default());
    limits.attach(Some(redis.clone()));
    let background = limits.clone();
    tokio::spawn(async move { background.run(now).await });
    redis.watch().wait_for(|state| *state == State::Up).await.unwrap();
    (limits, redis)
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Micros(u64::try_from(since.as_micros()).unwrap())
}

/// All workers of all gateways ask for `span`: units admitted, and decisions made without Redis.
async fn hammer(gateways: &[Gateway], quota: &Arc<Quota>, span: Duration) -> (u64, u64, u64) {
    let [admitted, asked, alone] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let mut workers = Vec::new();
    for (limits, _) in gateways.iter().flat_map(|gateway| std::iter::repeat_n(gateway, WORKERS)) {
        let (limits, quota) = (limits.clone(), Arc::clone(quota));
        let (admitted, asked, alone) = (Arc::clone(&admitted), Arc::clone(&asked), Arc::clone(&alone));
        workers.push(tokio::spawn(async move {
            while begun.elapsed() < span {
                let settled = limits.take_shared(&[charge(&quota, 1, 1)], now()).await;
                asked.fetch_add(1, Ordering::Relaxed);
                admitted.fetch_add(settled.refused().is_none().into(), Ordering::Relaxed);
                alone.fetch_add((settled.states[0].source != Source::Redis).into(), Ordering::Relaxed);
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    (admitted.load(Ordering::Relaxed), asked.load(Ordering::Relaxed), alone.load(Ordering::Relaxed))
}

async fn exactness(gateways: &[Gateway]) {
    println!("{GATEWAYS} gateways on one quota, {WORKERS} workers each, 3 s:");
    let fixed = [
        ("sliding_log, 5000 in any hour", "algorithm = \"sliding_log\"\nlimit = 5000\nper = \"1h\""),
        ("window, 20000 a month", "algorithm = \"window\"\nlimit = 20000\nper = \"month\""),
        ("gcra, burst of 20000", "limit = 1\nper = \"24m\"\nburst = 20000"),
    ];
    for (index, (what, text)) in fixed.into_iter().enumerate() {
        let quota = quota(&format!("fixed{index}"), text);
        let (admitted, asked, alone) = hammer(gateways, &quota, Duration::from_secs(3)).await;
        let limit = quota.rule.most_at_once();
        println!("  {what}: {admitted} of {limit} admitted, {asked} asked, {alone} without Redis");
    }
    let quota = quota("rate", "limit = 2000\nper = \"1s\"\nburst = 500");
    let (admitted, asked, alone) = hammer(gateways, &quota, Duration::from_secs(3)).await;
    let share = 100 * admitted / (500 + 3 * 2_000);
    println!(
        "  gcra, 2000/s and 500 at once: {admitted} of 6500 admitted ({share} %), {asked} asked, {alone} without Redis"
    );
}

async fn cost(server: &Server, (limits, _): &Gateway) {
    const REQUESTS: u32 = 20_000;
    let quotas = [
        quota("a", "limit = 1000\nper = \"60s\""),
        quota("b", "algorithm = \"sliding_log\"\nlimit = 100\nper = \"60s\""),
        quota("c", "algorithm = \"window\"\nlimit = 100000\nper = \"day\""),
    ];
    for count in 1..=quotas.len() {
        let mut took = Vec::new();
        let (before, mut alone) = (scripts(server), 0);
        for number in 0..REQUESTS {
            let demand: Vec<_> = quotas[..count].iter().map(|quota| charge(quota, number.into(), 1)).collect();
            let begun = Instant::now();
            let settled = limits.take_shared(&demand, now()).await;
            took.push(begun.elapsed());
            alone += u32::from(settled.states[0].source != Source::Redis);
        }
        took.sort();
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        println!(
            "{count} quotas a request, {REQUESTS} requests one after the other: {} scripts (heartbeats included), \
             {alone} without Redis, p50 {:?}, p99 {:?}",
            scripts(server) - before,
            at(50),
            at(99)
        );
    }
}

fn scripts(server: &Server) -> u64 {
    let info = server.command(&["INFO", "commandstats"]);
    let text = String::from_utf8_lossy(info.bytes().unwrap()).into_owned();
    let line = text.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default().to_owned();
    line.split(&['=', ','][..]).nth(1).map_or(0, |number| number.parse().unwrap())
}

async fn outage(server: &mut Server, gateways: &[Gateway]) {
    let quota = quota("generous", "limit = 1000000\nper = \"1s\"");
    let limits = &gateways[0].0;
    server.freeze();
    let mut took = Vec::new();
    for number in 0..10_000 {
        let begun = Instant::now();
        let settled = limits.take_shared(&[charge(&quota, number, 1)], now()).await;
        took.push(begun.elapsed());
        assert!(settled.refused().is_none());
    }
    let first = took[0];
    took.sort();
    println!(
        "Redis frozen, 10000 requests one after the other: the first took {first:?}, p50 {:?}, p99 {:?}; none refused",
        took[5_000], took[9_900]
    );
    sleep(Duration::from_secs(2)).await;
    server.thaw();
    let begun = Instant::now();
    for number in 0.. {
        let settled = limits.take_shared(&[charge(&quota, number, 1)], now()).await;
        if settled.states[0].source == Source::Redis {
            break;
        }
        sleep(Duration::from_millis(1)).await;
    }
    println!("thawed: Redis decides again after {:?}", begun.elapsed());
}

async fn bans(gateways: &[Gateway]) {
    let report = Report::new();
    let raw = RawBan { after: 10, ..RawBan::default() };
    let ban = Arc::new(
        Ban::compile("b", &raw, &["payload_blocked", "identity_invalid"], &Place::nowhere("", &report)).unwrap(),
    );
    for (limits, _) in gateways {
        limits.reconcile(&[], &[Arc::clone(&ban)]);
    }
    let of = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
    let measure = |what: &str| {
        const LOOKS: u32 = 1_000_000;
        let begun = Instant::now();
        let found = (0..LOOKS).filter(|number| gateways[0].0.bans().banned(of(*number), Micros(1)).is_some()).count();
        println!("{what}: {:?} a look, {found} banned", begun.elapsed() / LOOKS);
    };
    measure("no bans");
    // The gateways look at Redis every 0.4 s; the first look opens their queues.
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    for offence in 0..10 {
        gateways[offence % GATEWAYS].0.bans().offence(of(1), "payload_blocked", now());
    }
    while !gateways.iter().all(|(limits, _)| limits.bans().banned(of(1), now()).is_some()) {
        sleep(Duration::from_millis(5)).await;
    }
    println!("ten offences over {GATEWAYS} gateways: banned on all after {:?}", begun.elapsed());
    for number in 0..50_000 {
        gateways[0].0.bans().add(of(number * 2), Duration::from_hours(1), "measured", Micros(1));
    }
    measure("50000 bans");
}
