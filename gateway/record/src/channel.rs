//! What the callers and the thread of one writer have in common: the way in, the counts and the troubles.

use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::fault::{Fault, FaultReport, Troubles};
use crate::intake::{Bounds, Intake};
use crate::metrics::{Depth, Meter, Metrics};
use crate::time::Clock;

/// How a writer fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterStatus {
    /// The writer's name: `access`, `events`, `admin` or `store`.
    pub name: &'static str,
    /// Records written.
    pub lines: u64,
    /// Records lost, for want of room or because the disk had not recovered at the end.
    pub dropped: u64,
    /// Writes that failed.
    pub write_errors: u64,
    /// Bytes waiting.
    pub queued_bytes: usize,
    /// What is wrong now; `None` when all is well.
    pub fault: Option<Fault>,
}

pub(crate) struct Channel<B> {
    name: &'static str,
    pub(crate) intake: Intake<B>,
    pub(crate) meter: Meter,
    pub(crate) troubles: Troubles,
}

/// Held by the writer's thread: however it ends, nobody waits for it any more.
pub(crate) struct Presence<B: Default>(pub(crate) Arc<Channel<B>>);

/// How long a writer waits before it tries again what has failed: twice as long each time.
pub(crate) struct Backoff(Duration);

// === impl Channel ===

impl<B: Default + Send + 'static> Channel<B> {
    pub(crate) fn open(
        name: &'static str,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
        report: FaultReport,
    ) -> Arc<Self> {
        let channel = Arc::new(Self {
            name,
            intake: Intake::new(bounds),
            meter: metrics.meter(name),
            troubles: Troubles::new(name, clock, report),
        });
        let weak: Weak<dyn Depth> = Arc::<Self>::downgrade(&channel);
        metrics.watch(name, weak);
        channel
    }
}

impl<B: Default> Channel<B> {
    /// Puts in one record of `bytes` with `put`; `false` when it was dropped, which is counted.
    pub(crate) fn offer(&self, bytes: usize, put: impl FnOnce(&mut B)) -> bool {
        let taken = self.intake.offer(bytes, put);
        if !taken {
            self.meter.dropped.inc();
        }
        taken
    }

    pub(crate) fn status(&self) -> WriterStatus {
        WriterStatus {
            name: self.name,
            lines: self.meter.lines.get(),
            dropped: self.meter.dropped.get(),
            write_errors: self.meter.write_errors.get(),
            queued_bytes: self.intake.queued_bytes(),
            fault: self.troubles.current(),
        }
    }

    /// Something could not be written and will be tried again.
    pub(crate) fn failed(&self, message: String) {
        self.meter.write_errors.inc();
        self.troubles.lasting(message);
    }

    /// Reports what was dropped since the count `reported`, which becomes the count now.
    pub(crate) fn report_drops(&self, reported: &mut u64) {
        let dropped = self.meter.dropped.get();
        let new = dropped.saturating_sub(*reported);
        *reported = dropped;
        if new > 0 {
            self.troubles.passing(format!("{new} records dropped: the writer cannot keep up"));
        }
    }
}

impl<B: Default + Send> Depth for Channel<B> {
    fn queued_bytes(&self) -> usize {
        self.intake.queued_bytes()
    }
}

// === impl Presence ===

impl<B: Default> Deref for Presence<B> {
    type Target = Channel<B>;

    fn deref(&self) -> &Channel<B> {
        &self.0
    }
}

impl<B: Default> Drop for Presence<B> {
    fn drop(&mut self) {
        self.0.intake.leave();
    }
}

// === impl Backoff ===

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = Self::LONGEST.min(now * 2);
        now
    }
}
