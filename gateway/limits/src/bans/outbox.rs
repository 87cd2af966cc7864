//! What the other gateways have yet to hear: a bounded queue that nothing waits for.
//!
//! While there is no store, nothing is queued. What does not fit is dropped and counted: offences first, since a
//! gateway counts its own in any case; bans and lifts have room of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::BanState;
use super::raw::Ban;
use super::subject::Subject;
use crate::Micros;

/// Offences that wait at most.
const MOST_OFFENCES: usize = 4_096;

/// Everything that waits at most.
const MOST: usize = 8_192;

/// News for the other gateways.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// A request was refused; `reached`: this gateway has banned for it.
    Offence { ban: Arc<Ban>, subject: Subject, code: Box<str>, at: Micros, reached: bool },
    /// Banned by hand.
    Made { subject: Subject, state: BanState },
    /// Lifted by hand.
    Lifted { subject: Subject, state: BanState },
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    open: AtomicBool,
    queue: Mutex<VecDeque<Told>>,
    pub(super) arrived: Notify,
}

impl Outbox {
    /// Queues from now on (or no longer, and forgets what waits).
    pub(super) fn open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
        if !open {
            self.queue.lock().clear();
        }
    }

    /// False if there was no room.
    pub(super) fn push(&self, told: Told) -> bool {
        if !self.open.load(Ordering::Relaxed) {
            return true;
        }
        let most = if matches!(told, Told::Offence { reached: false, .. }) { MOST_OFFENCES } else { MOST };
        let mut queue = self.queue.lock();
        if queue.len() >= most {
            return false;
        }
        queue.push_back(told);
        drop(queue);
        self.arrived.notify_one();
        true
    }

    pub(super) fn pop(&self) -> Option<Told> {
        self.queue.lock().pop_front()
    }
}
