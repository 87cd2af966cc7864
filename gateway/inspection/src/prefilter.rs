//! The literal prefilter: one Aho-Corasick pass over a value says which rules can match it at all.
//!
//! The automaton holds the literals of all clauses of all rules of a rule set. A rule is a candidate once each of its
//! clauses was seen. The pass costs the same however many rules there are, and most values have no candidate.

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};

use crate::literals::Clauses;

/// A literal was seen: it satisfies a clause (a bit) of a rule.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    rule: u16,
    clause: u8,
}

/// The automaton and what its literals mean.
#[derive(Debug)]
pub(crate) struct Prefilter {
    automaton: Option<DFA>,
    /// By literal: a range of `sightings`.
    starts: Box<[u32]>,
    sightings: Box<[Sighting]>,
    /// By rule: the bits of all its clauses; 0 for a rule without clauses.
    complete: Box<[u8]>,
    shortest: usize,
}

/// Per-rule bits, kept from value to value so that nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    seen: Vec<u8>,
    touched: Vec<u16>,
    complete: Vec<u16>,
}

impl Candidates {
    /// The rules all of whose clauses were seen, in no order.
    pub(crate) fn rules(&self) -> &[u16] {
        &self.complete
    }

    pub(crate) fn sort(&mut self) {
        self.complete.sort_unstable();
    }

    fn reset(&mut self, rules: usize) {
        if self.seen.len() != rules {
            self.seen.clear();
            self.seen.resize(rules, 0);
        } else {
            for rule in &self.touched {
                if let Some(seen) = self.seen.get_mut(usize::from(*rule)) {
                    *seen = 0;
                }
            }
        }
        self.touched.clear();
        self.complete.clear();
    }

    fn note(&mut self, sighting: Sighting, complete: &[u8]) {
        let rule = usize::from(sighting.rule);
        let (Some(seen), Some(complete)) = (self.seen.get_mut(rule), complete.get(rule)) else { return };
        if *seen & sighting.clause != 0 {
            return;
        }
        if *seen == 0 {
            self.touched.push(sighting.rule);
        }
        *seen |= sighting.clause;
        if *seen == *complete {
            self.complete.push(sighting.rule);
        }
    }
}

impl Prefilter {
    /// Builds the automaton over the clauses of each rule, in the order of the rules.
    ///
    /// # Errors
    /// When the automaton would be too large.
    pub(crate) fn new(rules: &[Clauses]) -> Result<Self, String> {
        let mut by_literal: std::collections::BTreeMap<&[u8], Vec<Sighting>> = std::collections::BTreeMap::new();
        let mut complete = Vec::with_capacity(rules.len());
        for (rule, clauses) in rules.iter().enumerate() {
            let rule = u16::try_from(rule).map_err(|_| "more than 65535 rules".to_owned())?;
            let mut bits = 0u8;
            for (index, clause) in clauses.0.iter().enumerate() {
                let bit = 1 << index;
                bits |= bit;
                for literal in clause {
                    by_literal.entry(literal).or_default().push(Sighting { rule, clause: bit });
                }
            }
            complete.push(bits);
        }
        let mut starts = vec![0];
        let mut sightings = Vec::new();
        for list in by_literal.values() {
            sightings.extend_from_slice(list);
            starts.push(u32::try_from(sightings.len()).map_err(|_| "too many literals".to_owned())?);
        }
        let shortest = by_literal.keys().map(|literal| literal.len()).min().unwrap_or(usize::MAX);
        let automaton = if by_literal.is_empty() {
            None
        } else {
            let built = DFA::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .start_kind(aho_corasick::StartKind::Unanchored)
                .prefilter(false)
                .build(by_literal.keys());
            Some(built.map_err(|error| error.to_string())?)
        };
        Ok(Self {
            automaton,
            starts: starts.into(),
            sightings: sightings.into(),
            complete: complete.into(),
            shortest,
        })
    }

    /// Whether a rule has clauses; the others always run.
    pub(crate) fn covers(&self, rule: u16) -> bool {
        self.complete.get(usize::from(rule)).is_some_and(|bits| *bits != 0)
    }

    /// Looks for the rules that can match `value`.
    pub(crate) fn scan(&self, value: &[u8], candidates: &mut Candidates) {
        candidates.reset(self.complete.len());
        let Some(automaton) = &self.automaton else { return };
        if value.len() < self.shortest {
            return;
        }
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return };
        for byte in value {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    self.note(automaton.match_pattern(state, index).as_usize(), candidates);
                }
            }
        }
    }

    fn note(&self, literal: usize, candidates: &mut Candidates) {
        let start = self.starts.get(literal).copied().unwrap_or(0) as usize;
        let end = self.starts.get(literal + 1).copied().unwrap_or(0) as usize;
        for sighting in self.sightings.get(start..end).unwrap_or_default() {
            candidates.note(*sighting, &self.complete);
        }
    }
}
