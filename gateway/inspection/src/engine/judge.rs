//! Values against rules.

use std::ops::ControlFlow;

use rampart_message::Message;
use smallvec::SmallVec;

use super::subjects::{Candidate, visit};
use super::{Stage, Tally};
use crate::exclusion::{Judging, RouteExclusions};
use crate::findings::Findings;
use crate::operator::Operator;
use crate::profile::Profile;
use crate::rule::Condition;
use crate::ruleset::{Active, RuleSet};
use crate::scan;
use crate::target::Domain;
use crate::transform::Transformation;

/// One inspection under way.
pub(super) struct Judge<'p, 'm, 'a, 's> {
    pub(super) profile: &'p Profile,
    pub(super) set: &'p RuleSet,
    pub(super) exclusions: &'p RouteExclusions,
    pub(super) message: &'m Message<'a>,
    pub(super) tally: &'s mut Tally,
    pub(super) findings: Findings,
    /// Nothing more needs to be found out.
    pub(super) done: bool,
}

/// Exemptions that cover the value at hand, once they were looked for.
type Exempt = Option<SmallVec<[u16; 4]>>;

impl<'p, 'm, 'a, 's> Judge<'p, 'm, 'a, 's> {
    pub(super) fn new(
        profile: &'p Profile,
        exclusions: &'p RouteExclusions,
        message: &'m Message<'a>,
        tally: &'s mut Tally,
        findings: Findings,
    ) -> Self {
        let set = profile.rules.as_ref();
        tally.work = 0;
        tally.memo.clear();
        tally.fired.clear();
        tally.fired.resize(set.active.len().div_ceil(64), 0);
        let mut judge = Self { profile, set, exclusions, message, tally, findings, done: false };
        judge.recall();
        judge
    }

    /// Rules that matched the head have given their points.
    fn recall(&mut self) {
        for found in &self.findings.matches {
            let rule = self.set.active.iter().position(|active| active.rule.id == found.rule);
            if let Some(word) = rule.and_then(|rule| self.tally.fired.get_mut(rule / 64).map(|w| (w, rule % 64))) {
                *word.0 |= 1 << word.1;
            }
        }
    }

    /// Judges the values of a stage.
    pub(super) fn values(&mut self, stage: Stage, scratch: &mut scan::Scratch) {
        let set = self.set;
        let wanted = |domain: Domain| {
            set.layout.looks_at(domain as u8)
                && match stage {
                    Stage::Whole => true,
                    Stage::Head => domain.in_head(),
                    Stage::Rest => !domain.in_head() || set.late.holds(domain),
                }
        };
        visit(self.message, wanted, |candidate| {
            let value = scan::Value {
                domain: candidate.domain as u8,
                name: candidate.subject.plain_name(),
                bytes: candidate.bytes,
            };
            let mut pass = Pass { judge: self, candidate: &candidate, stage, exempt: None };
            // To break is to be done, which is asked below.
            let _ = set.layout.value(&value, scratch, &mut pass);
            !self.done
        });
    }

    /// Rules about how many values there are.
    pub(super) fn counts(&mut self, stage: Stage) {
        let set = self.set;
        for number in &set.counting {
            let Some(active) = set.active.get(usize::from(*number)) else { continue };
            let targets = &active.rule.first.targets;
            let in_head = Domain::ALL.iter().all(|d| d.in_head() || !targets.touches(*d)) && !active.late;
            let now = match stage {
                Stage::Whole => true,
                Stage::Head => in_head,
                Stage::Rest => !in_head,
            };
            let Operator::Count(comparison) = active.rule.first.operator else { continue };
            if !now || self.done {
                continue;
            }
            let (mut count, mut first) = (0, None);
            visit(
                self.message,
                |domain| targets.touches(domain),
                |candidate| {
                    if targets.select(candidate.domain, &candidate.subject) {
                        count += 1;
                        first.get_or_insert(candidate);
                    }
                    true
                },
            );
            if comparison.holds_len(count) != active.rule.first.negated && self.further(*number, active, b"") {
                self.counted(*number, active, first);
            }
        }
    }

    fn exempt(&self, active: &Active, candidate: &Candidate<'_, '_>, known: &mut Exempt) -> bool {
        let exemptions = &self.profile.exemptions;
        let covering = known.get_or_insert_with(|| {
            let covers = |e: &crate::exclusion::Exemption| {
                e.touches(candidate.domain) && e.selects(candidate.domain, &candidate.subject)
            };
            (0..).zip(exemptions).filter(|(_, e)| covers(e)).map(|(at, _)| at).collect()
        });
        covering.iter().any(|at| exemptions.get(usize::from(*at)).is_some_and(|e| e.holds(Judging::Own(active.index))))
    }

    /// Whether all further conditions of a rule hold, `bytes` being what the first one matched.
    fn further(&mut self, number: u16, active: &Active, bytes: &[u8]) -> bool {
        let further = &active.rule.further;
        further.iter().enumerate().all(|(at, condition)| {
            if condition.targets.matched() && self.condition_holds(condition, bytes) {
                return true;
            }
            let known = self.tally.memo.iter().find(|(rule, index, _)| (*rule, *index) == (number, at));
            if let Some((_, _, holds)) = known {
                return *holds;
            }
            let holds = self.anywhere(condition);
            self.tally.memo.push((number, at, holds));
            holds
        })
    }

    /// Whether a condition holds for any value of the message that it selects.
    fn anywhere(&mut self, condition: &Condition) -> bool {
        let (mut count, mut holds) = (0, false);
        let targets = &condition.targets;
        visit(
            self.message,
            |domain| targets.touches(domain),
            |candidate| {
                if targets.select(candidate.domain, &candidate.subject) {
                    count += 1;
                    holds |= self.condition_holds(condition, candidate.bytes);
                }
                !holds
            },
        );
        match condition.operator {
            Operator::Count(comparison) => comparison.holds_len(count) != condition.negated,
            _ => holds,
        }
    }

    fn condition_holds(&mut self, condition: &Condition, value: &[u8]) -> bool {
        if matches!(condition.operator, Operator::Count(_)) {
            return false;
        }
        self.spend(value.len() * (1 + condition.chain.len()));
        let text = apply_all(&condition.chain, value);
        condition.operator.is_match(text.as_deref().unwrap_or(value)) != condition.negated
    }

    const fn flow(&self) -> ControlFlow<()> {
        if self.done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Counts bytes read; beyond the budget the inspection ends.
    fn spend(&mut self, bytes: usize) {
        self.tally.work = self.tally.work.saturating_add(bytes as u64);
        if self.tally.work > self.profile.work && !self.done {
            self.exhausted();
        }
    }
}

/// One value on its way past the rules.
struct Pass<'j, 'p, 'm, 'a, 's> {
    judge: &'j mut Judge<'p, 'm, 'a, 's>,
    candidate: &'j Candidate<'m, 'a>,
    stage: Stage,
    exempt: Exempt,
}

impl scan::Sink for Pass<'_, '_, '_, '_, '_> {
    fn candidate(&mut self, entry: u16, text: &scan::Text<'_>) -> ControlFlow<()> {
        let (judge, candidate) = (&mut *self.judge, self.candidate);
        let Some(active) = judge.set.active.get(usize::from(entry)) else { return ControlFlow::Continue(()) };
        let head_again = self.stage == Stage::Rest && candidate.domain.in_head() && !active.late;
        let too_early = self.stage == Stage::Head && active.late;
        let first = &active.rule.first;
        if head_again
            || too_early
            || !first.targets.select(candidate.domain, &candidate.subject)
            || judge.exempt(active, candidate, &mut self.exempt)
        {
            return ControlFlow::Continue(());
        }
        judge.spend(text.bytes.len());
        let matched = first.operator.is_match(text.bytes) != first.negated;
        if matched
            && judge.further(entry, active, text.bytes)
            && !judge.exclusions.suppress(Judging::Own(active.index), candidate.domain, &candidate.subject)
        {
            judge.matched(entry, active, candidate, text);
        }
        judge.flow()
    }

    fn spend(&mut self, bytes: usize) -> ControlFlow<()> {
        self.judge.spend(bytes);
        self.judge.flow()
    }
}

/// The value after a chain; `None` when nothing changed. For the few conditions beyond the first.
fn apply_all(chain: &[Transformation], value: &[u8]) -> Option<Vec<u8>> {
    let mut current: Option<Vec<u8>> = None;
    for step in chain {
        let mut out = Vec::new();
        if step.apply(current.as_deref().unwrap_or(value), &mut out) {
            current = Some(out);
        }
    }
    current
}
