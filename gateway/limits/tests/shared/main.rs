//! Quotas and bans that several gateways share, against real servers. A gateway here is a [`Limits`] with connections
//! of its own; several of them in one process are as far apart as those in several, since Redis is all they share.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a broken expectation must stop the test where it broke"
)]

mod bans;
mod chaos;
mod cluster;
mod exact;
#[path = "../oracle/mod.rs"]
mod oracle;
mod settlement;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rampart_limits::{Charge, Limits, LimitsConfig, Metrics, Micros, Quota, Settled};
use rampart_store::testing::config;
use rampart_store::{Redis, State};
use tokio::task::JoinHandle;

/// Long enough for a machine with other things to do, short enough to show in the times that are checked.
pub(crate) const DEADLINE: Duration = Duration::from_millis(60);

/// What a decision may take beyond the deadline when the machine is busy.
pub(crate) const SLACK: Duration = Duration::from_millis(240);

/// How long anything may take to come back.
pub(crate) const RECOVERY: Duration = Duration::from_secs(10);

/// Of the ACL user, where there is one.
pub(crate) const PASSWORD: &str = "correct horse";

/// One gateway, as far as limits are concerned.
pub(crate) struct Gateway {
    pub(crate) limits: Limits,
    pub(crate) redis: Redis,
    background: JoinHandle<()>,
}

impl Gateway {
    /// A gateway on the servers of `settings`, which are there. Its deadline is long: on a busy machine none is missed.
    pub(crate) async fn start(settings: &str) -> Self {
        Self::start_with(Duration::from_secs(1), settings).await
    }

    /// A gateway that waits for a command for `deadline`.
    pub(crate) async fn start_with(deadline: Duration, settings: &str) -> Self {
        let settings =
            format!("command_deadline = \"{}ms\"\nconnect_deadline = \"1s\"\n{settings}", deadline.as_millis());
        let redis = Redis::start(config(&settings, PASSWORD), &rampart_store::Metrics::default()).await;
        let limits = Limits::new(&LimitsConfig::default(), Metrics::default());
        limits.attach(Some(redis.clone()));
        let background = tokio::spawn({
            let limits = limits.clone();
            async move { limits.run(now).await }
        });
        let gateway = Self { limits, redis, background };
        eventually("Redis is up", || gateway.redis.state() == State::Up && gateway.redis.connections().idle >= 4).await;
        gateway
    }

    /// So many gateways, each of which knows of the others.
    pub(crate) async fn several(count: u32, settings: &str) -> Vec<Self> {
        Self::several_with(Duration::from_secs(1), count, settings).await
    }

    /// So many gateways that wait for a command for `deadline`.
    pub(crate) async fn several_with(deadline: Duration, count: u32, settings: &str) -> Vec<Self> {
        let mut gateways = Vec::new();
        for _ in 0..count {
            gateways.push(Self::start_with(deadline, settings).await);
        }
        eventually("the gateways have counted each other", || {
            gateways.iter().all(|gateway| gateway.redis.instances() == count)
        })
        .await;
        gateways
    }

    pub(crate) async fn take(&self, quota: &Arc<Quota>, number: u64, cost: u64) -> Settled {
        self.take_all(&[oracle::charge(quota, number, cost)]).await
    }

    pub(crate) async fn take_all(&self, demand: &[Charge]) -> Settled {
        assert!(self.limits.waits(demand));
        self.limits.take_shared(demand, now()).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.background.abort();
    }
}

/// How long this machine let a thread wait that only slept, at the worst: other processes share it.
pub(crate) struct Stalls {
    stop: Arc<AtomicBool>,
    watch: std::thread::JoinHandle<Duration>,
}

impl Stalls {
    pub(crate) fn watch() -> Self {
        const NAP: Duration = Duration::from_millis(5);
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let watch = std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(NAP);
                worst = worst.max(begun.elapsed().saturating_sub(NAP));
            }
            worst
        });
        Self { stop, watch }
    }

    pub(crate) fn worst(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.watch.join().unwrap()
    }
}

pub(crate) fn now() -> Micros {
    Micros(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap())
}

pub(crate) fn is_allowed(settled: &Settled) -> bool {
    settled.refused().is_none()
}

/// Waits for `is_so`.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < RECOVERY, "{what}: not within {RECOVERY:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
