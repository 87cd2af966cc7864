//! What can be decided without a request: gates on the paranoia level, set-up rules, macros of known value.
//!
//! The rules are run on what is known ([`State`]): nothing is set when phase 1 begins, and a rule that a request decides
//! leaves unknown whatever it may write. A rule whose test reads only what is known is decided here: it is dropped when it
//! cannot match; when it always matches, its effects become part of the initial values or stay as a rule without a test,
//! and what it skips is dropped.
//!
//! What holds on all ways counts: a match may skip, end the phase or end all of them but the last; a phase may not run at
//! all (that of a response body); a rule may be removed by `ctl` while the transaction runs (see [`state`]). Where in
//! doubt, nothing is known.
//!
//! Nothing here may change what a request sees: the tests compare programs that were folded with the same that were not.

mod decide;
mod rewrite;
mod state;
mod text;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::decide::{Decision, Operators};
use self::rewrite::{fold_rule, is_quiet, without_known_links, without_test};
use self::state::{Removals, State, Value, bit, implies, join};
use self::text::{View, add};
use self::writes::{Touched, disturbed, written};
use super::super::ast::{AllowScope, Change, Ctl, SetVar, Template};
use super::super::program::{Disruption, Slot};
use super::super::variable::Variable;
use super::names::Names;
use super::order::Phase;
use super::resolve::removed_by;
use super::settled::{After, Settled, SettledLink};
use super::which::Subjects;

/// What is left of the rules.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// By phase.
    pub(super) phases: [Vec<Kept>; 5],
    /// By slot.
    pub(super) initial: Vec<Option<Arc<[u8]>>>,
}

/// A rule that stays.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its position in the list of all rules.
    pub(super) origin: usize,
    /// Its place in its phase, before folding.
    pub(super) place: usize,
    /// The place in its phase, before folding, at which a match goes on.
    pub(super) skip: Option<usize>,
    pub(super) rule: Settled,
}

/// Keeps all rules as they are, but for those that `SecRuleRemoveBy...` removed.
pub(super) fn keep_all(rules: &[Settled], phases: &[Phase; 5], names: &Names) -> Folded {
    let keep = |phase: &Phase| {
        let all = phase.rules.iter().zip(&phase.skips).enumerate();
        all.filter_map(|(place, (origin, skip))| {
            let rule = rules.get(*origin).filter(|rule| !rule.removed)?.clone();
            Some(Kept { origin: *origin, place, skip: *skip, rule })
        })
        .collect()
    };
    Folded { phases: phases.each_ref().map(keep), initial: vec![None; names.len()] }
}

/// Decides what can be decided.
pub(super) fn fold(rules: &[Settled], phases: &[Phase; 5], names: &Names, subjects: &Subjects) -> Folded {
    let mut walk = Walk {
        rules,
        names,
        subjects,
        operators: Operators::default(),
        removes: vec![0; rules.len()],
        removals: 0,
        frozen: vec![false; rules.len()],
        touched: Touched::none(names.len()),
        entries: Default::default(),
        initial: vec![None; names.len()],
    };
    let mut start = State::new(names.len());
    for (slot, _) in names.iter().filter(|(_, name)| name.starts_with(b"msc_")) {
        // The engine sets these itself.
        start.forget(slot);
    }
    let [first, ..] = &mut walk.entries;
    *first = Some(start);
    let mut folded = Folded::default();
    for ((number, phase), kept) in (1..).zip(phases).zip(&mut folded.phases) {
        *kept = walk.phase(number, phase);
    }
    folded.initial = walk.initial;
    folded
}

/// The rules, run on what is known.
struct Walk<'r> {
    rules: &'r [Settled],
    names: &'r Names,
    subjects: &'r Subjects,
    operators: Operators,
    /// By rule: the removals, met so far, that take it out.
    removes: Vec<Removals>,
    /// Removals met so far.
    removals: usize,
    /// By rule: `ctl` may take `TX` variables from its targets.
    frozen: Vec<bool>,
    /// Variables that rules which stay have read or written so far.
    touched: Touched,
    /// What is known where the phases 1 to 5 may begin.
    entries: [Option<State>; 5],
    initial: Vec<Option<Arc<[u8]>>>,
}

/// One phase on the way.
#[derive(Default)]
struct Way {
    /// What is known at the next rule; `None`: no way leads there.
    here: Option<State>,
    /// What is known where skips go on, by place.
    ahead: BTreeMap<usize, State>,
    /// A rule may have ended the phase.
    left: bool,
    kept: Vec<Kept>,
    /// Rules that always match and only skip: place, where to, and what to keep if the skip is needed.
    gates: Vec<Kept>,
}

/// What is known of a whole rule.
enum Verdict {
    Never,
    /// It matches once, and leaves this behind.
    Always(State),
    /// Links that are known to pass, by position.
    Open(Vec<bool>),
}

impl Walk<'_> {
    /// A phase after the first, and those after it (any of them may not run), may begin with this.
    fn enter(&mut self, phase: usize, state: &State) {
        for entry in self.entries.iter_mut().skip(phase - 1) {
            join(entry, state.clone());
        }
    }

    fn phase(&mut self, number: usize, phase: &Phase) -> Vec<Kept> {
        let here = self.entries.get(number - 1).cloned().flatten();
        let mut way = Way { here, ..Way::default() };
        let end = phase.rules.len();
        for (place, (origin, skip)) in phase.rules.iter().zip(&phase.skips).enumerate() {
            if let Some(state) = way.ahead.remove(&place) {
                join(&mut way.here, state);
            }
            if let Some(rule) = self.rules.get(*origin).filter(|rule| !rule.removed)
                && let Some(state) = way.here.take()
            {
                let rule = Kept { origin: *origin, place, skip: *skip, rule: rule.clone() };
                way.here = self.rule(number, end, &rule, state, &mut way);
            }
        }
        for (_, state) in std::mem::take(&mut way.ahead) {
            join(&mut way.here, state);
        }
        if let Some(state) = way.here.take()
            && number < 5
        {
            self.enter(number + 1, &state);
        }
        with_gates(way.kept, way.gates)
    }

    /// One rule; gives what is known behind it.
    fn rule(&mut self, phase: usize, end: usize, kept: &Kept, state: State, way: &mut Way) -> Option<State> {
        let removes = self.removes.get(kept.origin).copied().unwrap_or(0);
        if state.only_after.is_some_and(|after| implies(removes, after)) {
            // Whatever opens the way to it takes it out.
            return Some(state);
        }
        let view = View { state: &state, names: self.names, removes };
        let disturbed = disturbed(&kept.rule, view);
        let verdict = if self.frozen.get(kept.origin).copied().unwrap_or(true) {
            Verdict::Open(vec![false; kept.rule.links.len()])
        } else {
            self.decide(&kept.rule, view, &disturbed)
        };
        match verdict {
            Verdict::Never => Some(state),
            Verdict::Always(done) => self.always(phase, end, kept, (state, done, disturbed), way),
            Verdict::Open(known) => {
                let view = View { state: &disturbed, names: self.names, removes };
                let rule = without_known_links(fold_rule(&kept.rule, view), &known);
                let kept = Kept { rule, ..*kept };
                self.leave(phase, end, &kept.rule, &disturbed, way);
                if let Some(skip) = kept.skip {
                    jump(way, skip, disturbed.clone());
                }
                self.keep(kept, way);
                Some(disturbed)
            }
        }
    }

    /// A rule that matches whatever the request, unless it was removed.
    fn always(
        &mut self,
        phase: usize,
        end: usize,
        kept: &Kept,
        (before, done, disturbed): (State, State, State),
        way: &mut Way,
    ) -> Option<State> {
        let removes = self.removes.get(kept.origin).copied().unwrap_or(0);
        let certain = phase == 1 && removes == 0 && !way.left && way.ahead.is_empty() && before.only_after.is_none();
        let values = if certain { self.as_initial(&kept.rule, &done) } else { None };
        let after = before.after(done, removes);
        let view = View { state: &disturbed, names: self.names, removes };
        let kept = Kept { rule: without_test(fold_rule(&kept.rule, view)), ..*kept };
        self.leave(phase, end, &kept.rule, &after, way);
        let skip = kept.skip;
        if let Some(values) = values {
            for (slot, value) in values {
                if let Some(initial) = self.initial.get_mut(usize::from(slot)) {
                    *initial = value;
                }
            }
            way.gates.extend(skip.map(|_| gate(kept)));
        } else if is_quiet(&kept.rule) {
            way.gates.extend(skip.map(|_| gate(kept)));
        } else {
            self.keep(kept, way);
        }
        let Some(skip) = skip else { return Some(after) };
        jump(way, skip, after.clone());
        // Behind it the way goes on only where it was removed.
        (removes != 0).then(|| before.opened_by(removes))
    }

    fn keep(&mut self, kept: Kept, way: &mut Way) {
        self.touched.add_rule(&kept.rule, self.names);
        for after in &kept.rule.after {
            let After::Ctl(ctl) = after else { continue };
            let rules = removed_by(ctl, self.subjects);
            match ctl {
                Ctl::RuleRemoveTargetById(_, target)
                | Ctl::RuleRemoveTargetByTag(_, target)
                | Ctl::RuleRemoveTargetByMsg(_, target) => {
                    for at in rules.into_iter().filter(|_| target.variable == Variable::Tx) {
                        if let Some(frozen) = self.frozen.get_mut(at) {
                            *frozen = true;
                        }
                    }
                }
                _ => {
                    let bit = bit(self.removals);
                    self.removals += usize::from(!rules.is_empty());
                    for at in rules {
                        if let Some(removes) = self.removes.get_mut(at) {
                            *removes |= bit;
                        }
                    }
                }
            }
        }
        way.kept.push(kept);
    }

    /// Where the transaction goes on when the rule ends the phase, or more.
    fn leave(&mut self, phase: usize, end: usize, rule: &Settled, state: &State, way: &mut Way) {
        let next = match rule.disruption {
            Disruption::Pass => return,
            Disruption::Allow(AllowScope::Phase) => {
                way.left = true;
                return jump(way, end, state.clone());
            }
            Disruption::Allow(AllowScope::Request) => 3.max(phase + 1),
            Disruption::Allow(AllowScope::Transaction)
            | Disruption::Deny
            | Disruption::Drop
            | Disruption::Redirect(_) => 5,
        };
        way.left = true;
        if phase < 5 {
            self.enter(next, state);
        }
    }

    fn decide(&mut self, rule: &Settled, view: View<'_>, disturbed: &State) -> Verdict {
        // What is known while all links so far have passed once and left it behind; `None` once a link is open.
        let mut exact = Some(view.state.clone());
        let mut known = Vec::with_capacity(rule.links.len());
        let mut effects = false;
        for link in &rule.links {
            let state = exact.as_ref().unwrap_or(disturbed);
            match self.operators.decide(link, View { state, ..view }) {
                Decision::Never if !effects => return Verdict::Never,
                Decision::Once => {
                    exact = exact.and_then(|state| done(state, link, view));
                    known.push(true);
                }
                Decision::Never | Decision::Open => {
                    exact = None;
                    known.push(false);
                }
            }
            effects |= link.capture || !link.sets.is_empty();
        }
        exact.map_or(Verdict::Open(known), Verdict::Always)
    }

    /// The values that a rule which always runs gives to variables, when it does nothing else and nothing before it could
    /// tell whether they were there from the beginning.
    fn as_initial(&self, rule: &Settled, done: &State) -> Option<Vec<(Slot, Value)>> {
        if rule.log || rule.disruption != Disruption::Pass || !rule.after.is_empty() {
            return None;
        }
        let sets = rule.links.iter().flat_map(|link| &link.sets);
        sets.map(|set| {
            let literal = set.name.literal().filter(|_| set.collection == Variable::Tx)?;
            let slot = self.names.get(literal).filter(|slot| !self.touched.contains(*slot))?;
            Some((slot, done.value(slot, 0)?.clone()))
        })
        .collect()
    }
}

/// What a link that passes once leaves behind; `None` when that cannot be told.
fn done(mut state: State, link: &SettledLink, view: View<'_>) -> Option<State> {
    for set in &link.sets {
        let here = View { state: &state, ..view };
        let Some(name) = here.text(&set.name) else {
            for slot in written(set, view.names) {
                state.forget(slot);
            }
            continue;
        };
        if set.collection != Variable::Tx {
            continue;
        }
        let Some(slot) = view.names.get(&name) else { continue };
        match changed(set, slot, here) {
            Some(value) => state.set(slot, value),
            None => state.forget(slot),
        }
    }
    (!link.capture).then_some(state)
}

/// The value of a variable after `setvar`, where it is known.
fn changed(set: &SetVar, slot: Slot, view: View<'_>) -> Option<Value> {
    let sum = |number: &Template, sign| {
        let before = view.state.value(slot, view.removes)?;
        add(before.as_deref(), &view.text(number)?, sign).map(String::into_bytes)
    };
    Some(match &set.change {
        Change::Unset => None,
        Change::Set(value) => Some(view.text(value)?.as_ref().into()),
        Change::Add(number) => Some(sum(number, 1)?.into()),
        Change::Subtract(number) => Some(sum(number, -1)?.into()),
    })
}

fn jump(way: &mut Way, place: usize, state: State) {
    let known = match way.ahead.remove(&place) {
        Some(known) => known.join(state),
        None => state,
    };
    way.ahead.insert(place, known);
}

/// A rule that only skips.
fn gate(kept: Kept) -> Kept {
    let mut rule = kept.rule;
    rule.links.truncate(1);
    for link in &mut rule.links {
        *link = SettledLink { test: None, sets: Vec::new(), capture: false, location: link.location.clone() };
    }
    Kept { rule, ..kept }
}

/// Puts those gates back that have something left to skip.
fn with_gates(kept: Vec<Kept>, gates: Vec<Kept>) -> Vec<Kept> {
    let mut by_place: BTreeMap<usize, Kept> = kept.into_iter().map(|kept| (kept.place, kept)).collect();
    for gate in gates.into_iter().rev() {
        let skipped = gate.place + 1..gate.skip.unwrap_or(0).max(gate.place + 1);
        if by_place.range(skipped).next().is_some() {
            by_place.insert(gate.place, gate);
        }
    }
    by_place.into_values().collect()
}
