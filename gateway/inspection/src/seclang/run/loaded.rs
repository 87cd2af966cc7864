//! A program with what running it needs beside: the numbers of `TX` names, and the collections that outlive a transaction.

use std::collections::HashMap;
use std::time::Duration;

use super::collections::Collections;
use crate::seclang::program::{Program, Rule, Slot};

/// Rules that were loaded. Shared by all that run them.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) program: Program,
    pub(super) collections: Collections,
    slots: HashMap<Box<[u8]>, Slot>,
}

impl Loaded {
    pub(super) fn new(program: Program) -> Self {
        let slots = program.names.iter().cloned().zip(0..).collect();
        Self { program, collections: Collections::default(), slots }
    }

    /// The slot of a `TX` variable that some rule names in full.
    pub(super) fn slot(&self, name: &[u8]) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// The rule at a position.
    pub(super) fn rule(&self, at: u16) -> Option<&Rule> {
        self.program.rules.get(usize::from(at))
    }

    /// How long a collection lives that nothing touches.
    pub(super) fn collection_timeout(&self) -> Duration {
        Duration::from_secs(self.program.settings.collection_timeout)
    }
}
