//! JSON lines for standard output or a file: the access log, security events, admin actions.
//!
//! A caller encodes its line in a buffer of its own thread and appends it to a shared one under a short lock
//! (`intake`); a thread of the journal writes. Lines are written whole: a failed write is taken back to the end of the
//! last whole line and tried again until the disk has recovered; meanwhile the configured choice at the bound applies. It
//! never looks into a line, and no trouble of the disk reaches the caller.

mod file;
mod writer;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::channel::{Channel, WriterStatus};
use crate::fault::FaultReport;
use crate::intake::{Bounds, Overload};
use crate::metrics::Metrics;
use crate::time::Clock;

use self::file::Sink;
use self::writer::Writer;

/// A batch is written at once when it holds this much, or a quarter of a smaller buffer.
const BATCH_BYTES: usize = 128 * 1_024;
/// Otherwise a line waits at most this long for others.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long dropping a journal waits for what is still inside.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A thread's buffer that a long line has blown up beyond this is given back.
const SCRATCH_BYTES: usize = 64 * 1_024;

/// Where one journal writes, and what it does when it cannot keep up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// What metrics and reports call it.
    pub name: &'static str,
    /// Where the lines go.
    pub destination: Destination,
    /// What happens to a line for which there is no room.
    pub overload: Overload,
    /// Bytes of lines that may wait, those being written included.
    pub buffer_bytes: usize,
}

/// Where the lines of a journal go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file that is rotated.
    File(FileConfig),
}

/// A file, and when it makes room for the next.
///
/// A rotated file stands beside it with the time of its rotation in its name: `access.jsonl.20261120T132042.123Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConfig {
    /// The file that is written; it and its folders are made when missing.
    pub path: PathBuf,
    /// No file grows beyond this many bytes, but for a single longer line.
    pub rotate_bytes: Option<u64>,
    /// A new file begins at every multiple of this since 1970: with 24 hours, at midnight UTC.
    pub rotate_age: Option<Duration>,
    /// How many rotated files stay; older ones are deleted.
    pub keep: usize,
}

/// A journal cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened for appending.
    #[error("cannot write {}: {source}; check that the folder exists and that the gateway's user may write there", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Standard output cannot be used.
    #[error("cannot write to standard output: {0}")]
    Stdout(std::io::Error),
    /// No thread can be had.
    #[error("cannot start the writer of the {name} journal: {source}")]
    Thread {
        /// The journal.
        name: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A running journal. Dropping it writes what is inside, for five seconds at most.
pub struct Journal {
    channel: Arc<Channel<Vec<u8>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

// === impl Journal ===

impl Journal {
    /// Opens the destination and starts the writer.
    pub fn open(
        config: &JournalConfig,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
        report: FaultReport,
    ) -> Result<Self, JournalError> {
        let sink = Sink::open(&config.destination, clock.now())?;
        let channel = Channel::open(config.name, bounds(config), Arc::clone(&clock), metrics, report);
        let writer = Writer::new(Arc::clone(&channel), sink, clock);
        let thread = std::thread::Builder::new()
            .name(format!("log-{}", config.name))
            .spawn(move || writer.run())
            .map_err(|source| JournalError::Thread { name: config.name, source })?;
        Ok(Self { channel, thread: Mutex::new(Some(thread)) })
    }

    /// Appends the line that `encode` writes: one JSON object, without a newline. `false` when it was dropped.
    pub fn append(&self, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut line) => self.append_with(&mut line, encode),
            // `encode` has appended a line of its own.
            Err(_) => self.append_with(&mut Vec::new(), encode),
        })
    }

    fn append_with(&self, line: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        line.clear();
        encode(line);
        debug_assert!(!line.contains(&b'\n'), "a record must not hold a newline");
        line.push(b'\n');
        let taken = self.channel.offer(line.len(), |batch| batch.extend_from_slice(line));
        line.shrink_to(SCRATCH_BYTES);
        taken
    }

    /// Opens the file anew before the next line: for whoever has renamed it. Returns at once.
    pub fn reopen(&self) {
        self.channel.intake.reopen();
    }

    /// Waits until every line appended so far is written or given up; `false` when that takes longer than `longest`.
    pub fn flush(&self, longest: Duration) -> bool {
        self.channel.intake.flush(longest)
    }

    /// Writes what is inside and syncs it to the disk; lines appended from now on are dropped. `false` when that takes
    /// longer than `longest`: the writer then is left to itself.
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

impl Drop for Journal {
    fn drop(&mut self) {
        self.close(LAST_WORDS);
    }
}

// === impl Destination ===

impl Destination {
    /// The file, unless it is standard output.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(file) => Some(&file.path),
        }
    }
}

fn bounds(config: &JournalConfig) -> Bounds {
    Bounds {
        capacity_bytes: config.buffer_bytes,
        batch_bytes: BATCH_BYTES.min(config.buffer_bytes / 4),
        interval: INTERVAL,
        overload: config.overload,
        idle: None,
    }
}
