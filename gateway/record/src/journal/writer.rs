//! The thread of a journal: takes batches, writes them, and does not give up while the disk is in trouble.

use std::sync::Arc;

use crate::channel::{Backoff, Channel, Presence};
use crate::time::Clock;

use super::file::Sink;

/// A batch's buffer that a burst has blown up beyond this is given back.
const SPARE_BYTES: usize = 1_024 * 1_024;

pub(super) struct Writer {
    channel: Presence<Vec<u8>>,
    sink: Sink,
    clock: Arc<dyn Clock>,
    /// How many dropped lines have been reported.
    dropped_reported: u64,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(channel: Arc<Channel<Vec<u8>>>, sink: Sink, clock: Arc<dyn Clock>) -> Self {
        let dropped_reported = channel.meter.dropped.get();
        Self { channel: Presence(channel), sink, clock, dropped_reported }
    }

    pub(super) fn run(mut self) {
        let mut spare = Vec::new();
        loop {
            let work = self.channel.intake.take(spare);
            if work.reopen {
                self.reopen();
            }
            let lost = self.write_out(&work.batch);
            self.channel.meter.lines.inc_by(work.items.saturating_sub(lost));
            self.channel.meter.dropped.inc_by(lost);
            self.channel.report_drops(&mut self.dropped_reported);
            if work.last {
                self.sync();
            }
            self.channel.intake.done(work.items);
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
        let mut backoff = Backoff::new();
        while !rest.is_empty() {
            let written = self.sink.write(rest, self.clock.now());
            self.channel.meter.bytes.inc_by(u64::try_from(written.bytes).unwrap_or(u64::MAX));
            rest = rest.get(written.bytes..).unwrap_or_default();
            if let Some(complaint) = written.complaint {
                self.channel.troubles.passing(complaint);
            }
            let Some(error) = written.error else {
                self.channel.troubles.over();
                continue;
            };
            self.channel.failed(format!("cannot write {}: {error}", self.sink.describe()));
            let pause = self.channel.intake.pause(backoff.next());
            if pause.closing {
                return self.last_try(rest);
            }
            if pause.reopen {
                self.reopen();
            }
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
            self.channel.meter.write_errors.inc();
            self.channel.troubles.passing(format!("cannot open {} anew: {error}", self.sink.describe()));
        }
    }

    fn sync(&mut self) {
        if let Err(error) = self.sink.sync() {
            self.channel.meter.write_errors.inc();
            self.channel.troubles.passing(format!("cannot sync {}: {error}", self.sink.describe()));
        }
    }
}
