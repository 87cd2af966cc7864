//! Matches and oddities, and what follows from them.

use rampart_message::{At, Detail, Problem, ProblemCode, Processor};
use smallvec::SmallVec;

use super::judge::Judge;
use super::subjects::Candidate;
use crate::exclusion::Judging;
use crate::findings::{Findings, Match, Oddity, Outcome};
use crate::raw::Mode;
use crate::ruleset::Active;
use crate::scan;
use crate::transform::Transformation;

impl Judge<'_, '_, '_, '_> {
    /// Notes that a rule matched a value.
    pub(super) fn matched(
        &mut self,
        number: u16,
        active: &Active,
        candidate: &Candidate<'_, '_>,
        text: &scan::Text<'_>,
    ) {
        if !self.score(number, active) {
            return;
        }
        let range = active.rule.first.operator.find(text.bytes);
        let found = range.and_then(|range| text.bytes.get(range)).unwrap_or(text.bytes);
        let target = self.message.locate(candidate.at);
        let steps: SmallVec<[&str; 4]> = text.made_by().into_iter().map(Transformation::as_str).collect();
        let transform = steps.join(",");
        self.describe(active, target, transform, found);
    }

    /// Notes that a rule about the number of values matched.
    pub(super) fn counted(&mut self, number: u16, active: &Active, first: Option<Candidate<'_, '_>>) {
        let suppressed =
            first.is_some_and(|c| self.exclusions.suppress(Judging::Own(active.index), c.domain, &c.subject));
        if suppressed || !self.score(number, active) {
            return;
        }
        let target = active.rule.first.targets.included().first().map(|t| t.as_str().to_owned()).unwrap_or_default();
        self.describe(active, target, String::new(), b"");
    }

    /// Adds the rule's points once; false when its match need not be described.
    fn score(&mut self, number: u16, active: &Active) -> bool {
        let (word, bit) = (usize::from(number) / 64, 1u64 << (number % 64));
        let Some(fired) = self.tally.fired.get_mut(word) else { return false };
        let again = *fired & bit != 0;
        *fired |= bit;
        if !again {
            self.findings.score = self.findings.score.saturating_add(active.rule.severity().score());
        }
        self.done |= self.profile.first_match;
        !again && self.findings.matches.len() < Findings::MAX_MATCHES
    }

    fn describe(&mut self, active: &Active, target: String, transform: String, found: &[u8]) {
        let rule = &active.rule;
        self.findings.matches.push(Match {
            rule: rule.id.clone(),
            category: rule.category,
            severity: rule.severity,
            paranoia: rule.paranoia,
            message: rule.sentence(&target),
            target,
            transform,
            value: found.get(..Match::MAX_VALUE).unwrap_or(found).to_vec(),
        });
        // Enough to block and enough to say why: the rest of an attack costs no more time.
        let full = self.findings.matches.len() == Findings::MAX_MATCHES;
        self.done |= full && self.findings.score >= self.profile.threshold;
    }

    /// The work budget is spent.
    pub(super) fn exhausted(&mut self) {
        self.done = true;
        self.findings.limit = Some(Oddity {
            problem: None,
            location: "request".to_owned(),
            detail: format!("inspection read more than {} bytes", self.profile.work),
            limit: Some("work"),
        });
    }

    /// The verdict.
    pub(super) fn finish(mut self) -> Findings {
        self.oddities();
        let profile = self.profile;
        let mut findings = self.findings;
        // Gravest first; among equals the order in which they were found.
        findings.matches.sort_by_key(|found| std::cmp::Reverse(found.severity));
        let by_rules = findings.score >= profile.threshold || profile.first_match && !findings.matches.is_empty();
        let status = match &findings.limit {
            Some(oddity) if !by_rules => Some(oddity.status()),
            _ if by_rules => Some(400),
            _ => None,
        };
        findings.outcome = match (status, profile.mode) {
            (None, _) | (_, Mode::Off) => Outcome::Pass,
            (Some(_), Mode::Detect) => Outcome::WouldBlock,
            (Some(status), Mode::Block) => Outcome::Block { status },
        };
        findings
    }

    /// Sorts the problems of the message into the one that refuses and those that are noted.
    fn oddities(&mut self) {
        self.findings.notes.clear();
        if self.findings.limit.as_ref().is_some_and(|oddity| oddity.problem.is_some()) {
            self.findings.limit = None;
        }
        for problem in &self.message.problems {
            let refuses = self.profile.refuses(problem.code) && !self.binary(problem);
            if refuses && self.findings.limit.is_none() {
                self.findings.limit = Some(self.written_out(problem));
            } else if self.findings.notes.len() < Findings::MAX_NOTES {
                self.findings.notes.push(self.written_out(problem));
            }
        }
    }

    /// Bytes that are no text, in a body that nobody declared to be text for a parser: an upload, a protocol buffer.
    fn binary(&self, problem: &Problem) -> bool {
        problem.code == ProblemCode::InvalidCharset
            && problem.at == At::Body
            && self.message.body.as_ref().is_some_and(|body| body.processor == Processor::Text)
    }

    fn written_out(&self, problem: &Problem) -> Oddity {
        Oddity {
            problem: Some(problem.code),
            location: self.message.locate(problem.at),
            detail: problem.detail.to_string(),
            limit: if let Detail::Limit { limit, .. } = problem.detail { Some(limit) } else { None },
        }
    }
}
