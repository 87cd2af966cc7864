//! The texts of one value: what the nodes of the chain tree make of it, each distinct one once.
//!
//! A text in lower case is announced by the same literals as the text that it is made of, for the prefilter knows no
//! case. So it is not scanned, and only made when an entry or a further step asks for it.

use std::ops::ControlFlow;

use super::chain::{Node, Tree};
use super::plan::Plan;
use super::{Gate, Sink};
use crate::bytes::ByteSet;
use crate::transform::Transformation;

/// The texts of the value at hand. Text 0 is the value itself.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// What is known of each text.
    known: Vec<Known>,
    /// Buffers of the texts from 1 on; there may be more than texts.
    buffers: Vec<Vec<u8>>,
    /// By node: its text. Empty when every node has the value itself.
    of_node: Vec<u16>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    held: ByteSet,
    /// The text that it is the lower case of.
    lower_of: Option<usize>,
    /// Its buffer does not hold it yet.
    pending: bool,
}

impl Texts {
    /// How many there are, the value itself included.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The text of a node.
    pub(super) fn of_node(&self, node: u16) -> usize {
        self.of_node.get(usize::from(node)).copied().unwrap_or(0).into()
    }

    /// The classes of the bytes of a text.
    pub(super) fn held(&self, text: usize) -> ByteSet {
        self.known.get(text).map(|known| known.held).unwrap_or_default()
    }

    /// The text whose scan announces what may match this one.
    pub(super) fn scanned_as(&self, text: usize) -> usize {
        self.known.get(text).and_then(|known| known.lower_of).unwrap_or(text)
    }

    /// The bytes of a text that is complete.
    pub(super) fn bytes<'t>(&'t self, text: usize, value: &'t [u8]) -> &'t [u8] {
        text.checked_sub(1).and_then(|at| self.buffers.get(at)).map_or(value, Vec::as_slice)
    }

    /// Runs the transformations of a plan on a value.
    pub(super) fn make(
        &mut self,
        tree: &Tree,
        gates: &[Gate],
        plan: &Plan,
        value: &[u8],
        sink: &mut impl Sink,
    ) -> ControlFlow<()> {
        let held = ByteSet::of(value);
        self.known.clear();
        self.known.push(Known { held, ..Known::default() });
        self.of_node.clear();
        if !plan.nodes.is_empty() && plan.triggers.is_none_or(|triggers| triggers.meets(held)) {
            self.of_node.resize(tree.len(), 0);
            for needed in &plan.nodes {
                let Some(node) = tree.node(needed.node) else { continue };
                let from = self.of_node(node.parent);
                // Where it is not worth making, no entry that compares it can match the text that it is made of either.
                let worth = needed.is_worth(self.held(from), gates);
                let text = if worth { self.step(node, from, value, sink)? } else { from };
                if let (Some(slot), Ok(text)) = (self.of_node.get_mut(usize::from(needed.node)), u16::try_from(text)) {
                    *slot = text;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The text that one step makes.
    fn step(&mut self, node: &Node, from: usize, value: &[u8], sink: &mut impl Sink) -> ControlFlow<(), usize> {
        let held = self.held(from);
        if node.triggers.is_some_and(|triggers| !triggers.meets(held)) {
            return ControlFlow::Continue(from);
        }
        let made = self.known.len();
        if node.step == Transformation::Lowercase {
            self.known.push(Known { held: held.lowered(), lower_of: Some(from), pending: true });
            return ControlFlow::Continue(made);
        }
        self.complete(from, value, sink)?;
        sink.spend(self.bytes(from, value).len())?;
        let mut out = self.buffer(made);
        let changed = node.step.apply(self.bytes(from, value), &mut out);
        if changed {
            self.known.push(Known { held: ByteSet::of(&out), ..Known::default() });
        }
        self.keep(made, out);
        ControlFlow::Continue(if changed { made } else { from })
    }

    /// Makes a text that was put off.
    pub(super) fn complete(&mut self, text: usize, value: &[u8], sink: &mut impl Sink) -> ControlFlow<()> {
        let Some(known) = self.known.get_mut(text).filter(|known| known.pending) else {
            return ControlFlow::Continue(());
        };
        known.pending = false;
        let from = known.lower_of.unwrap_or(0);
        sink.spend(self.bytes(from, value).len())?;
        let mut out = self.buffer(text);
        Transformation::Lowercase.apply(self.bytes(from, value), &mut out);
        self.keep(text, out);
        ControlFlow::Continue(())
    }

    /// The buffer of a text, taken out.
    fn buffer(&mut self, text: usize) -> Vec<u8> {
        if self.buffers.len() < text {
            self.buffers.resize_with(text, Vec::new);
        }
        text.checked_sub(1).and_then(|at| self.buffers.get_mut(at)).map(std::mem::take).unwrap_or_default()
    }

    fn keep(&mut self, text: usize, buffer: Vec<u8>) {
        if let Some(slot) = text.checked_sub(1).and_then(|at| self.buffers.get_mut(at)) {
            *slot = buffer;
        }
    }
}
