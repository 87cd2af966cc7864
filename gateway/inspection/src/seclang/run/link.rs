//! One link of a chain: which texts pass its test, and what is done for each.

use super::Run;
use super::arena::Span;
use super::gather::Gathered;
use super::state::{Made, Record, Seen};
use crate::seclang::program::{Link, Operand, Targets, Test};
use crate::seclang::values::ValueRef;
use crate::seclang::variable::{Source, Variable};

/// What one test costs beside the bytes that it reads, in bytes read.
const TEST_COST: usize = 32;

/// A text to test, and where it comes from.
#[derive(Debug, Clone, Copy)]
struct Subject<'s> {
    variable: Variable,
    source: Option<Source>,
    value: u32,
    name: &'s [u8],
}

impl<'r> Run<'r, '_> {
    /// The first test of an announced rule: whatever was recorded passes. True when any text did.
    pub(super) fn replay(&mut self, rule: u16, link: &'r Link) -> bool {
        let start = self.state.records.partition_point(|record| record.rule < rule);
        let mut any = false;
        let mut at = start;
        while let Some(Record { rule: own, seen, .. }) = self.state.records.get(at) {
            if *own != rule || self.state.exhausted {
                break;
            }
            at += 1;
            let seen = seen.clone();
            if !self.is_taken_out(rule, seen.variable, seen.source, seen.name) {
                any = true;
                self.passed(link, seen);
            }
        }
        any
    }

    /// Makes a test now; `first` tells the rule's first test from those chained to it. True when any text passes.
    pub(super) fn test(&mut self, rule: u16, link: &'r Link, first: bool) -> bool {
        let Test::Operator { targets, operator, .. } = &link.test else {
            self.sets(link);
            return true;
        };
        if let Operand::Expanded(_, template) = operator {
            let mut argument = std::mem::take(&mut self.buffers.argument);
            argument.clear();
            self.expand(template, &mut argument);
            self.buffers.argument = argument;
        }
        let by_value = self.test_values(rule, link, targets, first);
        let by_state = self.test_derived(rule, link, targets, first);
        by_value || by_state
    }

    fn test_values(&mut self, rule: u16, link: &'r Link, targets: &'r Targets, first: bool) -> bool {
        let sources = targets.some.iter().fold(targets.all, |all, (of, _)| all | of);
        let (values, mut any) = (self.values, false);
        for (index, value) in values.of(sources) {
            let source = value.source.bit();
            if self.state.exhausted {
                break;
            }
            if !targets.selects(source, value.name) {
                continue;
            }
            let written = targets.written.iter().find(|variable| variable.sources() & source != 0);
            let Some(variable) = written.copied() else { continue };
            if first && self.is_removed_target(rule, variable, Some(value.source), value.name) {
                continue;
            }
            if first && self.is_exempt(index, &value) {
                continue;
            }
            let at = u32::try_from(index).unwrap_or(u32::MAX);
            let subject = Subject { variable, source: Some(value.source), value: at, name: value.name };
            any |= self.transform(link, subject, value.bytes);
        }
        any
    }

    fn is_exempt(&self, index: usize, value: &ValueRef<'_>) -> bool {
        self.current.is_some_and(|rule| self.exempted.covers(&rule.about, self.values, index, value))
    }

    fn test_derived(&mut self, rule: u16, link: &'r Link, targets: &'r Targets, first: bool) -> bool {
        if targets.derived.is_empty() && targets.counts.is_empty() {
            return false;
        }
        let mut gathered: Gathered = std::mem::take(&mut self.buffers.gathered);
        self.gather(targets, &mut gathered);
        let mut any = false;
        for at in 0..gathered.len() {
            let Some((variable, name, bytes)) = gathered.get(at) else { break };
            if first && self.is_removed_target(rule, variable, None, name) {
                continue;
            }
            let subject = Subject { variable, source: None, value: u32::MAX, name };
            any |= self.transform(link, subject, bytes);
        }
        self.buffers.gathered = gathered;
        any
    }

    /// Tests what the chain makes of a value.
    fn transform(&mut self, link: &'r Link, subject: Subject<'_>, value: &[u8]) -> bool {
        let Test::Operator { chain, multi_match, .. } = &link.test else { return false };
        if !self.state.spend(value.len() + TEST_COST) {
            return false;
        }
        if chain.is_empty() {
            return self.compare(link, subject, value, Made::new());
        }
        let [mut text, mut next] = std::mem::take(&mut self.buffers.texts);
        let (mut made, mut any) = (Made::new(), false);
        if *multi_match {
            any |= self.compare(link, subject, value, made.clone());
        }
        for step in chain {
            let input = if made.is_empty() { value } else { &text };
            if !self.state.spend(input.len()) {
                break;
            }
            let changed = step.apply(input, &mut next);
            #[cfg(test)]
            self.trace_step(*step, if changed { &next } else { input });
            if changed {
                std::mem::swap(&mut text, &mut next);
                made.push(*step);
                if *multi_match {
                    any |= self.compare(link, subject, &text, made.clone());
                }
            }
        }
        if !*multi_match && !self.state.exhausted {
            let last = if made.is_empty() { value } else { &text };
            any = self.compare(link, subject, last, made);
        }
        self.buffers.texts = [text, next];
        any
    }

    /// Tests one text.
    fn compare(&mut self, link: &'r Link, subject: Subject<'_>, text: &[u8], made: Made) -> bool {
        let Test::Operator { operator, negated, .. } = &link.test else { return false };
        if !self.state.spend(text.len()) {
            return false;
        }
        #[cfg(test)]
        self.trace_test(subject, text);
        let holds = match operator {
            Operand::Fixed(operator) => operator.is_match(text),
            Operand::Expanded(operator, _) => operator.is_match(&self.buffers.argument, text),
        };
        if holds == *negated {
            return false;
        }
        let kept = (self.state.arena.keep(subject.name), self.state.arena.keep(text));
        let (Some(name), Some(text)) = kept else {
            self.state.full();
            return false;
        };
        let Subject { variable, source, value, .. } = subject;
        self.passed(link, Seen { variable, source, value, name, text, made });
        true
    }

    /// A text passed a link.
    fn passed(&mut self, link: &'r Link, seen: Seen) {
        if link.capture {
            self.capture(link, &seen);
        }
        self.state.matched.push(seen);
        self.sets(link);
    }

    fn sets(&mut self, link: &'r Link) {
        for set in &link.sets {
            self.set(set);
        }
    }

    fn capture(&mut self, link: &'r Link, seen: &Seen) {
        let Test::Operator { operator, negated: false, .. } = &link.test else { return };
        if !self.state.spend(seen.text.len()) {
            return;
        }
        let text = self.state.arena.get(seen.text);
        let captures = &mut self.buffers.captures;
        match operator {
            Operand::Fixed(operator) if !link.groups => operator.captures_whole(text, captures),
            Operand::Fixed(operator) => operator.captures(text, captures),
            Operand::Expanded(operator, _) => operator.captures(&self.buffers.argument, text, captures),
        };
        for (group, bytes) in captures.iter(text) {
            #[cfg(test)]
            self.state.trace.push(format!(" Added match TX.{group}: {}", String::from_utf8_lossy(bytes)));
            // The first slots are the captures.
            if let Ok(slot) = u16::try_from(group)
                && self.state.tx.set_slot(slot, Some(bytes)).is_err()
            {
                self.state.exhausted = true;
            }
        }
    }

    /// Whether a recorded match is of a value that was taken out of a rule's targets at run time.
    fn is_taken_out(&self, rule: u16, variable: Variable, source: Option<Source>, name: Span) -> bool {
        !self.state.removed_targets.is_empty()
            && self.is_removed_target(rule, variable, source, self.state.arena.get(name))
    }

    #[cfg(test)]
    fn trace_test(&mut self, subject: Subject<'_>, text: &[u8]) {
        let mut name = Vec::new();
        super::expand::full_name(subject.variable, subject.name, &mut name);
        let (text, name) = (String::from_utf8_lossy(text), String::from_utf8_lossy(&name));
        self.state.trace.push(format!(" Target value: \"{text}\" (Variable: {name})"));
    }

    #[cfg(test)]
    fn trace_step(&mut self, step: crate::transform::Transformation, text: &[u8]) {
        let name = step.as_str().replace('_', "");
        self.state.trace.push(format!(" t:{name}: \"{}\"", String::from_utf8_lossy(text)));
    }
}
