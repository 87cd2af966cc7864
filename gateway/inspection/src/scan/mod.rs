//! The core that every rule language shares: which rules can match a value at all, and on which of its texts.
//!
//! An [`Entry`] is what this module knows of a rule's first condition: the domains and names it looks at, its
//! transformation chain, and the literals without which its operator cannot match. [`Layout::new`] folds the entries of a
//! rule set together once; [`Layout::value`] then takes one value of one domain and gives the pairs of entry and text
//! that are left, a few per cent of all. The caller's [`Sink`] runs the operator on them.
//!
//! ```text
//! let layout = Layout::new(&entries)?;            // when rules are loaded
//! let mut scratch = scan::Scratch::default();     // one per worker
//! layout.value(&Value { domain, name, bytes }, &mut scratch, &mut sink)
//!     // -> sink.spend(n)               bytes are about to be read; Break: the budget is spent
//!     // -> sink.candidate(entry, text) entries[entry] may match text.bytes: run its operator (once per pair)
//! // For values that recur: skip them if layout.is_settled(&value, &scratch); when nothing matched, layout.settle(..).
//! ```
//!
//! Value by value and not rule by rule: a transformation chain is a path in a tree whose nodes are computed once per
//! value, a node whose trigger bytes a value lacks makes no text of its own, and each distinct text is scanned once
//! for all rules.
//!
//! What may be relied on:
//! - Necessary, never sufficient: an entry that would match a text is given with that text; one that is given may not
//!   match. A selector that is no plain name (a pattern, a path) is not looked at here: the sink selects.
//! - A pair is given once, however many steps of a chain make the same text.
//! - Nothing is allocated for a value whose texts fit the buffers that earlier values left.
//!
//! Never here: operators, scores, what a domain means (its number is the caller's).

mod chain;
mod memo;
mod plan;
mod prefilter;
mod rarity;
mod texts;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use self::chain::Tree;
use self::memo::Memo;
use self::plan::{Place, Plan};
use self::prefilter::{Candidates, Prefilter};
use self::texts::Texts;
use crate::bytes::ByteSet;
use crate::literals::Clauses;
use crate::transform::Transformation;

/// Domains that a layout can tell apart: a set of them is the bits of a `u64`.
pub(crate) const MAX_DOMAINS: u8 = 64;

/// What the core knows of one rule: the first condition, without its operator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// Where it looks. Nowhere: it is never a candidate.
    pub(crate) looks: Vec<Look>,
    /// What is done to a value first.
    pub(crate) chain: Box<[Transformation]>,
    /// Every text of the chain is compared, not only the last.
    pub(crate) multi_match: bool,
    /// What a text must hold for the operator to match; empty (always so for a negated operator): nothing is known.
    pub(crate) requires: Clauses,
}

/// Domains, and which names in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// The domains, one bit each.
    pub(crate) domains: u64,
    /// Only values of these names (upper and lower case alike); `None`: whatever their name.
    pub(crate) only: Option<Vec<Box<[u8]>>>,
    /// Never values of these names (upper and lower case alike), even if `only` has them. To leave a name out of the
    /// list is always safe: then the sink has to refuse it.
    pub(crate) except: Vec<Box<[u8]>>,
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'v> {
    /// The number of its domain, below [`MAX_DOMAINS`].
    pub(crate) domain: u8,
    /// Its name, where it is plain bytes; otherwise empty.
    pub(crate) name: &'v [u8],
    /// Itself.
    pub(crate) bytes: &'v [u8],
}

/// What the caller does with what is found.
pub(crate) trait Sink {
    /// An entry that may match a text. [`ControlFlow::Break`] ends the value.
    fn candidate(&mut self, entry: u16, text: &Text<'_>) -> ControlFlow<()>;

    /// So many bytes are about to be read. [`ControlFlow::Break`] ends the value.
    fn spend(&mut self, bytes: usize) -> ControlFlow<()>;
}

/// A text that transformations made of a value, or the value itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'t> {
    pub(crate) bytes: &'t [u8],
    node: u16,
    texts: &'t Texts,
    tree: &'t Tree,
}

impl Text<'_> {
    /// The transformations that made it: those steps of the entry's chain that changed something, in order; none for
    /// the value as received.
    pub(crate) fn made_by(&self) -> SmallVec<[Transformation; 4]> {
        let mut steps = SmallVec::new();
        let mut at = self.node;
        while let Some(node) = self.tree.node(at) {
            if self.texts.of_node(at) != self.texts.of_node(node.parent) {
                steps.push(node.step);
            }
            at = node.parent;
        }
        steps.reverse();
        steps
    }
}

/// Buffers that are used again from value to value. One per worker.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    texts: Texts,
    candidates: Candidates,
    memo: Memo,
}

/// The number of the next layout.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The entries of a rule set, laid out for one pass per value.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Tells it apart from all others of the process; 0 only for the one without entries.
    number: u64,
    tree: Tree,
    /// By entry.
    gates: Box<[Gate]>,
    /// By domain.
    places: Box<[Place]>,
    plans: Vec<Plan>,
    prefilters: Vec<Prefilter>,
    /// Entries that no literal announces.
    unannounced: Box<[u16]>,
}

/// What is asked of a text before an entry is given with it.
#[derive(Debug, Default)]
struct Gate {
    /// The nodes whose texts the entry compares.
    ends: SmallVec<[u16; 2]>,
    /// The text must hold a byte of each of these sets.
    bytes: SmallVec<[ByteSet; 2]>,
}

impl Gate {
    fn admits(&self, held: ByteSet) -> bool {
        self.bytes.iter().all(|set| set.meets(held))
    }

    /// The nodes that stand for distinct texts, with these.
    fn distinct<'g>(&'g self, texts: &'g Texts) -> impl Iterator<Item = (u16, usize)> + 'g {
        self.ends.iter().enumerate().filter_map(move |(at, node)| {
            let text = texts.of_node(*node);
            let again = self.ends.iter().take(at).any(|earlier| texts.of_node(*earlier) == text);
            (!again).then_some((*node, text))
        })
    }
}

impl Layout {
    /// Lays out entries; in what follows they are known by their position.
    ///
    /// # Errors
    /// A sentence when there are too many entries, steps or literals.
    pub(crate) fn new(entries: &[Entry]) -> Result<Self, String> {
        if u16::try_from(entries.len()).is_err() {
            return Err("more than 65535 rules".to_owned());
        }
        let mut tree = Tree::default();
        let gate = |entry: &Entry| {
            let ends = tree.insert(&entry.chain, entry.multi_match)?;
            Ok(Gate { ends, bytes: entry.requires.needs().collect() })
        };
        let gates: Vec<Gate> = entries.iter().map(gate).collect::<Result<_, String>>()?;
        let plan::Laid { places, plans, prefilters } = plan::lay_out(entries, &gates, &tree)?;
        let lonely = |entry: &Entry| entry.requires.is_empty() && !entry.looks.is_empty();
        let unannounced = (0..).zip(entries).filter(|(_, entry)| lonely(entry)).map(|(number, _)| number).collect();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, tree, gates: gates.into(), places: places.into(), plans, prefilters, unannounced })
    }

    /// Whether any entry looks at values of this domain.
    pub(crate) fn looks_at(&self, domain: u8) -> bool {
        self.places.get(usize::from(domain)).is_some_and(Place::is_busy)
    }

    /// Entries that run on every value they look at, because nothing is known of what they require.
    pub(crate) fn unannounced(&self) -> &[u16] {
        &self.unannounced
    }

    /// Whether [`Layout::settle`] was told lately that this value matches nothing, so that to scan it again is useless.
    /// For values that recur from request to request, such as those of header fields.
    pub(crate) fn is_settled(&self, value: &Value<'_>, scratch: &Scratch) -> bool {
        scratch.memo.knows(self.number, value)
    }

    /// Remembers that no entry matched this value: every candidate was given, ran, and did not match, and none of that
    /// depends on anything but the value, its domain and its name.
    pub(crate) fn settle(&self, value: &Value<'_>, scratch: &mut Scratch) {
        scratch.memo.remember(self.number, value);
    }

    /// Gives `sink` the entries that may match a value, each with the text that it may match, in no order.
    ///
    /// # Errors
    /// `Break` when the sink said so.
    pub(crate) fn value(&self, value: &Value<'_>, scratch: &mut Scratch, sink: &mut impl Sink) -> ControlFlow<()> {
        let place = self.places.get(usize::from(value.domain));
        let plan = place.and_then(|place| place.plan(value.name)).and_then(|at| self.plans.get(at));
        let Some(plan) = plan else { return ControlFlow::Continue(()) };
        let Scratch { texts, candidates, .. } = scratch;
        texts.make(&self.tree, &self.gates, plan, value.bytes, sink)?;
        for entry in &plan.always {
            self.give(*entry, None, value.bytes, texts, sink)?;
        }
        for text in 0..texts.len() {
            let Some(prefilter) = self.announcing(plan, text, texts) else { continue };
            let bytes = texts.bytes(text, value.bytes);
            sink.spend(bytes.len())?;
            prefilter.scan(bytes, texts.held(text), candidates);
            candidates.sort();
            for entry in candidates.entries() {
                self.give(*entry, Some(text), value.bytes, texts, sink)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The prefilter for a text: that of the plan, or a smaller one where only entries of one node can match the text;
    /// `None` when none can.
    fn announcing(&self, plan: &Plan, text: usize, texts: &Texts) -> Option<&Prefilter> {
        let mut chosen = None;
        let held = texts.held(text);
        for sought in &plan.sought {
            if texts.scanned_as(texts.of_node(sought.node)) != text || !sought.may_match(held, &self.gates) {
                continue;
            }
            if chosen.replace(sought.prefilter).is_some() {
                chosen = plan.prefilter;
                break;
            }
        }
        self.prefilters.get(chosen?)
    }

    /// Gives an entry with its texts, those that `scanned` stands for or all.
    fn give(
        &self,
        entry: u16,
        scanned: Option<usize>,
        value: &[u8],
        texts: &mut Texts,
        sink: &mut impl Sink,
    ) -> ControlFlow<()> {
        let Some(gate) = self.gates.get(usize::from(entry)) else { return ControlFlow::Continue(()) };
        if texts.len() == 1 && !gate.admits(texts.held(0)) {
            return ControlFlow::Continue(());
        }
        let wanted: SmallVec<[(u16, usize); 2]> = gate
            .distinct(texts)
            .filter(|(_, text)| scanned.is_none_or(|scanned| texts.scanned_as(*text) == scanned))
            .filter(|(_, text)| gate.admits(texts.held(*text)))
            .collect();
        for (node, text) in wanted {
            texts.complete(text, value, sink)?;
            let text = Text { bytes: texts.bytes(text, value), node, texts, tree: &self.tree };
            sink.candidate(entry, &text)?;
        }
        ControlFlow::Continue(())
    }
}
