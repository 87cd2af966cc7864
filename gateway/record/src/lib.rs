#![doc = "x"]
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
pub use event::{AdminAction, MAX_FIELD_BYTES, MAX_MATCHES, MAX_PATH_BYTES, Outcome, RuleMatch, SecurityEvent};
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
