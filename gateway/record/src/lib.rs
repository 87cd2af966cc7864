#![doc = "x"]
mod access;
mod event;
mod redact;
mod text;
mod time;
mod verdict;
pub use access::AccessEntry;
pub use event::{AdminAction, MAX_FIELD_BYTES, MAX_MATCHES, MAX_PATH_BYTES, Outcome, RuleMatch, SecurityEvent};
pub use redact::{BadPattern, DEFAULT_TARGETS, DEFAULT_VALUE_BYTES, REDACTED, Redaction};
pub use text::{escape, escape_into};
pub use time::{BadTimestamp, Clock, SystemClock, Timestamp};
pub use verdict::{UnknownVerdict, Verdict};
