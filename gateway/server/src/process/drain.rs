//! The end of the process: waits for what is in flight, writes out what must last, leaves.
//!
//! Pingora sleeps through its whole grace period even when the last request ended long ago. Here a thread follows its
//! phases and ends the process as soon as nothing is in flight any more; the grace period stays the deadline.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::server::ExecutionPhase;
use tokio::sync::broadcast::{self, error::RecvError};

use super::lifecycle::{Lifecycle, Stage};

/// How often the requests in flight are counted.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For so many looks in turn nothing must have been in flight: a connection that was just accepted is not a request yet,
/// and on a busy machine its first bytes may take most of a second to be read.
const QUIET_LOOKS: u32 = 50;

type Action = Box<dyn FnOnce() + Send>;

/// What has to be done before the process ends, once, by whoever comes first.
#[derive(Clone)]
pub(crate) struct LastThings {
    action: Arc<Mutex<Option<Action>>>,
}

impl LastThings {
    /// `action` flushes and closes what must last.
    pub(crate) fn new(action: impl FnOnce() + Send + 'static) -> Self {
        Self { action: Arc::new(Mutex::new(Some(Box::new(action)))) }
    }

    /// Does them, or waits until the other one has done them.
    pub(crate) fn run(&self) {
        let mut action = self.action.lock();
        if let Some(action) = action.take() {
            action();
        }
    }
}

/// Follows `phases` on a thread of its own.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn follow(
    mut phases: broadcast::Receiver<ExecutionPhase>,
    lifecycle: Lifecycle,
    in_flight: impl Fn() -> u64 + Send + 'static,
    last_things: LastThings,
) -> std::io::Result<()> {
    let follow = move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::GracefulUpgradeCloseTimeout) => lifecycle.reach(Stage::HandedOver),
                Ok(ExecutionPhase::ShutdownGracePeriod) => {
                    lifecycle.reach(Stage::Draining);
                    wait_until_quiet(&in_flight, LOOK_EVERY);
                    log::info!(target: "rampart", "nothing is in flight any more");
                    last_things.run();
                    std::process::exit(0);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    thread::Builder::new().name("drain".into()).spawn(follow).map(drop)
}

fn wait_until_quiet(in_flight: impl Fn() -> u64, every: Duration) {
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        quiet = if in_flight() == 0 { quiet + 1 } else { 0 };
        thread::sleep(every);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn last_things_are_done_once() {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let last = LastThings::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let other = last.clone();
        last.run();
        other.run();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_request_that_begins_late_is_waited_for() {
        let looks = AtomicU64::new(0);
        let in_flight = || match looks.fetch_add(1, Ordering::Relaxed) {
            5..=7 => 1,
            _ => 0,
        };
        wait_until_quiet(in_flight, Duration::from_micros(10));
        assert_eq!(looks.load(Ordering::Relaxed), 8 + u64::from(QUIET_LOOKS));
    }
}
