//! Values against rules.

use std::ops::ControlFlow;

use rampart_message::Message;
use smallvec::SmallVec;

use super::subjects::{Candidate, visit};
use super::{Scratch, Stage};
use crate::bytes::ByteSet;
use crate::exclusion::RouteExclusions;
use crate::findings::Findings;
use crate::operator::Operator;
use crate::profile::Profile;
use crate::rule::Condition;
use crate::ruleset::{Active, ChainNode, Plan, RuleSet};
use crate::target::Domain;
use crate::transform::Transformation;

/// One inspection under way.
pub(super) struct Judge<'p, 'm, 'a, 's> {
    pub(super) profile: &'p Profile,
    pub(super) set: &'p RuleSet,
    pub(super) exclusions: &'p RouteExclusions,
    pub(super) message: &'m Message<'a>,
    pub(super) scratch: &'s mut Scratch,
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
        scratch: &'s mut Scratch,
        findings: Findings,
    ) -> Self {
        let set = profile.rules.as_ref();
        scratch.work = 0;
        scratch.memo.clear();
        scratch.fired.clear();
        scratch.fired.resize(set.active.len().div_ceil(64), 0);
        let mut judge = Self { profile, set, exclusions, message, scratch, findings, done: false };
        judge.recall();
        judge
    }

    /// Rules that matched the head have given their points.
    fn recall(&mut self) {
        for found in &self.findings.matches {
            let rule = self.set.active.iter().position(|active| active.rule.id == found.rule);
            if let Some(word) = rule.and_then(|rule| self.scratch.fired.get_mut(rule / 64).map(|w| (w, rule % 64))) {
                *word.0 |= 1 << word.1;
            }
        }
    }

    /// Judges the values of a stage.
    pub(super) fn values(&mut self, stage: Stage) {
        let set = self.set;
        let plan = |domain: Domain| set.plans.get(domain as usize);
        let wanted = |domain: Domain| {
            plan(domain).is_some_and(|plan| match stage {
                Stage::Whole => plan.busy,
                Stage::Head => plan.busy && domain.in_head(),
                Stage::Rest => plan.busy && !domain.in_head() || plan.late,
            })
        };
        visit(self.message, wanted, |candidate| {
            if let Some(plan) = plan(candidate.domain) {
                self.value(plan, &candidate, stage);
            }
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

    fn value(&mut self, plan: &Plan, candidate: &Candidate<'_, '_>, stage: Stage) {
        let texts = self.transform(plan, candidate.bytes);
        let mut exempt = None;
        for text in 0..texts {
            // The buffers are taken out while rules run on them, so that the scratch stays free for them.
            let buffer = text.checked_sub(1).and_then(|at| self.scratch.buffers.get_mut(at)).map(std::mem::take);
            let bytes = buffer.as_deref().unwrap_or(candidate.bytes);
            self.text(plan, candidate, bytes, text, stage, &mut exempt);
            if let (Some(buffer), Some(at)) = (buffer, text.checked_sub(1))
                && let Some(slot) = self.scratch.buffers.get_mut(at)
            {
                *slot = buffer;
            }
            if self.done {
                return;
            }
        }
    }

    fn text(
        &mut self,
        plan: &Plan,
        candidate: &Candidate<'_, '_>,
        bytes: &[u8],
        text: usize,
        stage: Stage,
        exempt: &mut Exempt,
    ) {
        self.spend(bytes.len());
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        let named = plan.named.as_ref().filter(|(names, _)| candidate.subject.is_named(names));
        if let Some(prefilter) = self.set.prefilters.get(named.map_or(plan.prefilter, |(_, all)| *all)) {
            prefilter.scan(bytes, &mut candidates);
        }
        // The order of the rule files, whatever the order of the literals in the value.
        candidates.sort();
        for number in plan.always.iter().chain(candidates.rules().iter().filter(|number| plan.holds(**number))) {
            if self.rule(*number, candidate, bytes, text, stage, exempt).is_break() {
                break;
            }
        }
        self.scratch.candidates = candidates;
    }

    /// One rule on one text of a value.
    fn rule(
        &mut self,
        number: u16,
        candidate: &Candidate<'_, '_>,
        bytes: &[u8],
        text: usize,
        stage: Stage,
        exempt: &mut Exempt,
    ) -> ControlFlow<()> {
        let set = self.set;
        let Some(active) = set.active.get(usize::from(number)) else { return ControlFlow::Continue(()) };
        let head_again = stage == Stage::Rest && candidate.domain.in_head() && !active.late;
        let too_early = stage == Stage::Head && active.late;
        if head_again || too_early || !active.nodes.iter().any(|node| self.text_of(*node) == text) {
            return ControlFlow::Continue(());
        }
        let first = &active.rule.first;
        if !first.targets.select(candidate.domain, &candidate.subject) || self.exempt(active, candidate, exempt) {
            return ControlFlow::Continue(());
        }
        self.spend(bytes.len());
        let matched = first.operator.is_match(bytes) != first.negated;
        if matched
            && self.further(number, active, bytes)
            && !self.exclusions.suppress(active.index, candidate.domain, &candidate.subject)
        {
            self.matched(number, active, candidate, bytes, text);
        }
        if self.done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn exempt(&self, active: &Active, candidate: &Candidate<'_, '_>, known: &mut Exempt) -> bool {
        let exemptions = &self.profile.exemptions;
        let covering = known.get_or_insert_with(|| {
            let covers = |e: &crate::exclusion::Exemption| {
                e.touches(candidate.domain) && e.selects(candidate.domain, &candidate.subject)
            };
            (0..).zip(exemptions).filter(|(_, e)| covers(e)).map(|(at, _)| at).collect()
        });
        covering.iter().any(|at| exemptions.get(usize::from(*at)).is_some_and(|e| e.holds(active.index)))
    }

    /// The texts that the chains make of a value; the number of them, the value itself included.
    fn transform(&mut self, plan: &Plan, value: &[u8]) -> usize {
        self.scratch.texts = 1;
        // An empty list says that every node has the value itself.
        self.scratch.node_text.clear();
        if plan.nodes.is_empty() {
            return 1;
        }
        let held = ByteSet::of(value);
        if plan.triggers.is_some_and(|triggers| !triggers.meets(held)) {
            return 1;
        }
        self.scratch.node_text.resize(self.set.nodes.len() + 1, 0);
        let mut classes: SmallVec<[ByteSet; 8]> = SmallVec::from_slice(&[held]);
        for node in &plan.nodes {
            let Some(step) = usize::from(*node).checked_sub(1).and_then(|at| self.set.nodes.get(at)) else { continue };
            self.step(*node, step, value, &mut classes);
        }
        self.scratch.texts
    }

    fn step(&mut self, node: u16, step: &ChainNode, value: &[u8], classes: &mut SmallVec<[ByteSet; 8]>) {
        let from = self.text_of(step.parent);
        let held = classes.get(from).copied().unwrap_or_default();
        let mut made = from;
        if step.triggers.is_none_or(|triggers| triggers.meets(held)) {
            let new = self.scratch.texts;
            while self.scratch.buffers.len() < new {
                self.scratch.buffers.push(Vec::new());
            }
            let Some(mut out) = self.scratch.buffers.get_mut(new - 1).map(std::mem::take) else { return };
            let input = if from == 0 { Some(value) } else { self.scratch.buffers.get(from - 1).map(Vec::as_slice) };
            let input = input.unwrap_or_default();
            let length = input.len();
            if step.step.apply(input, &mut out) {
                classes.push(ByteSet::of(&out));
                made = new;
                self.scratch.texts += 1;
            }
            if let Some(slot) = self.scratch.buffers.get_mut(new - 1) {
                *slot = out;
            }
            self.spend(length);
        }
        if let (Some(slot), Ok(made)) = (self.scratch.node_text.get_mut(usize::from(node)), u16::try_from(made)) {
            *slot = made;
        }
    }

    pub(super) fn text_of(&self, node: u16) -> usize {
        self.scratch.node_text.get(usize::from(node)).copied().unwrap_or(0).into()
    }

    /// Whether all further conditions of a rule hold, `bytes` being what the first one matched.
    fn further(&mut self, number: u16, active: &Active, bytes: &[u8]) -> bool {
        let further = &active.rule.further;
        further.iter().enumerate().all(|(at, condition)| {
            if condition.targets.matched() && self.condition_holds(condition, bytes) {
                return true;
            }
            let known = self.scratch.memo.iter().find(|(rule, index, _)| (*rule, *index) == (number, at));
            if let Some((_, _, holds)) = known {
                return *holds;
            }
            let holds = self.anywhere(condition);
            self.scratch.memo.push((number, at, holds));
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

    /// Counts bytes read; beyond the budget the inspection ends.
    fn spend(&mut self, bytes: usize) {
        self.scratch.work = self.scratch.work.saturating_add(bytes as u64);
        if self.scratch.work > self.profile.work && !self.done {
            self.exhausted();
        }
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
