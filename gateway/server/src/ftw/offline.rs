//! This process as the target: `decision` judges by one profile, and a backend that reflects stands behind it.
//!
//! Both halves of an exchange are judged, as the proxy asks for them: the request, then the head and the body of what the
//! backend answers. No admission comes before it: what the proxy would refuse for its framing is judged here all the same.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use rampart_decision::{Exchange, Refusal, Want, Workspace};
use rampart_inspection::Findings;
use rampart_message::{Headers, ResponseHead, Version};
use rampart_policy::Route;

use super::observed::{Observed, Record, line};
use super::reflect::{self, Reflected};
use super::run::Target;
use super::suite::Stage;
use super::wire::{self, Answer};
use crate::asked::{Judge, Request};

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

    fn judge(&self, request: &Request, reflected: Reflected, workspace: &mut Workspace) -> Observed {
        let started = Instant::now();
        let mut judged = Judge::Profile(self.route).ask(request, workspace);
        let (answer, record) = match (judged.status, judged.exchange.take()) {
            (Some(status), _) => (refused(status, judged.error.unwrap_or_default()), record(&judged.findings)),
            (None, None) => (Answer::from(reflected), record(&judged.findings)),
            (None, Some(exchange)) => respond(exchange, request.version, reflected, workspace),
        };
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Observed { answer: Some(answer), error: None, record: Some(record), micros }
    }
}

impl Target for Offline<'_> {
    fn send(&self, bytes: &[u8], stage: &Stage) -> Observed {
        let Some(request) = wire::request(bytes) else {
            let answer = Some(Answer::bare(400));
            return Observed { answer, record: Some(Record::default()), ..Observed::default() };
        };
        let asked = stage.reflection().map(reflect::reflect);
        let reflected = asked.unwrap_or_else(|| reflect::backend(&request.method, &request.target, &request.body));
        let mut workspace = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let observed = self.judge(&request, reflected, &mut workspace);
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        observed
    }

    fn complete(&self, _observed: &mut [&mut Observed]) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Takes the backend's answer through the rest of the exchange.
fn respond(
    mut exchange: Box<Exchange>,
    version: Version,
    reflected: Reflected,
    workspace: &mut Workspace,
) -> (Answer, Record) {
    let now = SystemTime::now();
    let judged = judge_response(&mut exchange, version, &reflected, now, workspace);
    let lines: Vec<Vec<u8>> = exchange.log_lines().map(String::into_bytes).collect();
    let (findings, _) = exchange.end(now, workspace);
    let mut record = record(&findings);
    (record.lines, record.is_abridged) = (lines, false);
    let answer = match judged {
        Ok(()) => Answer::from(reflected),
        Err(refusal) => refused(refusal.status, refusal.error.into_owned()),
    };
    (answer, record)
}

fn judge_response(
    exchange: &mut Exchange,
    version: Version,
    reflected: &Reflected,
    now: SystemTime,
    workspace: &mut Workspace,
) -> Result<(), Box<Refusal>> {
    let length = reflected.body.len().to_string();
    let mut fields: Vec<(&[u8], &[u8])> =
        reflected.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    fields.push((b"Content-Length", length.as_bytes()));
    let head = ResponseHead { status: reflected.status, version, headers: Headers::new(&fields) };
    let seen = match exchange.head(head, now, workspace)? {
        Want::Nothing => &[],
        Want::Body { limit_bytes } => reflected.body.get(..limit_bytes).unwrap_or(&reflected.body),
    };
    let is_whole = seen.is_empty() || seen.len() == reflected.body.len();
    exchange.body(seen, is_whole, now, workspace)
}

fn refused(status: u16, error: String) -> Answer {
    Answer { body: error.into_bytes(), ..Answer::bare(status) }
}

impl From<Reflected> for Answer {
    fn from(reflected: Reflected) -> Self {
        Self { status: reflected.status, fields: reflected.fields, body: reflected.body }
    }
}

/// What would be logged of these findings. They hold the gist of SecLang's log lines.
fn record(findings: &Findings) -> Record {
    let mut record = Record { is_abridged: !findings.seclang_rules.is_empty(), ..Record::default() };
    for id in &findings.seclang_rules {
        record.add(id);
    }
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
