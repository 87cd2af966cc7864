//! Derived variables: what a test on `TX`, `MATCHED_VARS`, a count or a flag looks at, worked out when its turn comes.
//!
//! The values are copied before the first of them is tested, so that what a match changes (`setvar`, `MATCHED_VAR`) is
//! not seen by the test that matched.

use std::ops::Range;

use super::Run;
use super::collections::is_collection;
use super::expand::full_name;
use super::number;
use crate::seclang::program::{Choice, Derived, Targets};
use crate::seclang::variable::Variable;

/// Values of derived variables, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
struct Item {
    variable: Variable,
    name: Range<usize>,
    value: Range<usize>,
}

/// Memory that is kept from test to test, in bytes.
const MAX_IDLE_BYTES: usize = 256 * 1024;

impl Gathered {
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_IDLE_BYTES);
        self.items.clear();
    }

    fn push(&mut self, variable: Variable, name: &[u8], value: &[u8]) {
        self.push_with(variable, name, |out| out.extend_from_slice(value));
    }

    fn push_with(&mut self, variable: Variable, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        write(&mut self.bytes);
        self.items.push(Item { variable, name: start..middle, value: middle..self.bytes.len() });
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The variable, the name and the bytes of a value.
    pub(super) fn get(&self, at: usize) -> Option<(Variable, &[u8], &[u8])> {
        let item = self.items.get(at)?;
        Some((item.variable, self.bytes.get(item.name.clone())?, self.bytes.get(item.value.clone())?))
    }
}

impl Run<'_, '_> {
    /// Works out the derived variables and the counts of a test.
    pub(super) fn gather(&self, targets: &Targets, out: &mut Gathered) {
        out.clear();
        for derived in &targets.derived {
            self.gather_one(derived, &targets.derived_without, out);
        }
        for count in &targets.counts {
            let name: &[u8] = if let Choice::Name(name) = &count.choice { name } else { b"" };
            let found = self.count(count);
            out.push_with(count.variable, name, |out| number::write(i64::try_from(found).unwrap_or(i64::MAX), out));
        }
    }

    fn gather_one(&self, derived: &Derived, without: &[Derived], out: &mut Gathered) {
        let variable = derived.variable;
        let wanted = |name: &[u8]| {
            let excluded = |other: &Derived| other.variable == variable && other.choice.selects(name);
            derived.choice.selects(name) && !without.iter().any(excluded)
        };
        match variable {
            Variable::Tx => match derived.slot {
                Some(slot) => {
                    let name = self.rules.program.names.get(usize::from(slot)).map_or(&b""[..], |name| name);
                    if let Some(value) = self.state.tx.slot(self.rules, slot).filter(|_| wanted(name)) {
                        out.push(variable, name, value);
                    }
                }
                None => {
                    for (name, value) in self.state.tx.iter(self.rules).filter(|(name, _)| wanted(name)) {
                        out.push(variable, name, value);
                    }
                }
            },
            Variable::MatchedVars | Variable::MatchedVarsNames => self.gather_matched(derived, without, out),
            Variable::MatchedVar | Variable::MatchedVarName if self.state.matched.is_empty() => {}
            Variable::Rule => {
                if let (Some(rule), Choice::Name(part)) = (self.current, &derived.choice) {
                    out.push_with(variable, part, |out| self.rule_part(rule, part, out));
                }
            }
            _ if is_collection(variable) => self.collection(variable, |name, value| {
                if wanted(name) {
                    out.push(variable, name, value);
                }
            }),
            _ => out.push_with(variable, b"", |out| self.scalar(variable, out)),
        }
    }

    fn gather_matched(&self, derived: &Derived, without: &[Derived], out: &mut Gathered) {
        let variable = derived.variable;
        let mut full = Vec::new();
        for seen in &self.state.matched {
            full.clear();
            full_name(seen.variable, self.state.arena.get(seen.name), &mut full);
            let own = self.state.arena.get(seen.name);
            let selects = |other: &Derived| other.choice.selects(&full) || other.choice.selects(own);
            let excluded = |other: &Derived| other.variable == variable && selects(other);
            if selects(derived) && !without.iter().any(excluded) {
                let value = if variable == Variable::MatchedVars { self.state.arena.get(seen.text) } else { &full };
                out.push(variable, &full, value);
            }
        }
    }

    /// How many values a variable has.
    fn count(&self, count: &Derived) -> usize {
        let (variable, choice) = (count.variable, &count.choice);
        if !variable.is_derived() {
            let values = self.values.of(variable.sources());
            return match choice {
                Choice::All => self.values.count(variable.sources()),
                _ => values.filter(|(_, value)| choice.selects(value.name)).count(),
            };
        }
        match (variable, count.slot) {
            (Variable::Tx, Some(slot)) => self.state.tx.slot(self.rules, slot).is_some().into(),
            (Variable::Tx, None) => self.state.tx.iter(self.rules).filter(|(name, _)| choice.selects(name)).count(),
            (Variable::MatchedVars | Variable::MatchedVarsNames, _) => {
                let is = |seen: &&super::state::Seen| match choice {
                    Choice::Name(name) => self.is_named(seen, name),
                    _ => choice.selects(self.state.arena.get(seen.name)),
                };
                self.state.matched.iter().filter(is).count()
            }
            (Variable::MatchedVar | Variable::MatchedVarName, _) => usize::from(!self.state.matched.is_empty()),
            _ if is_collection(variable) => {
                let mut found = 0;
                self.collection(variable, |name, _| found += usize::from(choice.selects(name)));
                found
            }
            _ => 1,
        }
    }
}
