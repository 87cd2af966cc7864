//! What a writer says when it cannot do its work: once when it begins, once a minute while it lasts, once when it is over.
//!
//! A full disk fails every write; saying so each time would fill the next disk. Where the words go is the caller's
//! business (standard error, a log, a status page): the writers only call back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::time::{Clock, Timestamp};

/// How long a writer is silent about a trouble that it has reported.
pub(crate) const SILENCE: Duration = Duration::from_mins(1);

/// Called by writers from their own thread; must not block.
pub type FaultReport = Arc<dyn Fn(&Fault) + Send + Sync>;

/// One report of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it was noticed.
    pub time: Timestamp,
    /// Which writer: `access`, `events`, `admin` or `store`.
    pub writer: &'static str,
    /// `true` when this says that the trouble is over.
    pub recovered: bool,
    /// What happened, and to which file.
    pub message: String,
    /// How many troubles of this writer were not reported since the report before.
    pub unreported: u64,
}

/// The troubles of one writer.
pub(crate) struct Troubles {
    writer: &'static str,
    clock: Arc<dyn Clock>,
    report: FaultReport,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Set while the trouble lasts.
    current: Option<Fault>,
    reported: Option<Timestamp>,
    unreported: u64,
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.writer, self.message)?;
        match self.unreported {
            0 => Ok(()),
            more => write!(f, " ({more} more since the last report)"),
        }
    }
}

// === impl Troubles ===

impl Troubles {
    pub(crate) fn new(writer: &'static str, clock: Arc<dyn Clock>, report: FaultReport) -> Self {
        Self { writer, clock, report, state: Mutex::default() }
    }

    /// Something went wrong; it lasts until [`Self::over`].
    pub(crate) fn lasting(&self, message: String) {
        let fault = self.note(message);
        self.state.lock().current = Some(fault);
    }

    /// Something went wrong, and that was that.
    pub(crate) fn passing(&self, message: String) {
        self.note(message);
    }

    /// What went wrong works again, if anything did.
    pub(crate) fn over(&self) {
        let mut state = self.state.lock();
        if state.current.take().is_none() {
            return;
        }
        let unreported = std::mem::take(&mut state.unreported);
        state.reported = None;
        drop(state);
        let message = "writing works again".to_owned();
        (self.report)(&Fault { time: self.clock.now(), writer: self.writer, recovered: true, message, unreported });
    }

    /// What is wrong now.
    pub(crate) fn current(&self) -> Option<Fault> {
        self.state.lock().current.clone()
    }

    fn note(&self, message: String) -> Fault {
        let time = self.clock.now();
        let mut state = self.state.lock();
        let silent = state.reported.is_some_and(|reported| time.since(reported) < SILENCE);
        if silent {
            state.unreported += 1;
        } else {
            state.reported = Some(time);
        }
        let unreported = if silent { state.unreported } else { std::mem::take(&mut state.unreported) };
        drop(state);
        let fault = Fault { time, writer: self.writer, recovered: false, message, unreported };
        if !silent {
            (self.report)(&fault);
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Standing, collected};

    #[test]
    fn a_lasting_trouble_is_told_once_a_minute_and_when_it_is_over() {
        let clock = Standing::at("2026-11-20T13:00:00Z");
        let reports = Arc::default();
        let troubles = Troubles::new("access", clock.clone(), collected(&reports));
        troubles.over();
        (0..5).for_each(|n| troubles.lasting(format!("full {n}")));
        assert_eq!(troubles.current().unwrap().message, "full 4");
        clock.advance(Duration::from_secs(59));
        troubles.lasting("full 5".to_owned());
        clock.advance(Duration::from_secs(1));
        troubles.lasting("full 6".to_owned());
        troubles.over();
        troubles.over();
        // Another one at once is news again.
        troubles.passing("dropped".to_owned());
        let told: Vec<String> = reports.lock().iter().map(ToString::to_string).collect();
        let expect = [
            "access: full 0",
            "access: full 6 (5 more since the last report)",
            "access: writing works again",
            "access: dropped",
        ];
        assert_eq!(told, expect);
        assert_eq!(troubles.current(), None, "what is over at once is no state");
    }
}
