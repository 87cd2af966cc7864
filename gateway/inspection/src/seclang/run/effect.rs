//! What rules do: `setvar`, and the actions of a rule that has matched.

use std::time::Duration;

use super::Run;
use super::collections::Key;
use super::number;
use super::state::RemovedTarget;
use crate::seclang::ast::{EngineMode, Template};
use crate::seclang::program::{Change, Effect, Place, Rule, Set};
use crate::seclang::variable::{Source, Variable};

impl<'r> Run<'r, '_> {
    /// Runs a `setvar`.
    pub(super) fn set(&mut self, set: &Set) {
        let mut name = std::mem::take(&mut self.buffers.name);
        let mut value = std::mem::take(&mut self.buffers.value);
        name.clear();
        value.clear();
        self.name_of(&set.place, &mut name);
        let value_is_set = match &set.change {
            Change::Set(template) => {
                self.expand(template, &mut value);
                true
            }
            Change::Add(template) => self.sum(&set.place, &name, template, 1, &mut value),
            Change::Subtract(template) => self.sum(&set.place, &name, template, -1, &mut value),
            Change::Unset => false,
        };
        self.store(&set.place, &name, value_is_set.then_some(value.as_slice()));
        self.buffers.name = name;
        self.buffers.value = value;
    }

    /// The name of a variable, in lower case; a slot has none.
    fn name_of(&self, place: &Place, name: &mut Vec<u8>) {
        if let Place::Named(template) | Place::Collection(_, template) = place {
            self.expand(template, name);
            name.make_ascii_lowercase();
        }
    }

    fn sum(&self, place: &Place, name: &[u8], template: &Template, sign: i64, value: &mut Vec<u8>) -> bool {
        self.expand(template, value);
        let change = number::integer(value) * sign;
        let before = self.number_at(place, name);
        value.clear();
        number::write(before + change, value);
        true
    }

    fn number_at(&self, place: &Place, name: &[u8]) -> i64 {
        match place {
            Place::Slot(slot) => self.state.tx.slot(self.rules, *slot).map_or(0, number::integer),
            Place::Named(_) => self.state.tx.get(self.rules, name).map_or(0, number::integer),
            Place::Collection(variable, _) => {
                let mut before = 0;
                self.collection(*variable, |own, value| {
                    if own == name {
                        before = number::integer(value);
                    }
                });
                before
            }
        }
    }

    fn store(&mut self, place: &Place, name: &[u8], value: Option<&[u8]>) {
        #[cfg(test)]
        self.trace_set(place, name, value.unwrap_or_default());
        let stored = match place {
            Place::Slot(slot) => self.state.tx.set_slot(*slot, value),
            Place::Named(_) => self.state.tx.set(self.rules, name, value),
            Place::Collection(variable, _) => {
                if let Some(key) = self.opened(*variable) {
                    let timeout = self.rules.collection_timeout();
                    self.rules.collections.set(key, name, value, self.now, timeout);
                }
                Ok(())
            }
        };
        if stored.is_err() {
            self.state.full();
        }
    }

    fn opened(&self, variable: Variable) -> Option<&Key> {
        self.state.open.iter().find(|(open, _)| *open == variable)
    }

    /// Shows the variables of a collection, if it was opened.
    pub(super) fn collection(&self, variable: Variable, show: impl FnMut(&[u8], &[u8])) {
        if let Some(key) = self.opened(variable) {
            self.rules.collections.read(key, self.now, self.rules.collection_timeout(), show);
        }
    }

    /// Runs the actions of a rule that has matched.
    pub(super) fn effects(&mut self, number: u16, rule: &'r Rule) {
        for (at, effect) in (0..).zip(&rule.effects) {
            match effect {
                Effect::RuleEngine(EngineMode::On) if self.state.detect => {
                    self.state.engine = EngineMode::DetectionOnly;
                }
                Effect::RuleEngine(mode) => self.state.engine = *mode,
                Effect::RemoveRules(rules) => self.state.remove(&rules.0),
                Effect::RemoveTarget(..) => {
                    self.state.removed_targets.push(RemovedTarget { rule: number, effect: at });
                }
                Effect::RequestBodyProcessor(processor) => self.state.processor = Some(*processor),
                Effect::ForceRequestBodyVariable(force) => self.state.force_body = Some(*force),
                Effect::RequestBodyAccess(access) => self.state.request_body = Some(*access),
                Effect::ResponseBodyAccess(access) => self.state.response_body = Some(*access),
                Effect::Open(variable, template) => self.open(*variable, template),
                Effect::Expire(place, template) => self.expire(place, template),
            }
        }
    }

    fn open(&mut self, variable: Variable, template: &Template) {
        let mut key = Vec::new();
        self.expand(template, &mut key);
        self.state.open.retain(|(open, _)| *open != variable);
        self.state.open.push((variable, key.into()));
    }

    fn expire(&mut self, place: &Place, template: &Template) {
        let mut name = Vec::new();
        self.name_of(place, &mut name);
        let mut seconds = Vec::new();
        self.expand(template, &mut seconds);
        let after = Duration::from_secs(u64::try_from(number::integer(&seconds)).unwrap_or(0));
        // A variable of `TX` does not live long enough to expire.
        if let Place::Collection(variable, _) = place
            && let Some(key) = self.opened(*variable)
        {
            self.rules.collections.expire(key, &name, after, self.now);
        }
    }

    /// Whether `ctl` took a value out of the targets of a rule.
    pub(super) fn is_removed_target(&self, rule: u16, variable: Variable, source: Option<Source>, name: &[u8]) -> bool {
        self.state.removed_targets.iter().any(|removed| {
            let owner = self.rules.rule(removed.rule);
            let effect = owner.and_then(|rule| rule.effects.get(usize::from(removed.effect)));
            let Some(Effect::RemoveTarget(rules, targets)) = effect else { return false };
            rules.contains(rule.into())
                && match source {
                    Some(source) => targets.selects(source.bit(), name),
                    None => targets.derived.iter().any(|d| d.variable == variable && d.choice.selects(name)),
                }
        })
    }

    #[cfg(test)]
    fn trace_set(&mut self, place: &Place, name: &[u8], value: &[u8]) {
        let (variable, name) = match place {
            Place::Slot(slot) => ("TX", &*self.rules.program.names[usize::from(*slot)]),
            Place::Named(_) => ("TX", name),
            Place::Collection(variable, _) => (variable.as_str(), name),
        };
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        self.state.trace.push(format!(" Saving variable: {variable}:{name} with value: {value}"));
    }
}
