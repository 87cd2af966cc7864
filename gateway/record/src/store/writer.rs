//! The thread of the store: takes rows, writes them, deletes what is too old, and does not give up while the disk is in
//! trouble.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Backoff, Channel, Presence};
use crate::time::{Clock, Timestamp};

use super::database::{Database, Table, is_damage};
use super::{Row, StoreConfig, StoreError};

/// Rows of one transaction.
const TRANSACTION_ROWS: usize = 500;
/// How often the store looks for rows to delete.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Rows deleted at once at least; more when more come in at once.
const SWEEP_ROWS: u64 = 2_000;

pub(super) struct Writer {
    channel: Presence<Vec<Row>>,
    config: StoreConfig,
    /// `None` after a failure: it is opened anew for the next try.
    database: Option<Database>,
    clock: Arc<dyn Clock>,
    sweep: Sweep,
    dropped_reported: u64,
}

/// When rows were last looked through for what is to be deleted.
struct Sweep {
    ended: Option<Timestamp>,
    /// Rows written since.
    rows: u64,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(
        channel: Arc<Channel<Vec<Row>>>,
        config: StoreConfig,
        database: Database,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let dropped_reported = channel.meter.dropped.get();
        let sweep = Sweep { ended: None, rows: 0 };
        Self { channel: Presence(channel), config, database: Some(database), clock, sweep, dropped_reported }
    }

    pub(super) fn run(mut self) {
        loop {
            let work = self.channel.intake.take(Vec::new());
            let lost = self.write_out(&work.batch);
            self.channel.meter.dropped.inc_by(lost);
            self.channel.report_drops(&mut self.dropped_reported);
            if work.last {
                self.finish();
            }
            self.channel.intake.done(work.items);
            if work.last {
                return;
            }
            // Old rows go a few at a time, so that new ones need not wait for them.
            while self.sweep_if_due() && self.channel.intake.queued_bytes() == 0 {}
        }
    }

    fn finish(&mut self) {
        if let Some(database) = self.database.take()
            && let Err(error) = database.close()
        {
            self.channel.troubles.passing(format!("cannot finish {}: {error}", self.config.path.display()));
        }
    }

    /// Writes the rows, however long that takes; only the end of the store makes it give up. Returns how many were lost
    /// then.
    fn write_out(&mut self, rows: &[Row]) -> u64 {
        let mut backoff = Backoff::new();
        let mut rest = rows;
        let mut closing = false;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(TRANSACTION_ROWS));
            match self.insert(chunk) {
                Ok(()) => {
                    self.count(chunk);
                    self.channel.troubles.over();
                    rest = after;
                }
                Err(_) if closing => return count(rest),
                Err(error) => {
                    self.channel.failed(error.to_string());
                    closing = self.channel.intake.pause(backoff.next()).closing;
                }
            }
        }
        0
    }

    fn insert(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        self.with_database(|database| database.insert(rows))
    }

    fn count(&mut self, rows: &[Row]) {
        let bytes: usize = rows.iter().map(Row::bytes).sum();
        self.channel.meter.lines.inc_by(count(rows));
        self.channel.meter.bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.sweep.rows += count(rows);
    }

    /// Works on the file, opened anew if need be. After any failure it is let go of; if it is damaged, moved aside.
    fn with_database<T>(&mut self, work: impl FnOnce(&mut Database) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut database = match self.database.take() {
            Some(open) if open.is_in_place() => open,
            Some(_gone) => {
                self.channel.troubles.passing(format!("{} is gone: begun anew", self.config.path.display()));
                self.reopen()?
            }
            None => self.reopen()?,
        };
        match work(&mut database) {
            Ok(done) => {
                self.database = Some(database);
                Ok(done)
            }
            Err(source) => {
                drop(database);
                if is_damage(&source) {
                    self.database = Some(self.begin_anew(&source)?);
                }
                Err(StoreError::Sqlite { path: self.config.path.clone(), source })
            }
        }
    }

    fn reopen(&mut self) -> Result<Database, StoreError> {
        let (database, moved) = Database::open_or_begin_anew(&self.config.path, self.clock.now())?;
        if let Some(moved) = moved {
            self.channel.troubles.passing(moved);
        }
        Ok(database)
    }

    fn begin_anew(&mut self, damage: &rusqlite::Error) -> Result<Database, StoreError> {
        let (database, moved) = Database::replace(&self.config.path, damage, self.clock.now())?;
        self.channel.troubles.passing(moved);
        Ok(database)
    }

    /// Deletes some of what is not to be kept, when it is time; `true` when there is more.
    fn sweep_if_due(&mut self) -> bool {
        let now = self.clock.now();
        if !self.sweep.is_due(now, self.config.events.rows) {
            return false;
        }
        let most = SWEEP_ROWS.max(self.sweep.rows.saturating_mul(2));
        let (events, actions) = (self.config.events, self.config.actions);
        let swept = self.with_database(|database| {
            let deleted = database.expire(Table::Event, events, now, most)?;
            let deleted = deleted.max(database.expire(Table::Action, actions, now, most)?);
            if deleted > 0 {
                database.shrink()?;
            }
            Ok(deleted)
        });
        let more = swept.as_ref().is_ok_and(|deleted| *deleted >= most);
        if !more {
            self.sweep = Sweep { ended: Some(now), rows: 0 };
        }
        if let Err(error) = swept {
            self.channel.meter.write_errors.inc();
            self.channel.troubles.passing(format!("cannot delete old records: {error}"));
        }
        more
    }
}

// === impl Sweep ===

impl Sweep {
    /// Once a minute, and sooner when much has been written.
    fn is_due(&self, now: Timestamp, rows_kept: u64) -> bool {
        self.rows > (rows_kept / 20).max(SWEEP_ROWS)
            || self.ended.is_none_or(|ended| now.since(ended) >= SWEEP_EVERY || now < ended)
    }
}

fn count(rows: &[Row]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}
