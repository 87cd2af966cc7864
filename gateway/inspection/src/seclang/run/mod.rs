//! The run: a transaction goes through the phases of a program.
//!
//! 1. Every value is scanned exactly once, when it becomes known, for the rules of all phases ([`eager`]). What the first
//!    test of a rule holds for is recorded; that is rare.
//! 2. Each phase looks, in the order of the files, at the rules with a record and at the lazy ones ([`phase`]): the
//!    first test is replayed from the records or made now, further links are made now ([`link`]), then come the actions
//!    ([`effect`]).
//!
//! Semantics are those of ModSecurity v3 (`rules_set.cc`, `rule_with_operator.cc`, `rule_with_actions.cc`):
//! - `setvar` runs for each text that passes a link, before later links are asked; all other actions run once, when the
//!   whole chain has matched.
//! - `msg` and `logdata` are written when the whole chain has matched, with what the last text left in `MATCHED_VAR` and
//!   `TX.0`.
//! - Captures stay until others overwrite them.
//! - In `DetectionOnly` a disruptive action does nothing, and the phase goes on.
//!
//! Where it differs: `MATCHED_VARS` begins anew with each rule (v3 forgets them only when a rule does not match), save
//! for a rule that asks for it in its first test; phase 2 runs where the body is not read.
//!
//! Bounded: the bytes that are read (the profile's work), the matches that are recorded, the texts that are kept, the
//! variables that rules make. Beyond a bound the transaction is *exhausted*, and whoever asked has to refuse it.

mod arena;
mod clock;
mod collections;
mod eager;
mod effect;
mod exempt;
mod expand;
mod gather;
mod link;
mod loaded;
mod number;
mod phase;
mod place;
mod report;
mod state;
mod transaction;
mod tx;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use self::exempt::Exempted;
use self::gather::Gathered;
use self::loaded::Loaded;
use self::state::State;
use super::program::Rule;
use super::values;
use super::values::Values;
use crate::operator::Captures;
use crate::scan;

pub use self::report::{Action, Interruption, MatchedRule};
pub use self::transaction::{Beginning, Remark, SecLang, Transaction};

/// Buffers that are used again from transaction to transaction. One per worker.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    scan: scan::Scratch,
    values: values::Buffers,
    captures: Captures,
    gathered: Gathered,
    /// Two texts that transformations are made in.
    texts: [Vec<u8>; 2],
    /// The argument of an operator, expanded.
    argument: Vec<u8>,
    /// The name and the value of a variable that is set.
    name: Vec<u8>,
    value: Vec<u8>,
    /// States of transactions that are over.
    #[expect(clippy::vec_box, reason = "a transaction owns its state in a box, and gives the box back")]
    idle: Vec<Box<State>>,
}

/// A phase that runs.
struct Run<'r, 'a> {
    rules: &'r Loaded,
    state: &'r mut State,
    values: &'r Values<'a>,
    exempted: &'r Exempted<'r, 'r, 'a>,
    buffers: &'r mut Buffers,
    unique_id: &'r str,
    now: SystemTime,
    /// The rule that runs.
    current: Option<&'r Rule>,
}
