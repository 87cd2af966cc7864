//! The literal prefilter: one Aho-Corasick pass over a value says which rules can match it at all.
//!
//! The automaton holds the literals of all clauses of all rules of a rule set. A rule is a candidate once each of its
//! clauses was seen. The pass costs the same however many rules there are, and most values have no candidate.

use aho_corasick::automaton::{Automaton, StateID};
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
pub(super) struct Prefilter {
    automaton: Option<DFA>,
    /// By literal: a range of `sightings`.
    starts: Box<[u32]>,
    sightings: Box<[Sighting]>,
    /// By rule: the bits of all its clauses; 0 for a rule without clauses.
    complete: Box<[u8]>,
    shortest: usize,
    longest: usize,
}

/// Places of a long value that are walked at once.
const LANES: usize = 4;

/// Per-rule bits, kept from value to value so that nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    seen: Vec<u8>,
    touched: Vec<u16>,
    complete: Vec<u16>,
}

impl Candidates {
    /// The entries all of whose clauses were seen, in no order.
    pub(super) fn entries(&self) -> &[u16] {
        &self.complete
    }

    pub(super) fn sort(&mut self) {
        self.complete.sort_unstable();
    }

    pub(super) fn clear(&mut self) {
        self.complete.clear();
    }

    fn reset(&mut self, rules: usize) {
        if self.seen.len() == rules {
            for rule in &self.touched {
                if let Some(seen) = self.seen.get_mut(usize::from(*rule)) {
                    *seen = 0;
                }
            }
        } else {
            self.seen.clear();
            self.seen.resize(rules, 0);
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
    pub(super) fn new(rules: &[Clauses]) -> Result<Self, String> {
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
        let longest = by_literal.keys().map(|literal| literal.len()).max().unwrap_or(0);
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
            longest,
        })
    }

    /// Looks for the rules that can match `value`.
    pub(super) fn scan(&self, value: &[u8], candidates: &mut Candidates) {
        candidates.reset(self.complete.len());
        let Some(automaton) = &self.automaton else { return };
        if value.len() < self.shortest {
            return;
        }
        let Ok(start) = automaton.start_state(Anchored::No) else { return };
        // An automaton waits for memory at every byte, so long values are walked in four places at once. The lanes
        // overlap by what a literal can reach over their border; to see one twice does no harm.
        let overlap = self.longest.saturating_sub(1);
        let part = value.len() / LANES;
        if part < 2 * overlap.max(4) {
            self.walk(automaton, start, value, candidates);
            return;
        }
        let lane = |from: usize, to: usize| value.get(from * part..(to * part + overlap).min(value.len()));
        let lanes = (lane(0, 1), lane(1, 2), lane(2, 3), value.get(3 * part..));
        if let (Some(a), Some(b), Some(c), Some(d)) = lanes {
            let states = self.walk_lanes(automaton, start, [a, b, c, d], candidates);
            let walked = [a, b, c, d].map(<[u8]>::len).into_iter().min().unwrap_or(0);
            for (state, lane) in states.into_iter().zip([a, b, c, d]) {
                self.walk(automaton, state, lane.get(walked..).unwrap_or_default(), candidates);
            }
        }
    }

    fn walk(&self, automaton: &DFA, start: StateID, value: &[u8], candidates: &mut Candidates) {
        let mut state = start;
        for byte in value {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_special(state) {
                self.sighted(automaton, state, candidates);
            }
        }
    }

    /// Walks the lanes in step, as far as the shortest; the states there.
    fn walk_lanes(
        &self,
        automaton: &DFA,
        start: StateID,
        [a, b, c, d]: [&[u8]; LANES],
        candidates: &mut Candidates,
    ) -> [StateID; LANES] {
        let mut states = [start; LANES];
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            let [at_a, at_b, at_c, at_d] = &mut states;
            *at_a = automaton.next_state(Anchored::No, *at_a, *a);
            *at_b = automaton.next_state(Anchored::No, *at_b, *b);
            *at_c = automaton.next_state(Anchored::No, *at_c, *c);
            *at_d = automaton.next_state(Anchored::No, *at_d, *d);
            if states.iter().any(|state| automaton.is_special(*state)) {
                for state in states {
                    self.sighted(automaton, state, candidates);
                }
            }
        }
        states
    }

    /// Notes the literals that end in this state.
    #[inline(never)]
    fn sighted(&self, automaton: &DFA, state: StateID, candidates: &mut Candidates) {
        if automaton.is_match(state) {
            for index in 0..automaton.match_len(state) {
                self.note(automaton.match_pattern(state, index).as_usize(), candidates);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rules whose clauses all have a literal in the value, found the slow way.
    fn oracle(rules: &[Clauses], value: &[u8]) -> Vec<u16> {
        let lower = value.to_ascii_lowercase();
        let seen = |literal: &Vec<u8>| memchr::memmem::find(&lower, literal).is_some();
        let announced = |clauses: &Clauses| !clauses.0.is_empty() && clauses.0.iter().all(|c| c.iter().any(seen));
        (0..).zip(rules).filter(|(_, clauses)| announced(clauses)).map(|(rule, _)| rule).collect()
    }

    fn literal() -> impl Strategy<Value = Vec<u8>> {
        "[abc']{1,5}".prop_map(String::into_bytes)
    }

    proptest! {
        #[test]
        fn announces_what_the_slow_way_announces(
            rules in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(literal(), 1..4), 0..3).prop_map(Clauses), 1..12),
            values in prop::collection::vec("[abcAB'x]{0,160}", 1..4),
        ) {
            let prefilter = Prefilter::new(&rules).unwrap();
            let mut candidates = Candidates::default();
            for value in values {
                prefilter.scan(value.as_bytes(), &mut candidates);
                candidates.sort();
                prop_assert_eq!(candidates.entries(), oracle(&rules, value.as_bytes()));
            }
        }
    }
}
