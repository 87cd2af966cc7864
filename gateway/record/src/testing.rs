//! What the tests of several modules need: a clock to turn, and an ear for reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::fault::{Fault, FaultReport};
use crate::time::{Clock, Timestamp};

/// A clock that stands where it is put.
pub(crate) struct Standing(AtomicI64);

impl Standing {
    pub(crate) fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(text.parse::<Timestamp>().unwrap().millis())))
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).millis(), Ordering::SeqCst);
    }

    pub(crate) fn put(&self, text: &str) {
        self.0.store(text.parse::<Timestamp>().unwrap().millis(), Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Puts every report into the list.
pub(crate) fn collected(reports: &Arc<Mutex<Vec<Fault>>>) -> FaultReport {
    let reports = Arc::clone(reports);
    Arc::new(move |fault| reports.lock().push(fault.clone()))
}
