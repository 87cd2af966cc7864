//! What comes after a request has passed: its response.
//!
//! An [`Exchange`] carries what the rules know from the request to the response. It is asked in order: [`head`], [`body`]
//! (empty where it was not wanted), [`end`]; an answer that refuses ends the response there.
//!
//! [`head`]: Exchange::head
//! [`body`]: Exchange::body
//! [`end`]: Exchange::end

use std::sync::Arc;
use std::time::SystemTime;

use rampart_inspection::{Findings, Mode, Outcome, Profile, Transaction};
use rampart_message::{Body, Headers, Limits, ResponseHead};
use rampart_policy::Route;
use rampart_record::Verdict;

use crate::judgement::redirect;
use crate::{Code, Refusal, Workspace};

/// Fields that say how a body is to be read.
const READING: [&str; 2] = ["content-type", "content-encoding"];

/// What the judgement of a response needs of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing: the body passes.
    Nothing,
    /// The body, up to so many bytes as they travel.
    Body {
        /// Bytes at most; what comes after them is not judged, or the response is refused.
        limit_bytes: usize,
    },
}

/// An exchange whose request has passed and whose response is still to be judged.
#[derive(Debug)]
pub struct Exchange {
    profile: Arc<Profile>,
    limits: Limits,
    /// Of a body, so many bytes are judged, as they travel and decoded.
    limit_bytes: usize,
    transaction: Transaction,
    findings: Findings,
    /// The fields of the response by which its body is read.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Exchange {
    pub(crate) fn new(route: &Route, transaction: Transaction, findings: Findings) -> Self {
        let (profile, limits) = (Arc::clone(&route.profile), route.limits);
        Self { profile, limits, limit_bytes: 0, transaction, findings, fields: Vec::new() }
    }

    /// Whether a response may be refused after its head, so that the head has to wait for the body.
    pub fn holds(&self) -> bool {
        self.profile.mode == Mode::Block && self.transaction.may_want_response_body()
    }

    /// Judges the head of the response; says what is wanted of its body.
    ///
    /// # Errors
    /// The refusal that the client gets instead.
    pub fn head(
        &mut self,
        head: ResponseHead<'_>,
        now: SystemTime,
        workspace: &mut Workspace,
    ) -> Result<Want, Box<Refusal>> {
        self.transaction.response_head(&head, now, &mut workspace.inspection);
        self.verdict()?;
        let Some(limit) = self.transaction.response_body_limit() else { return Ok(Want::Nothing) };
        // 0 is no limit; then the profile's is the one.
        let limit_bytes = if limit == 0 { self.limits.decoded_body } else { limit };
        self.limit_bytes = limit_bytes;
        let reads = |name: &[u8]| READING.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes()));
        let fields = head.headers.iter().filter(|(name, _)| reads(name));
        self.fields = fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        Ok(Want::Body { limit_bytes })
    }

    /// Judges the body of the response as it travels, content codings on. `whole` says whether it is all of it.
    ///
    /// # Errors
    /// The refusal that the client gets instead.
    pub fn body(
        &mut self,
        bytes: &[u8],
        whole: bool,
        now: SystemTime,
        workspace: &mut Workspace,
    ) -> Result<(), Box<Refusal>> {
        let fields: Vec<(&[u8], &[u8])> = self.fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let headers = Headers::new(&fields);
        let open = if whole { Body::open } else { Body::open_prefix };
        // The limit of responses bounds the work, however well they compress.
        let decoded_body = self.limit_bytes.saturating_add(1);
        let opened = open(&headers, bytes, &Limits { decoded_body, decompression_ratio: usize::MAX, ..self.limits });
        let decoded = opened.decoded();
        let seen = whole && opened.is_whole() && decoded.len() <= self.limit_bytes;
        if !seen && self.transaction.refuses_longer_response() && self.profile.mode == Mode::Block {
            return Err(refusal(403, "The response is longer than what is inspected", None));
        }
        self.transaction.response_body(decoded, !seen, now, &mut workspace.inspection);
        self.verdict()
    }

    fn verdict(&mut self) -> Result<(), Box<Refusal>> {
        self.profile.join(&mut self.findings, &self.transaction);
        match self.findings.outcome {
            // Without an interruption the work budget was spent, which is not the client's fault.
            Outcome::Block { .. } => {
                let status = self.findings.interruption.as_ref().map_or(403, |interruption| interruption.status);
                Err(refusal(status, "The response was withheld", redirect(&self.findings)))
            }
            Outcome::Pass | Outcome::WouldBlock => Ok(()),
        }
    }

    /// The exchange is over. Gives everything that was found, of request and response; and where it would have been
    /// refused, the verdict and the code.
    pub fn end(mut self, now: SystemTime, workspace: &mut Workspace) -> (Findings, Option<(Verdict, Code)>) {
        let before = self.findings.outcome;
        self.transaction.log(now, &mut workspace.inspection);
        self.profile.join(&mut self.findings, &self.transaction);
        self.transaction.recycle(&mut workspace.inspection);
        let would = before == Outcome::WouldBlock || self.findings.outcome == Outcome::WouldBlock;
        let in_request = self.findings.interruption.as_ref().is_none_or(|interruption| interruption.phase < 3);
        let code = if in_request { Code::PayloadBlocked } else { Code::ResponseBlocked };
        (self.findings, would.then_some((Verdict::WouldBlock, code)))
    }

    /// Each match so far as ModSecurity logs it.
    pub fn log_lines(&self) -> impl Iterator<Item = String> {
        self.transaction.log_lines()
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "refusals travel boxed")]
fn refusal(status: u16, error: &'static str, location: Option<String>) -> Box<Refusal> {
    let refusal = Refusal::new(Code::ResponseBlocked, error, "Response blocked for security reasons");
    Box::new(Refusal { status, ..refusal.sent_to(location) })
}

#[cfg(test)]
mod tests;
