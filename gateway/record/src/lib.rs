//! What must last: the access log, security events and admin actions.
//!
//! Records go two ways. A [`Journal`] writes each as one JSON line to standard output or to a file that it rotates; the
//! [`Store`] keeps events and admin actions in an embedded SQLite file, with an index for each thing one asks for
//! ([`Reader`]). [`Records`] is both behind one door, and what the rest of the gateway holds.
//!
//! What every part keeps to:
//! - Recording never fails and never waits for a disk: callers put a finished line into a bounded buffer, a thread of
//!   the writer empties it. At the bound a record is dropped and counted, or the caller waits for a second at most, as
//!   configured ([`Overload`]).
//! - A disk in trouble is reported ([`Fault`]), tried again, and never takes the gateway with it.
//! - Credentials, query strings and bodies have no field; matched values go through [`Redaction`]; whatever the network
//!   sent is escaped ([`escape`]), so that a line is one line.
//! - The time is an argument, or comes from a [`Clock`] that is passed in.
//!
//! ```
//! use std::sync::Arc;
//! use rampart_record::{AccessEntry, Clock, Metrics, RecordConfig, Records, SystemClock, Verdict};
//!
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock);
//! let report = Arc::new(|fault: &rampart_record::Fault| eprintln!("{fault}")) as rampart_record::FaultReport;
//! let records = Records::open(&RecordConfig::default(), &clock, &Metrics::default(), &report).unwrap();
//! records.access(&AccessEntry {
//!     time: clock.now(),
//!     request_id: "01JD3X",
//!     client: [203, 0, 113, 9].into(),
//!     method: b"GET",
//!     host: b"agents.example",
//!     path: b"/api/v1/agents?token=never+written",
//!     protocol: "HTTP/1.1",
//!     status: 200,
//!     bytes_in: 0,
//!     bytes_out: 1_432,
//!     micros: 812,
//!     upstream: None,
//!     upstream_micros: 0,
//!     route: Some("agent list"),
//!     verdict: Verdict::Pass,
//!     identity: None,
//!     user_agent: b"curl/8.5.0",
//! });
//! ```

mod access;
mod channel;
mod event;
mod fault;
mod intake;
mod journal;
mod metrics;
mod raw;
mod records;
mod redact;
mod store;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod verdict;

pub use access::AccessEntry;
pub use channel::WriterStatus;
pub use event::{
    AccessKind, AccessNote, AdminAction, MAX_FIELD_BYTES, MAX_MATCHES, MAX_PATH_BYTES, MAX_RULES, Outcome, RuleMatch,
    SecurityEvent,
};
pub use fault::{Fault, FaultReport};
pub use intake::Overload;
pub use journal::{Destination, FileConfig, Journal, JournalConfig, JournalError};
pub use metrics::Metrics;
pub use raw::{RawDestination, RawJournal, RawLog, RawOverload, RawRedaction, RawStorage};
pub use records::{OpenError, RecordConfig, Records};
pub use redact::{BadPattern, DEFAULT_TARGETS, DEFAULT_VALUE_BYTES, REDACTED, Redaction};
pub use store::{
    ActionQuery, BadCursor, Cursor, EventQuery, MAX_PAGE, Page, QueryError, Reader, Retention, Store, StoreConfig,
    StoreError,
};
pub use text::{escape, escape_into};
pub use time::{BadTimestamp, Clock, SystemClock, Timestamp};
pub use verdict::{UnknownVerdict, Verdict};
