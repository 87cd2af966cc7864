//! The scan: each value, once, against the first tests of the rules of all phases.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::arena::Span;
use super::exempt::Exempted;
use super::loaded::Loaded;
use super::state::{Seen, State};
use crate::scan::{self, Sink, Text};
use crate::seclang::program::{Operand, Test};
use crate::seclang::values::{ValueRef, Values};
use crate::seclang::variable::Source;

/// Scans the values from position `from` on.
pub(super) fn scan(
    rules: &Loaded,
    values: &Values<'_>,
    from: usize,
    exempted: &Exempted<'_, '_, '_>,
    state: &mut State,
    scratch: &mut scan::Scratch,
) {
    let layout = &rules.program.layout;
    for index in from..values.len() {
        let Some(value) = values.get(index) else { return };
        let domain = value.source as u8;
        if !layout.looks_at(domain) {
            continue;
        }
        let wanted = scan::Value { domain, name: value.name, bytes: value.bytes };
        let recurs = matches!(value.source, Source::Header | Source::Cookie);
        if recurs && layout.is_settled(&wanted, scratch) {
            continue;
        }
        let mut recorder =
            Recorder { rules, values, exempted, state, value, index, name: None, texts: SmallVec::new(), held: false };
        if layout.value(&wanted, scratch, &mut recorder).is_break() {
            return;
        }
        if recurs && !recorder.held {
            layout.settle(&wanted, scratch);
        }
    }
}

/// Runs the operators of candidates, and records those that hold.
struct Recorder<'r, 'v> {
    rules: &'r Loaded,
    values: &'v Values<'v>,
    exempted: &'r Exempted<'r, 'r, 'r>,
    state: &'r mut State,
    value: ValueRef<'v>,
    index: usize,
    /// The name of the value, once it was kept.
    name: Option<Span>,
    /// Texts of the value that were kept, by address and length: what several rules match is kept once.
    texts: SmallVec<[(usize, usize, Span); 4]>,
    /// Whether any operator held, be it for a value that is exempt.
    held: bool,
}

impl Sink for Recorder<'_, '_> {
    fn candidate(&mut self, entry: u16, text: &Text<'_>) -> ControlFlow<()> {
        let Some(rule) = self.rules.rule(entry) else { return ControlFlow::Continue(()) };
        let link = rule.links.first().map(|link| &link.test);
        let Some(Test::Operator { targets, operator: Operand::Fixed(operator), negated, .. }) = link else {
            return ControlFlow::Continue(());
        };
        let source = self.value.source.bit();
        if !targets.selects(source, self.value.name) {
            return ControlFlow::Continue(());
        }
        self.spend(text.bytes.len())?;
        if operator.is_match(text.bytes) == *negated {
            return self.go_on();
        }
        self.held = true;
        if !self.exempted.covers(&rule.about, self.values, self.index, &self.value) {
            let order = targets.written.iter().position(|variable| variable.sources() & source != 0).unwrap_or(0);
            let Some(variable) = targets.written.get(order) else { return ControlFlow::Continue(()) };
            let (Some(name), Some(kept)) = (self.keep_name(), self.keep_text(text.bytes)) else {
                self.state.full();
                return ControlFlow::Break(());
            };
            let seen = Seen {
                variable: *variable,
                source: Some(self.value.source),
                value: u32::try_from(self.index).unwrap_or(u32::MAX),
                name,
                text: kept,
                made: text.made_by(),
            };
            self.state.record(entry, u8::try_from(order).unwrap_or(u8::MAX), seen);
        }
        self.go_on()
    }

    fn spend(&mut self, bytes: usize) -> ControlFlow<()> {
        self.state.spend(bytes);
        self.go_on()
    }
}

impl Recorder<'_, '_> {
    fn go_on(&self) -> ControlFlow<()> {
        if self.state.exhausted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn keep_name(&mut self) -> Option<Span> {
        if self.name.is_none() {
            self.name = self.state.arena.keep(self.value.name);
        }
        self.name
    }

    fn keep_text(&mut self, text: &[u8]) -> Option<Span> {
        // The texts of one value stand in buffers of their own until the next value: an address tells them apart.
        let (address, len) = (text.as_ptr().addr(), text.len());
        let known = self.texts.iter().find(|(known, length, _)| (*known, *length) == (address, len));
        if let Some((_, _, span)) = known {
            return Some(*span);
        }
        let span = self.state.arena.keep(text)?;
        self.texts.push((address, len, span));
        Some(span)
    }
}
