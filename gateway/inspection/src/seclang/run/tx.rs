//! The `TX` collection of one transaction: what rules set, and what they captured.
//!
//! Names that rules write in full are slots, numbered when the rules were compiled, whose values begin as
//! [`Program::initial`](crate::seclang::program::Program::initial) says: a transaction that sets nothing copies nothing. Names that a macro makes at run time
//! (`tx.header_name_%{tx.0}`) are kept beside them, in one buffer. Values are bytes; numbers are text, as in ModSecurity.

use std::ops::Range;

use smallvec::SmallVec;

use super::loaded::Loaded;
use crate::seclang::program::Slot;

/// Variables that one transaction may make beside those that rules name in full.
const MAX_NAMED: usize = 2_048;
/// Bytes of one value; what is longer is cut.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Bytes that all names and values made in one transaction may have together.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// No room is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

type Text = SmallVec<[u8; 24]>;

/// The variables of one transaction. Cleared, it keeps its memory for the next.
#[derive(Debug, Default)]
pub(super) struct Tx {
    /// By slot: 0 while it holds its initial value, else one more than its place in `changed`.
    places: Vec<u16>,
    changed: Vec<Option<Text>>,
    named: Vec<Named>,
    /// The names and values of `named`.
    text: Vec<u8>,
    /// Bytes that were set, however often.
    bytes: usize,
}

#[derive(Debug)]
struct Named {
    hash: u64,
    name: Range<usize>,
    /// `None` after `!tx.name`.
    value: Option<Range<usize>>,
}

impl Tx {
    /// Forgets everything, for a transaction of a program with so many slots.
    pub(super) fn reset(&mut self, slots: usize) {
        self.places.clear();
        self.places.resize(slots, 0);
        self.changed.clear();
        self.named.clear();
        self.text.clear();
        self.bytes = 0;
    }

    /// The value of a slot.
    pub(super) fn slot<'t>(&'t self, rules: &'t Loaded, slot: Slot) -> Option<&'t [u8]> {
        match self.places.get(usize::from(slot)).copied()?.checked_sub(1) {
            None => rules.program.initial.get(usize::from(slot))?.as_deref(),
            Some(at) => self.changed.get(usize::from(at))?.as_deref(),
        }
    }

    /// Sets or unsets a slot.
    pub(super) fn set_slot(&mut self, slot: Slot, value: Option<&[u8]>) -> Result<(), Full> {
        self.count(value)?;
        let Some(place) = self.places.get_mut(usize::from(slot)) else { return Ok(()) };
        let text = value.map(|value| Text::from_slice(cut(value)));
        if let Some(known) = usize::from(*place).checked_sub(1).and_then(|at| self.changed.get_mut(at)) {
            *known = text;
        } else {
            self.changed.push(text);
            *place = u16::try_from(self.changed.len()).map_err(|_| Full)?;
        }
        Ok(())
    }

    /// The value of a variable by its name, in lower case.
    pub(super) fn get<'t>(&'t self, rules: &'t Loaded, name: &[u8]) -> Option<&'t [u8]> {
        match rules.slot(name) {
            Some(slot) => self.slot(rules, slot),
            None => self.named(name).and_then(|at| self.named_value(self.named.get(at)?)),
        }
    }

    /// Sets or unsets a variable by its name, in lower case.
    pub(super) fn set(&mut self, rules: &Loaded, name: &[u8], value: Option<&[u8]>) -> Result<(), Full> {
        if let Some(slot) = rules.slot(name) {
            return self.set_slot(slot, value);
        }
        self.count(value)?;
        let known = self.named(name);
        if known.is_none() && value.is_none() {
            return Ok(());
        }
        let value = value.map(|value| self.keep(cut(value)));
        if let Some(known) = known.and_then(|at| self.named.get_mut(at)) {
            known.value = value;
            return Ok(());
        }
        if self.named.len() == MAX_NAMED {
            return Err(Full);
        }
        self.count(Some(name))?;
        let name = self.keep(name);
        let hash = hash(self.text.get(name.clone()).unwrap_or_default());
        self.named.push(Named { hash, name, value });
        Ok(())
    }

    /// Every variable that has a value: first the slots, then those that were made at run time.
    pub(super) fn iter<'t>(&'t self, rules: &'t Loaded) -> impl Iterator<Item = (&'t [u8], &'t [u8])> {
        let slots = (0..).zip(&rules.program.names);
        let slots = slots.filter_map(|(slot, name)| Some((name.as_ref(), self.slot(rules, slot)?)));
        let named =
            self.named.iter().filter_map(|named| Some((self.text.get(named.name.clone())?, self.named_value(named)?)));
        slots.chain(named)
    }

    fn named(&self, name: &[u8]) -> Option<usize> {
        let wanted = hash(name);
        let is = |named: &Named| named.hash == wanted && self.text.get(named.name.clone()) == Some(name);
        self.named.iter().position(is)
    }

    fn named_value(&self, named: &Named) -> Option<&[u8]> {
        self.text.get(named.value.clone()?)
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }

    fn count(&mut self, value: Option<&[u8]>) -> Result<(), Full> {
        self.bytes += value.map_or(0, |value| cut(value).len()) + 1;
        if self.bytes > MAX_BYTES { Err(Full) } else { Ok(()) }
    }
}

fn cut(value: &[u8]) -> &[u8] {
    value.get(..MAX_VALUE_BYTES).unwrap_or(value)
}

/// FNV-1a. Names that collide cost a comparison, no more.
fn hash(name: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    name.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
