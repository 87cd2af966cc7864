//! This process as the target: `decision` judges by one profile, and a backend that reflects stands behind it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rampart_decision::Workspace;
use rampart_inspection::Findings;
use rampart_policy::Route;

use super::observed::{Observed, Record, line};
use super::reflect;
use super::run::Target;
use super::suite::Stage;
use super::wire::{self, Answer};
use crate::asked::{self, Judge};

/// One profile, asked in this process.
pub(crate) struct Offline<'r> {
    route: &'r Route,
    /// One for each thread that asks, handed from case to case.
    workspaces: Mutex<Vec<Workspace>>,
}

impl<'r> Offline<'r> {
    /// Asks the profile of `route`.
    pub(crate) fn new(route: &'r Route) -> Self {
        Self { route, workspaces: Mutex::default() }
    }

    fn ask(&self, request: &asked::Request) -> (asked::Answer<'r>, u64) {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = workspaces.pop().unwrap_or_default();
        drop(workspaces);
        let started = Instant::now();
        let answer = Judge::Profile(self.route).ask(request, &mut workspace);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        (answer, micros)
    }
}

impl Target for Offline<'_> {
    fn send(&self, bytes: &[u8], stage: &Stage) -> Observed {
        let Some(request) = wire::request(bytes) else {
            let answer = Some(Answer::bare(400));
            return Observed { answer, record: Some(Record::default()), ..Observed::default() };
        };
        let (judged, micros) = self.ask(&request);
        let record = Some(record(&judged.findings));
        let answer = if let Some(status) = judged.status {
            Answer { body: judged.error.unwrap_or_default().into_bytes(), ..Answer::bare(status) }
        } else {
            let asked = stage.reflection().map(reflect::reflect);
            let reflected = asked.unwrap_or_else(|| reflect::backend(&request.method, &request.target, &request.body));
            Answer { status: reflected.status, fields: reflected.fields, body: reflected.body }
        };
        Observed { answer: Some(answer), error: None, record, micros }
    }

    fn complete(&self, _observed: &mut [&mut Observed]) -> anyhow::Result<()> {
        Ok(())
    }
}

/// What would be logged of these findings.
fn record(findings: &Findings) -> Record {
    let mut record = Record::default();
    for found in &findings.matches {
        record.add(&found.rule);
        let mut data = b"Matched Data: ".to_vec();
        data.extend_from_slice(&found.value);
        data.extend_from_slice(format!(" found within {}: ", found.target).as_bytes());
        data.extend_from_slice(&found.value);
        record.lines.push(line(&found.rule, &found.message, &data, found.severity.as_str()));
    }
    record
}
