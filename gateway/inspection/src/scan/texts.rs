//! The texts of one value: what the nodes of the chain tree make of it, each distinct one once.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::Sink;
use super::chain::{Node, Tree};
use super::plan::Plan;
use crate::bytes::ByteSet;

/// The texts of the value at hand. Text 0 is the value itself.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Buffers of the texts from 1 on; the first `made` of them count.
    buffers: Vec<Vec<u8>>,
    made: usize,
    /// By node: its text. Empty when every node has the value itself.
    of_node: Vec<u16>,
}

impl Texts {
    /// How many there are, the value itself included.
    pub(super) const fn len(&self) -> usize {
        self.made + 1
    }

    /// The text of a node.
    pub(super) fn of_node(&self, node: u16) -> usize {
        self.of_node.get(usize::from(node)).copied().unwrap_or(0).into()
    }

    /// The bytes of a text.
    pub(super) fn bytes<'t>(&'t self, text: usize, value: &'t [u8]) -> &'t [u8] {
        text.checked_sub(1).and_then(|at| self.buffers.get(at)).map_or(value, Vec::as_slice)
    }

    /// Runs the transformations of a plan on a value.
    pub(super) fn make(&mut self, tree: &Tree, plan: &Plan, value: &[u8], sink: &mut impl Sink) -> ControlFlow<()> {
        self.made = 0;
        self.of_node.clear();
        if plan.nodes.is_empty() {
            return ControlFlow::Continue(());
        }
        let held = ByteSet::of(value);
        if plan.triggers.is_some_and(|triggers| !triggers.meets(held)) {
            return ControlFlow::Continue(());
        }
        self.of_node.resize(tree.len(), 0);
        let mut classes: SmallVec<[ByteSet; 8]> = SmallVec::from_slice(&[held]);
        for at in &plan.nodes {
            let Some(node) = tree.node(*at) else { continue };
            let text = self.step(node, value, &mut classes, sink)?;
            if let (Some(slot), Ok(text)) = (self.of_node.get_mut(usize::from(*at)), u16::try_from(text)) {
                *slot = text;
            }
        }
        ControlFlow::Continue(())
    }

    /// The text that one step makes.
    fn step(
        &mut self,
        node: &Node,
        value: &[u8],
        classes: &mut SmallVec<[ByteSet; 8]>,
        sink: &mut impl Sink,
    ) -> ControlFlow<(), usize> {
        let from = self.of_node(node.parent);
        let held = classes.get(from).copied().unwrap_or_default();
        if node.triggers.is_some_and(|triggers| !triggers.meets(held)) {
            return ControlFlow::Continue(from);
        }
        if self.buffers.len() == self.made {
            self.buffers.push(Vec::new());
        }
        let Some(mut out) = self.buffers.get_mut(self.made).map(std::mem::take) else {
            return ControlFlow::Continue(from);
        };
        let input = self.bytes(from, value);
        let spent = sink.spend(input.len());
        let changed = node.step.apply(input, &mut out);
        let set = if changed { ByteSet::of(&out) } else { held };
        if let Some(slot) = self.buffers.get_mut(self.made) {
            *slot = out;
        }
        spent?;
        if !changed {
            return ControlFlow::Continue(from);
        }
        classes.push(set);
        self.made += 1;
        ControlFlow::Continue(self.made)
    }
}
