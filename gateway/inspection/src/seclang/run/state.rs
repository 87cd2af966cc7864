//! What one transaction knows between its phases.

use smallvec::SmallVec;
use std::time::SystemTime;

use super::arena::{Arena, Span};
use super::collections::Key;
use super::report::{Interruption, MatchedRule};
use super::tx::Tx;
use crate::seclang::ast::{AllowScope, BodyProcessor, EngineMode};
use crate::seclang::variable::{Source, Variable};
use crate::transform::Transformation;

/// The transformations that led to a text.
pub(super) type Made = SmallVec<[Transformation; 4]>;

/// Matches that are recorded for one transaction; one that has more is refused.
pub(super) const MAX_RECORDS: usize = 131_072;
/// Records whose memory is kept from transaction to transaction.
const MAX_IDLE_RECORDS: usize = 1_024;

/// The first test of a rule holds for a text of a value.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) rule: u16,
    /// Which of the variables that the test names holds the value.
    pub(super) order: u8,
    pub(super) seen: Seen,
}

/// A text that passed a test.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// As the rule names it.
    pub(super) variable: Variable,
    /// Where the value comes from; none for a derived variable.
    pub(super) source: Option<Source>,
    /// The value's place in the list of values.
    pub(super) value: u32,
    pub(super) name: Span,
    pub(super) text: Span,
    pub(super) made: Made,
}

/// A piece of a program: from the rules of one effect, the values of its targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemovedTarget {
    pub(super) rule: u16,
    pub(super) effect: u16,
}

/// Everything that is known of a transaction. Cleared, it keeps its memory for the next.
#[derive(Debug)]
pub(super) struct State {
    pub(super) engine: EngineMode,
    /// The profile only detects: no rule switches the engine on.
    pub(super) detect: bool,
    pub(super) tx: Tx,
    pub(super) arena: Arena,
    /// Sorted by rule once a phase begins.
    pub(super) records: Vec<Record>,
    /// The rules that have one, as bits.
    pub(super) recorded: Vec<u64>,
    /// Rules that `ctl` removed, as bits; empty while there are none.
    pub(super) removed: Vec<u64>,
    pub(super) removed_targets: Vec<RemovedTarget>,
    /// `MATCHED_VARS`
    pub(super) matched: Vec<Seen>,
    /// The position of the rule that `matched` is of.
    pub(super) matched_rule: Option<u16>,
    pub(super) allow: Option<AllowScope>,
    /// Collections that were opened.
    pub(super) open: Vec<Key>,
    /// `HIGHEST_SEVERITY`: 255 while no rule with a severity has matched.
    pub(super) highest: u8,
    pub(super) events: Vec<MatchedRule>,
    pub(super) interruption: Option<Interruption>,
    /// What would have interrupted, if the engine did not only detect.
    pub(super) would: Option<Interruption>,
    pub(super) processor: Option<BodyProcessor>,
    pub(super) force_body: Option<bool>,
    pub(super) request_body: Option<bool>,
    pub(super) response_body: Option<bool>,
    pub(super) began: SystemTime,
    /// Bytes read.
    pub(super) work: u64,
    pub(super) budget: u64,
    /// The budget, or a bound of what is kept, was exceeded.
    pub(super) exhausted: bool,
    #[cfg(test)]
    pub(super) trace: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            engine: EngineMode::Off,
            detect: false,
            tx: Tx::default(),
            arena: Arena::default(),
            records: Vec::new(),
            recorded: Vec::new(),
            removed: Vec::new(),
            removed_targets: Vec::new(),
            matched: Vec::new(),
            matched_rule: None,
            allow: None,
            open: Vec::new(),
            highest: u8::MAX,
            events: Vec::new(),
            interruption: None,
            would: None,
            processor: None,
            force_body: None,
            request_body: None,
            response_body: None,
            began: SystemTime::UNIX_EPOCH,
            work: 0,
            budget: 0,
            exhausted: false,
            #[cfg(test)]
            trace: Vec::new(),
        }
    }
}

impl State {
    /// Forgets everything, for a transaction of a program with so many rules and slots.
    pub(super) fn reset(&mut self, rules: usize, slots: usize) {
        self.tx.reset(slots);
        self.arena.clear();
        self.records.clear();
        self.records.shrink_to(MAX_IDLE_RECORDS);
        self.recorded.clear();
        self.recorded.resize(rules.div_ceil(64), 0);
        self.removed.clear();
        self.removed_targets.clear();
        self.matched.clear();
        self.matched.shrink_to(MAX_IDLE_RECORDS);
        self.matched_rule = None;
        self.allow = None;
        self.open.clear();
        self.highest = u8::MAX;
        self.events.clear();
        self.interruption = None;
        self.would = None;
        self.processor = None;
        self.force_body = None;
        self.request_body = None;
        self.response_body = None;
        self.work = 0;
        self.exhausted = false;
        #[cfg(test)]
        self.trace.clear();
    }

    /// Counts bytes that are read; beyond the budget the transaction is exhausted. False when it is.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        self.work = self.work.saturating_add(bytes as u64);
        self.exhausted |= self.work > self.budget;
        !self.exhausted
    }

    /// Notes that a bound was met: the transaction is exhausted.
    pub(super) fn full(&mut self) {
        self.exhausted = true;
    }

    /// Records that the first test of a rule holds for a text.
    pub(super) fn record(&mut self, rule: u16, order: u8, seen: Seen) {
        if self.records.len() == MAX_RECORDS {
            self.full();
            return;
        }
        if let Some(word) = self.recorded.get_mut(usize::from(rule) / 64) {
            *word |= 1 << (rule % 64);
        }
        self.records.push(Record { rule, order, seen });
    }

    /// Whether `ctl` removed a rule.
    #[cfg(test)]
    pub(super) fn is_removed(&self, rule: u16) -> bool {
        let word = self.removed.get(usize::from(rule) / 64);
        word.is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }

    /// Removes rules.
    pub(super) fn remove(&mut self, rules: &[u64]) {
        if self.removed.len() < rules.len() {
            self.removed.resize(rules.len(), 0);
        }
        for (removed, rules) in self.removed.iter_mut().zip(rules) {
            *removed |= rules;
        }
    }
}
