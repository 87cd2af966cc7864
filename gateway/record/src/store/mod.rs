//! The embedded store: security events and admin actions in one SQLite file, to be searched long after they happened.
//!
//! A thread of the store takes rows in batches (`intake`) and writes them a transaction at a time, so a request pays for
//! one encoding and one short lock. The file is in WAL mode: `audit query` reads it from another process while the
//! gateway writes, and so does the other gateway during an upgrade. What is too old or too much is deleted. A file that
//! is damaged is moved aside and a new one begun: records to come matter more than one file. It never deletes a file, and
//! never touches one that is not its own.

mod database;
mod query;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::channel::{Channel, WriterStatus};
use crate::event::{AdminAction, Outcome, SecurityEvent};
use crate::fault::FaultReport;
use crate::intake::{Bounds, Overload};
use crate::metrics::Metrics;
use crate::time::{Clock, Timestamp};
use crate::verdict::Verdict;

use self::database::Database;
use self::writer::Writer;

pub use self::query::{ActionQuery, BadCursor, Cursor, EventQuery, MAX_PAGE, Page, QueryError, Reader};

/// What metrics and reports call the store.
pub(crate) const NAME: &str = "store";
/// A batch is written at once when it holds this much.
const BATCH_BYTES: usize = 256 * 1_024;
/// Otherwise a row waits at most this long for others.
const INTERVAL: Duration = Duration::from_millis(200);
/// The writer looks around this often when there is nothing to write.
const IDLE: Duration = Duration::from_secs(10);
/// How long dropping a store waits for what is still inside.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where the store is, how long it remembers, and what it does when it cannot keep up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The SQLite file; it and its folders are made when missing. `-wal` and `-shm` files stand beside it.
    pub path: PathBuf,
    /// What is kept of security events.
    pub events: Retention,
    /// What is kept of admin actions.
    pub actions: Retention,
    /// What happens to a row for which there is no room.
    pub overload: Overload,
    /// Bytes of rows that may wait, those being written included.
    pub buffer_bytes: usize,
}

/// What is kept of one kind of records; the rest is deleted within a minute or so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Older records are deleted.
    pub age: Duration,
    /// When there are more records, the oldest are deleted.
    pub rows: u64,
}

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or the file cannot be made or moved.
    #[error("cannot use {}: {source}; check that the folder exists and that the gateway's user may write there", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite refuses to work on the file.
    #[error("cannot use {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file belongs to another program.
    #[error("{} is a database, but not one of Rampart's; name another file", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A later Rampart has written the file.
    #[error(
        "{} was written by a later version of Rampart (schema {found}, this one knows {known}); \
         use that version, or name another file",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The file's schema version.
        found: u32,
        /// The schema version that this program knows.
        known: u32,
    },
    /// No thread can be had.
    #[error("cannot start the writer of the store: {0}")]
    Thread(std::io::Error),
}

/// A running store. Dropping it writes what is inside, for five seconds at most.
pub struct Store {
    channel: Arc<Channel<Vec<Row>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// One record on its way to the file: what is searched for, and the record as its line.
#[derive(Clone, Debug)]
enum Row {
    Event(EventRow),
    Action(ActionRow),
}

#[derive(Clone, Debug)]
struct EventRow {
    time: Timestamp,
    request_id: Box<str>,
    client: IpAddr,
    route: Option<Arc<str>>,
    verdict: Verdict,
    code: Option<Box<str>>,
    rules: Vec<Arc<str>>,
    line: Box<str>,
}

#[derive(Clone, Debug)]
struct ActionRow {
    time: Timestamp,
    actor: Box<str>,
    action: Box<str>,
    outcome: Outcome,
    line: Box<str>,
}

// === impl Store ===

impl Store {
    /// Opens or makes the file and starts the writer. A damaged file is moved aside, which is reported.
    pub fn open(
        config: &StoreConfig,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
        report: FaultReport,
    ) -> Result<Self, StoreError> {
        let channel = Channel::open(NAME, bounds(config), Arc::clone(&clock), metrics, report);
        let (database, moved) = Database::open_or_begin_anew(&config.path, clock.now())?;
        if let Some(moved) = moved {
            channel.troubles.passing(moved);
        }
        let writer = Writer::new(Arc::clone(&channel), config.clone(), database, clock);
        let thread = std::thread::Builder::new()
            .name("record-store".to_owned())
            .spawn(move || writer.run())
            .map_err(StoreError::Thread)?;
        Ok(Self { channel, thread: Mutex::new(Some(thread)) })
    }

    /// Puts in an event and its line; `false` when it was dropped.
    pub(crate) fn event(&self, event: &SecurityEvent, line: &str) -> bool {
        let mut rules: Vec<Arc<str>> = event.matches.iter().map(|found| Arc::clone(&found.rule)).collect();
        rules.sort_unstable();
        rules.dedup();
        self.put(Row::Event(EventRow {
            time: event.time,
            request_id: event.request_id.as_str().into(),
            client: event.client,
            route: event.route.clone(),
            verdict: event.verdict,
            code: event.code.as_deref().map(Into::into),
            rules,
            line: line.into(),
        }))
    }

    /// Puts in an admin action and its line; `false` when it was dropped.
    pub(crate) fn action(&self, action: &AdminAction, line: &str) -> bool {
        self.put(Row::Action(ActionRow {
            time: action.time,
            actor: action.actor.as_ref().into(),
            action: action.action.as_ref().into(),
            outcome: action.outcome,
            line: line.into(),
        }))
    }

    fn put(&self, row: Row) -> bool {
        self.channel.offer(row.bytes(), |batch| batch.push(row))
    }

    /// Waits until every row put in so far is written or given up; `false` when that takes longer than `longest`.
    pub fn flush(&self, longest: Duration) -> bool {
        self.channel.intake.flush(longest)
    }

    /// Writes what is inside and folds the WAL into the file; rows put in from now on are dropped. `false` when that
    /// takes longer than `longest`: the writer then is left to itself.
    pub fn close(&self, longest: Duration) -> bool {
        let finished = self.channel.intake.close(longest);
        let ended = self.thread.lock().take_if(|_| finished);
        finished && ended.is_none_or(|thread| thread.join().is_ok())
    }

    /// How the writer fares.
    pub fn status(&self) -> WriterStatus {
        self.channel.status()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close(LAST_WORDS);
    }
}

// === impl Row ===

impl Row {
    /// What the row weighs against the bound: its texts, and the row itself with its place in tables.
    fn bytes(&self) -> usize {
        let texts = match self {
            Self::Event(event) => event.line.len() + event.request_id.len() + 16 * event.rules.len(),
            Self::Action(action) => action.line.len() + action.actor.len() + action.action.len(),
        };
        size_of::<Self>() + texts
    }
}

fn bounds(config: &StoreConfig) -> Bounds {
    Bounds {
        capacity_bytes: config.buffer_bytes,
        batch_bytes: BATCH_BYTES.min(config.buffer_bytes / 4),
        interval: INTERVAL,
        overload: config.overload,
        idle: Some(IDLE),
    }
}
