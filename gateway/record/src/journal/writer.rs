//! The thread of a journal: takes batches, writes them, and does not give up while the disk is in trouble.

use std::sync::Arc;
use std::time::Duration;

use crate::time::Clock;

use super::Shared;
use super::file::Sink;

/// The pause after the first failed write; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A batch's buffer that a burst has blown up beyond this is given back.
const SPARE_BYTES: usize = 1_024 * 1_024;

pub(super) struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    clock: Arc<dyn Clock>,
    /// How many dropped lines have been reported.
    dropped_reported: u64,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink, clock: Arc<dyn Clock>) -> Self {
        let dropped_reported = shared.meter.dropped.get();
        Self { shared, sink, clock, dropped_reported }
    }

    pub(super) fn run(mut self) {
        let mut spare = Vec::new();
        loop {
            let work = self.shared.intake.take(spare);
            if work.reopen {
                self.reopen();
            }
            let lost = self.write_out(&work.batch);
            self.shared.meter.lines.inc_by(work.items.saturating_sub(lost));
            self.shared.meter.dropped.inc_by(lost);
            self.report_drops();
            if work.last {
                self.sync();
            }
            self.shared.intake.done(work.items);
            if work.last {
                return;
            }
            spare = work.batch;
            spare.clear();
            spare.shrink_to(SPARE_BYTES);
        }
    }

    /// Writes the lines, however long that takes; only the end of the journal makes it give up. Returns how many lines
    /// were lost then.
    fn write_out(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        let mut wait = FIRST_PAUSE;
        while !rest.is_empty() {
            let written = self.sink.write(rest, self.clock.now());
            self.shared.meter.bytes.inc_by(u64::try_from(written.bytes).unwrap_or(u64::MAX));
            rest = rest.get(written.bytes..).unwrap_or_default();
            if let Some(complaint) = written.complaint {
                self.shared.troubles.passing(complaint);
            }
            let Some(error) = written.error else {
                self.shared.troubles.over();
                continue;
            };
            self.shared.meter.write_errors.inc();
            self.shared.troubles.lasting(format!("cannot write {}: {error}", self.sink.describe()));
            let pause = self.shared.intake.pause(wait);
            if pause.closing {
                return self.last_try(rest);
            }
            if pause.reopen {
                self.reopen();
            }
            wait = LONGEST_PAUSE.min(wait * 2);
        }
        0
    }

    fn last_try(&mut self, lines: &[u8]) -> u64 {
        let written = self.sink.write(lines, self.clock.now());
        let lost = lines.get(written.bytes..).unwrap_or_default();
        u64::try_from(lost.split_inclusive(|byte| *byte == b'\n').count()).unwrap_or(u64::MAX)
    }

    fn reopen(&mut self) {
        if let Err(error) = self.sink.reopen(self.clock.now()) {
            self.shared.meter.write_errors.inc();
            self.shared.troubles.passing(format!("cannot open {} anew: {error}", self.sink.describe()));
        }
    }

    fn sync(&mut self) {
        if let Err(error) = self.sink.sync() {
            self.shared.meter.write_errors.inc();
            self.shared.troubles.passing(format!("cannot sync {}: {error}", self.sink.describe()));
        }
    }

    fn report_drops(&mut self) {
        let dropped = self.shared.meter.dropped.get();
        let new = dropped.saturating_sub(self.dropped_reported);
        if new > 0 {
            self.dropped_reported = dropped;
            self.shared.troubles.passing(format!("{new} records dropped: the writer cannot keep up"));
        }
    }
}

impl Drop for Writer {
    /// However the thread ends, nobody waits for it any more.
    fn drop(&mut self) {
        self.shared.intake.leave();
    }
}
