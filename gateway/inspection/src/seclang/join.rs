//! SecLang in a profile: its rule files, and its verdict beside that of the profile's own rules.
//!
//! Both kinds of rules keep their own score and ids; of their outcomes the graver one counts.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use rampart_settings::Place;

use super::run::{Beginning, MatchedRule, SecLang, Transaction};
use super::values::Connection;
use crate::category::{Category, Severity};
use crate::engine::Scratch;
use crate::findings::{Findings, Match, Oddity, Outcome};
use crate::profile::Profile;
use crate::raw::Mode;

/// What a profile asks for in SecLang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedSecLang {
    /// Paths and patterns, as written.
    pub patterns: Vec<String>,
    /// The paranoia level for the Core Rule Set, where the profile sets one.
    pub paranoia: Option<u8>,
    /// The inbound anomaly score from which the Core Rule Set blocks, where the profile sets one.
    pub threshold: Option<u32>,
    /// Refuse bodies that cannot be read to their end.
    pub refuse_broken_bodies: bool,
}

impl WantedSecLang {
    /// What stands before the files, as directives: which bodies are read as JSON and as XML, as ModSecurity's
    /// recommended configuration has it, and the profile's own settings. The Core Rule Set keeps what it finds set.
    pub fn settings(&self) -> String {
        let mut text = PROCESSORS.to_owned();
        let mut actions = Vec::new();
        if let Some(level) = self.paranoia {
            actions.push(format!("setvar:tx.blocking_paranoia_level={level}"));
            actions.push(format!("setvar:tx.detection_paranoia_level={level}"));
        }
        if let Some(threshold) = self.threshold {
            actions.push(format!("setvar:tx.inbound_anomaly_score_threshold={threshold}"));
        }
        if self.refuse_broken_bodies {
            text.push_str(BROKEN_BODIES);
        }
        if !actions.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "SecAction \"id:4294967295,phase:1,pass,nolog,{}\"", actions.join(","));
        }
        text
    }
}

/// Rules 200002 to 200004 of ModSecurity's recommended configuration: of a body that was not read, the rules see nothing.
const BROKEN_BODIES: &str = r#"SecRule REQBODY_ERROR "!@eq 0" "id:4294967290,phase:2,t:none,log,deny,status:400,severity:2,msg:'The request body cannot be parsed',tag:'attack-protocol'"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:4294967291,phase:2,t:none,log,deny,status:400,severity:2,msg:'The multipart body is not as the RFCs want it',tag:'attack-protocol'"
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" "id:4294967292,phase:2,t:none,log,deny,status:400,severity:2,msg:'The multipart body holds a boundary that is no delimiter',tag:'attack-protocol'"
"#;

/// Rules that choose the processor of a body. Files may choose another one after them. The ids are out of everybody's way.
const PROCESSORS: &str = r#"SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:4294967293,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^(?:application/(?:[a-z0-9.-]+\+)?|text/)json" "id:4294967294,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"#;

/// Where SecLang rules come from: to read files is not this crate's business.
pub trait SecLangSource {
    /// The rules that are wanted; whoever asks again for the same gets the same. `Ok(None)`: they are wrong, which was
    /// reported at `place` or in the files.
    ///
    /// # Errors
    /// A sentence that says why they are not there at all.
    fn load(&mut self, wanted: &WantedSecLang, place: &Place<'_>) -> Result<Option<SecLang>, String>;
}

/// Where there are no files: profiles that ask for some are unavailable.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecLang;

impl SecLangSource for NoSecLang {
    fn load(&mut self, _: &WantedSecLang, _: &Place<'_>) -> Result<Option<SecLang>, String> {
        Err("there are no SecLang files here".to_owned())
    }
}

impl Profile {
    /// Begins a transaction of the SecLang rules; `None` where the profile has none, or is off.
    ///
    /// `unique_id` is the request id; `now` the time.
    pub fn begin(
        &self,
        connection: Connection,
        unique_id: &str,
        now: SystemTime,
        scratch: &mut Scratch,
    ) -> Option<Transaction> {
        let rules = self.seclang.as_ref().filter(|_| self.mode != Mode::Off)?;
        let detect = self.mode == Mode::Detect;
        Some(rules.begin(&Beginning { connection, unique_id, now, detect, work: self.work }, scratch))
    }

    /// Adds what a transaction has come to, so far, to what the profile's own rules found. May be asked again after later
    /// phases: what was added before is not added twice.
    pub fn join(&self, findings: &mut Findings, transaction: &Transaction) {
        let matched = transaction.matched();
        for rule in matched.get(findings.seclang_rules.len()..).unwrap_or_default() {
            findings.seclang_rules.push(Arc::clone(&rule.name));
            if findings.matches.len() < Findings::MAX_MATCHES {
                findings.matches.push(describe(rule));
            }
        }
        // Rules that sum up what others found come last; among equals the order in which they were found.
        findings.matches.sort_by_key(|found| (found.category == Category::Other, std::cmp::Reverse(found.severity)));
        findings.seclang_score = transaction.score();
        if transaction.is_exhausted() && findings.limit.is_none() {
            findings.limit = Some(Oddity {
                problem: None,
                location: "request".to_owned(),
                detail: "inspection reached the bound of what it reads or keeps for one request".to_owned(),
                limit: Some("work"),
            });
        }
        let interruption = transaction.interruption().or_else(|| transaction.would_interrupt());
        findings.interruption = interruption.cloned();
        let enforced = transaction.interruption().map(|interruption| interruption.status);
        let exhausted = transaction.is_exhausted().then_some(400);
        findings.outcome = match (findings.outcome, enforced.or(exhausted), self.mode) {
            (outcome @ Outcome::Block { .. }, ..) => outcome,
            (_, Some(status), Mode::Block) => Outcome::Block { status },
            (Outcome::Pass, None, _) if interruption.is_none() => Outcome::Pass,
            _ => Outcome::WouldBlock,
        };
    }
}

fn describe(rule: &MatchedRule) -> Match {
    let message = match rule.msg.is_empty() {
        false => rule.msg.clone(),
        true if rule.target.is_empty() => format!("Potential {} detected", rule.category.title()),
        true => format!("Potential {} detected in {}", rule.category.title(), rule.target),
    };
    Match {
        rule: Arc::clone(&rule.name),
        category: rule.category,
        severity: severity(rule.severity),
        paranoia: rule.paranoia,
        target: rule.target.clone(),
        transform: rule.transform.clone(),
        value: rule.value.clone(),
        message,
    }
}

/// EMERGENCY, ALERT and CRITICAL are one; what is below WARNING, or unsaid, is a notice.
const fn severity(severity: Option<u8>) -> Severity {
    match severity {
        Some(0..=2) => Severity::Critical,
        Some(3) => Severity::Error,
        Some(4) => Severity::Warning,
        _ => Severity::Notice,
    }
}
