//! The log of the process itself: one line an entry on standard error. (Requests go to the access log, verdicts to the
//! event log: `rampart-record`.)
//!
//! Libraries below us speak only from `warn` on, and all of them together at most [`LINES_PER_SECOND_MAX`] lines a
//! second, so that a peer who makes every connection fail cannot fill the disk; what was left out is counted and said.
//! The Redis client speaks from `error` on: whatever befalls its connections is said in one line of our own.
//! Our own lines are never left out.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rampart_record::{Clock, SystemClock, Timestamp};

/// Lines of libraries that are written in one second; more are counted only.
const LINES_PER_SECOND_MAX: u64 = 50;

/// The Redis client: it warns for each connection of a pool.
const REDIS_CLIENT: &str = "fred";

/// Our own targets begin with this.
const OWN: &str = "rampart";

struct ProcessLog {
    own: LevelFilter,
    libraries: LevelFilter,
    budget: Budget,
}

/// How many library lines were seen in the current second.
#[derive(Default)]
struct Budget {
    second: AtomicU64,
    seen: AtomicU64,
}

/// What becomes of one line.
#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    /// Written; before it, `suppressed` lines of an earlier second were left out.
    Yes {
        suppressed: u64,
    },
    No,
}

/// Makes this the process's log. Levels come from `RAMPART_LOG` (`error`, `warn`, `info`, `debug`, `trace`); at `debug`
/// and below the libraries speak as well.
pub(crate) fn start(level: Option<LevelFilter>) {
    let own = level.unwrap_or(LevelFilter::Info);
    let libraries = if own >= LevelFilter::Debug { own } else { own.min(LevelFilter::Warn) };
    let logger = Box::new(ProcessLog { own, libraries, budget: Budget::default() });
    if log::set_boxed_logger(logger).is_ok() {
        log::set_max_level(own.max(libraries));
    }
}

impl Budget {
    fn admit(&self, second: u64) -> Admitted {
        let mut suppressed = 0;
        if self.second.swap(second, Ordering::Relaxed) != second {
            suppressed = self.seen.swap(0, Ordering::Relaxed).saturating_sub(LINES_PER_SECOND_MAX);
        }
        if self.seen.fetch_add(1, Ordering::Relaxed) < LINES_PER_SECOND_MAX {
            Admitted::Yes { suppressed }
        } else {
            Admitted::No
        }
    }
}

impl ProcessLog {
    fn limit(&self, target: &str) -> LevelFilter {
        if target.starts_with(OWN) {
            self.own
        } else if self.libraries == LevelFilter::Warn && area(target) == REDIS_CLIENT {
            LevelFilter::Error
        } else {
            self.libraries
        }
    }
}

impl Log for ProcessLog {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= self.limit(metadata.target())
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = SystemClock.now();
        if !record.target().starts_with(OWN) {
            match self.budget.admit(now.millis().unsigned_abs() / 1_000) {
                Admitted::No => return,
                Admitted::Yes { suppressed: 0 } => {}
                Admitted::Yes { suppressed } => {
                    write_line(now, Level::Warn, OWN, &format!("{suppressed} log lines of libraries were left out"));
                }
            }
        }
        write_line(now, record.level(), record.target(), &record.args().to_string());
    }

    fn flush(&self) {
        let _ = io::stderr().flush();
    }
}

/// One line, written at once so that lines of several threads do not mix. Control characters are escaped: what a peer
/// sent may stand in a library's message.
fn write_line(now: Timestamp, level: Level, target: &str, message: &str) {
    let mut line = format!("{now} {level:<5} {}: ", area(target));
    for c in message.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line.push('\n');
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// The crate that speaks.
fn area(target: &str) -> &str {
    target.split("::").next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_are_counted_and_said_later() {
        let budget = Budget::default();
        let written = (0..LINES_PER_SECOND_MAX + 7).filter(|_| budget.admit(10) != Admitted::No).count();
        assert_eq!(written as u64, LINES_PER_SECOND_MAX);
        assert_eq!(budget.admit(11), Admitted::Yes { suppressed: 7 });
        assert_eq!(budget.admit(11), Admitted::Yes { suppressed: 0 });
    }

    #[test]
    fn our_own_lines_have_their_own_level() {
        let log = ProcessLog { own: LevelFilter::Info, libraries: LevelFilter::Warn, budget: Budget::default() };
        let enabled = |target, level| log.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(enabled("rampart::reload", Level::Info));
        assert!(!enabled("rampart::reload", Level::Debug));
        assert!(enabled("pingora_core::server", Level::Warn));
        assert!(!enabled("pingora_core::server", Level::Info));
        assert!(enabled("fred::router", Level::Error));
        assert!(!enabled("fred::router", Level::Warn));
        assert!(enabled("frederick", Level::Warn));
        let asked = ProcessLog { own: LevelFilter::Debug, libraries: LevelFilter::Debug, budget: Budget::default() };
        assert!(asked.enabled(&Metadata::builder().target("fred::router").level(Level::Debug).build()));
    }
}
