//! Waiting for a condition, never for a length of time.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything that should happen "now" may take before a test calls it broken. Generous, because a debug build
/// on a loaded machine is slow and a passing test never waits it out.
pub const DEADLINE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// Runs `future` and fails the test, naming `what`, if it has not ended after [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_of(DEADLINE, what, future).await
}

/// Like [`within`], with a deadline of its own.
pub async fn within_of<T>(deadline: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(deadline, future).await.unwrap_or_else(|_| panic!("{what}: not within {deadline:?}"))
}

/// Asks `condition` again and again until it holds; fails the test, naming `what`, after [`DEADLINE`].
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Like [`eventually`], for a condition that must itself be awaited and that yields a value when it holds.
pub async fn eventually_some<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
