//! The Redis layer against real servers: what works, and what befalls them under load. One deadline is the most that
//! any call costs, an open breaker costs nothing, and everything heals by itself.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a broken expectation must stop the test where it broke"
)]

mod chaos;
mod cluster;
mod fred;
mod gateways;
mod load;
mod sentinel;
mod single;

use std::time::{Duration, Instant};

use rampart_store::testing::config;
use rampart_store::{Metrics, Redis, State};

/// Long enough for a machine with other things to do, short enough to show in the times that are checked.
pub(crate) const DEADLINE: Duration = Duration::from_millis(60);

/// What a call may take beyond its deadline when the machine is busy.
pub(crate) const SLACK: Duration = Duration::from_millis(140);

/// How long recovery may take.
pub(crate) const RECOVERY: Duration = Duration::from_secs(5);

pub(crate) async fn start(settings: &str) -> Redis {
    start_with(settings, "", &Metrics::default()).await
}

pub(crate) async fn start_with(settings: &str, password: &str, metrics: &Metrics) -> Redis {
    let settings =
        format!("command_deadline = \"{}ms\"\nconnect_deadline = \"500ms\"\n{settings}", DEADLINE.as_millis());
    Redis::start(config(&settings, password), metrics).await
}

/// Waits until Redis is up, and says how long that took.
pub(crate) async fn until_up(redis: &Redis, patience: Duration) -> Duration {
    let begun = Instant::now();
    let mut states = redis.watch();
    let up = states.wait_for(|state| *state == State::Up);
    tokio::time::timeout(patience, up).await.expect("Redis is up in time").unwrap();
    begun.elapsed()
}

pub(crate) async fn until_down(redis: &Redis, patience: Duration) {
    let mut states = redis.watch();
    let down = states.wait_for(|state| matches!(state, State::Down { .. }));
    tokio::time::timeout(patience, down).await.expect("Redis is seen to be down in time").unwrap();
}

/// Waits for `is_so`.
pub(crate) async fn eventually(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
