//! The literal prefilter: one pass over a text says which entries can match it at all.
//!
//! Of each literal its rarest three bytes (its *gram*; two, where it has no more) go into a small bit map of hashes. The pass hashes the bytes at every position, all in lower case, and looks into the map: no state is carried
//! from byte to byte, so the processor works on several positions at once, and the maps stay in its nearest cache
//! however many literals there are. Only where a bit is set the literals with that gram are compared. Classes of bytes
//! are not looked for: the caller knows which the text holds.
//!
//! The idea is that of the hashed filters of Hyperscan and of Wu and Manber (1994), with the gram chosen by rarity.

use super::rarity::{self, Rarity};
use crate::bytes::ByteSet;
use crate::literals::{Clause, Clauses};

/// Bytes of a gram.
const GRAM: usize = 3;
/// A gram in the low bytes of a word.
const WHOLE: u64 = 0x00FF_FFFF;
/// The first two bytes of a folded gram. What is left cannot be mistaken for a whole gram, whose every byte has a bit.
const PAIR: u32 = 0x0000_FFFF;
/// Makes capital letters of ASCII small; what else it folds together is told apart by the comparison.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// Grams at the places of one word.
const LANES: usize = 8 - GRAM + 1;
/// Bits of a map for each gram in it.
const BITS_PER_GRAM: usize = 64;

/// A literal that satisfies a clause (a bit) of an entry.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    entry: u16,
    clause: u8,
}

/// A literal to compare where its gram was seen.
#[derive(Debug, Clone)]
struct Literal {
    bytes: Box<[u8]>,
    /// Where in it the gram stands.
    offset: usize,
    /// A range of the sightings.
    sightings: (u32, u32),
}

/// A gram and its literals, a range of them.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    gram: u32,
    first: u32,
    end: u32,
}

/// A set of grams that may say yes to one that is not in it: a bit for each.
#[derive(Debug, Default)]
struct Map {
    words: Box<[u64]>,
    shift: u32,
}

impl Map {
    fn new(grams: &[u32]) -> Self {
        let bits = (grams.len() * BITS_PER_GRAM).next_power_of_two().clamp(1 << 7, 1 << 20);
        let mut map = Self { words: vec![0; bits / 64].into(), shift: 64 - bits.trailing_zeros() };
        for gram in grams {
            let bit = map.bit(*gram);
            if let Some(word) = map.words.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        map
    }

    #[inline]
    fn bit(&self, gram: u32) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "few bits are left after the shift")]
        let bit = (hash(gram) >> self.shift) as usize;
        bit
    }

    /// 1 where the gram may be in the set, otherwise 0.
    #[inline]
    fn holds(&self, gram: u32) -> u64 {
        let bit = self.bit(gram);
        self.words.get(bit / 64).map_or(0, |word| word >> (bit % 64) & 1)
    }
}

/// An entry that classes of bytes alone can announce in part.
#[derive(Debug)]
struct Mixed {
    entry: u16,
    /// Clauses that these classes satisfy.
    clauses: Vec<(u8, ByteSet)>,
}

/// The literals of some entries.
#[derive(Debug, Default)]
pub(super) struct Prefilter {
    /// The grams.
    grams: Map,
    /// Those of literals of two bytes, and classes of bytes of which each of them has one.
    pairs: Option<Map>,
    pairing: ByteSet,
    /// By the same hash, with open addressing; an empty range is a free place.
    slots: Box<[Slot]>,
    literals: Box<[Literal]>,
    sightings: Box<[Sighting]>,
    mixed: Box<[Mixed]>,
    /// Classes of which any may satisfy a clause of `mixed`.
    mixing: ByteSet,
    /// By entry: the bits of all its clauses; 0 for an entry without literals.
    complete: Box<[u8]>,
    shortest: usize,
}

/// Per-entry bits, kept from text to text so that nothing is allocated.
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

    fn reset(&mut self, entries: usize) {
        if self.seen.len() < entries {
            self.seen.resize(entries, 0);
        }
        for entry in self.touched.drain(..) {
            if let Some(seen) = self.seen.get_mut(usize::from(entry)) {
                *seen = 0;
            }
        }
        self.complete.clear();
    }

    fn note(&mut self, entry: u16, clauses: u8, complete: &[u8]) {
        let at = usize::from(entry);
        let (Some(seen), Some(complete)) = (self.seen.get_mut(at), complete.get(at)) else { return };
        let now = *seen | clauses;
        if now == *seen {
            return;
        }
        if *seen == 0 {
            self.touched.push(entry);
        }
        *seen = now;
        if now == *complete {
            self.complete.push(entry);
        }
    }
}

fn hash(gram: u32) -> u64 {
    // The high bits of a product depend on all bits of its factor.
    u64::from(gram).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn gram_at(bytes: &[u8], at: usize) -> u32 {
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0) | 0x20);
    byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16
}

/// The literals of a rule set while they are collected.
#[derive(Default)]
struct Collected<'c> {
    by_literal: std::collections::BTreeMap<&'c [u8], Vec<Sighting>>,
    mixed: Vec<Mixed>,
    complete: Vec<u8>,
}

impl<'c> Collected<'c> {
    fn add(&mut self, entry: u16, clauses: &'c [Clause]) {
        let mut bits = 0u8;
        let mut mixed = Vec::new();
        for (index, clause) in clauses.iter().enumerate() {
            let bit = 1 << index;
            bits |= bit;
            for literal in &clause.literals {
                self.by_literal.entry(literal).or_default().push(Sighting { entry, clause: bit });
            }
            if !clause.bytes.is_empty() {
                mixed.push((bit, clause.bytes));
            }
        }
        self.complete.push(bits);
        if !mixed.is_empty() {
            self.mixed.push(Mixed { entry, clauses: mixed });
        }
    }
}

impl Prefilter {
    /// Takes in the clauses of each entry, in the order of the entries.
    ///
    /// # Errors
    /// When there are too many literals.
    pub(super) fn new<'c>(entries: impl Iterator<Item = &'c Clauses>, rarity: &Rarity) -> Result<Self, String> {
        let mut collected = Collected::default();
        for (entry, clauses) in (0..=u16::MAX).zip(entries) {
            collected.add(entry, &clauses.literals);
        }
        let Collected { by_literal, mixed, complete } = collected;
        let mixing =
            mixed.iter().flat_map(|mixed| &mixed.clauses).fold(ByteSet::default(), |all, (_, set)| all.or(*set));
        let mut filter = Self {
            mixed: mixed.into(),
            mixing,
            complete: complete.into(),
            shortest: by_literal.keys().map(|literal| literal.len()).min().unwrap_or(usize::MAX),
            ..Self::default()
        };
        let mut literals: Vec<(u32, Literal)> = Vec::with_capacity(by_literal.len());
        let mut sightings = Vec::new();
        let number = |length: usize| u32::try_from(length).map_err(|_| "too many literals".to_owned());
        for (bytes, list) in by_literal {
            let first = number(sightings.len())?;
            sightings.extend(list);
            let (gram, offset) = key(bytes, rarity);
            if bytes.len() == 2 {
                filter.pairing = filter.pairing.or(rarity::telling(bytes));
            }
            let sightings = (first, number(sightings.len())?);
            literals.push((gram, Literal { bytes: bytes.into(), offset, sightings }));
        }
        literals.sort_by_key(|(gram, _)| *gram);
        filter.index(&literals)?;
        filter.literals = literals.into_iter().map(|(_, literal)| literal).collect();
        filter.sightings = sightings.into();
        Ok(filter)
    }

    /// Fills the maps and the table of grams.
    fn index(&mut self, literals: &[(u32, Literal)]) -> Result<(), String> {
        let mut grams: Vec<u32> = literals.iter().map(|(gram, _)| *gram).collect();
        grams.dedup();
        let places = (grams.len() * 2).next_power_of_two().max(2);
        self.slots = vec![Slot::default(); places].into();
        let mut first = 0;
        for chunk in literals.chunk_by(|a, b| a.0 == b.0) {
            let Some((gram, _)) = chunk.first() else { continue };
            let end = first + u32::try_from(chunk.len()).map_err(|_| "too many literals".to_owned())?;
            let mut at = self.place(*gram);
            while self.slots.get(at).is_some_and(|slot| slot.end > 0) {
                at = (at + 1) % places;
            }
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Slot { gram: *gram, first, end };
            }
            first = end;
        }
        let (pairs, whole): (Vec<u32>, Vec<u32>) = grams.into_iter().partition(|gram| gram & !PAIR == 0);
        self.grams = Map::new(&whole);
        self.pairs = (!pairs.is_empty()).then(|| Map::new(&pairs));
        Ok(())
    }

    /// Where the search for a gram begins in the table.
    fn place(&self, gram: u32) -> usize {
        let hash = (hash(gram) >> 32) as usize;
        hash & (self.slots.len() - 1)
    }

    /// Bytes that the prefilter takes in memory.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        let literals: usize = self.literals.iter().map(|literal| literal.bytes.len() + size_of::<Literal>()).sum();
        let maps = self.pairs.iter().chain([&self.grams]).map(|map| 8 * map.words.len()).sum::<usize>();
        maps + size_of_val(&*self.slots) + literals + size_of_val(&*self.sightings) + self.complete.len()
    }

    /// Looks for the entries that can match `text`, which holds bytes of the classes `held`.
    pub(super) fn scan(&self, text: &[u8], held: ByteSet, candidates: &mut Candidates) {
        candidates.reset(self.complete.len());
        if self.mixing.meets(held) {
            for mixed in &self.mixed {
                let bits = mixed.clauses.iter().filter(|(_, set)| set.meets(held)).fold(0, |bits, (bit, _)| bits | bit);
                if bits != 0 {
                    candidates.note(mixed.entry, bits, &self.complete);
                }
            }
        }
        if text.len() < self.shortest {
            return;
        }
        let look = |at, candidates: &mut Candidates| self.compare(gram_at(text, at), text, at, candidates);
        walk(text, |gram| self.grams.holds(gram), look, candidates);
        if let Some(pairs) = self.pairs.as_ref().filter(|_| self.pairing.meets(held)) {
            let look = |at, candidates: &mut Candidates| self.compare(gram_at(text, at) & PAIR, text, at, candidates);
            walk(text, |gram| pairs.holds(gram & PAIR), look, candidates);
        }
    }

    /// Compares the literals whose gram stands at a position.
    #[inline(never)]
    fn compare(&self, gram: u32, text: &[u8], at: usize, candidates: &mut Candidates) {
        let mut place = self.place(gram);
        while let Some(slot) = self.slots.get(place).filter(|slot| slot.end > 0) {
            if slot.gram == gram {
                for literal in self.literals.get(slot.first as usize..slot.end as usize).unwrap_or_default() {
                    if literal.stands(text, at) {
                        self.note(literal, candidates);
                    }
                }
                return;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    fn note(&self, literal: &Literal, candidates: &mut Candidates) {
        let (first, end) = literal.sightings;
        for sighting in self.sightings.get(first as usize..end as usize).unwrap_or_default() {
            candidates.note(sighting.entry, sighting.clause, &self.complete);
        }
    }
}

/// Goes over the grams of a text, several at a time, and looks where one may be known.
#[inline]
fn walk(
    text: &[u8],
    may_hold: impl Fn(u32) -> u64,
    look: impl Fn(usize, &mut Candidates),
    candidates: &mut Candidates,
) {
    let mut at = 0;
    while let Some(Ok(bytes)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let eight = u64::from_le_bytes(bytes) | FOLD;
        let mut seen = 0;
        for lane in 0..LANES {
            let gram = (eight >> (8 * lane) & WHOLE) as u32;
            seen |= may_hold(gram) << lane;
        }
        while seen != 0 {
            look(at + seen.trailing_zeros() as usize, candidates);
            seen &= seen - 1;
        }
        at += LANES;
    }
    while at < text.len() {
        if may_hold(gram_at(text, at)) != 0 {
            look(at, candidates);
        }
        at += 1;
    }
}

impl Literal {
    /// Whether the literal stands in the text with its gram at this position.
    fn stands(&self, text: &[u8], at: usize) -> bool {
        let start = at.checked_sub(self.offset);
        let there = start.and_then(|start| text.get(start..start + self.bytes.len()));
        there.is_some_and(|there| there.eq_ignore_ascii_case(&self.bytes))
    }
}

/// The gram of a literal by which it is found, and where it stands.
fn key(literal: &[u8], rarity: &Rarity) -> (u32, usize) {
    let (length, mask) = if literal.len() < GRAM { (2, PAIR) } else { (GRAM, u32::MAX) };
    let offset = rarity.rarest(literal, length);
    (gram_at(literal, offset) & mask, offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::SmallVec;

    use super::*;

    /// The entries whose clauses the value satisfies, found the slow way.
    fn oracle(entries: &[Clauses], value: &[u8]) -> Vec<u16> {
        let announced = |clauses: &Clauses| !clauses.literals.is_empty() && clauses.admit(value);
        (0..).zip(entries).filter(|(_, clauses)| announced(clauses)).map(|(entry, _)| entry).collect()
    }

    fn clause() -> impl Strategy<Value = Clause> {
        let literal = "[abc'@`]{2,7}".prop_map(String::into_bytes);
        let bytes = prop::collection::vec(prop::sample::select(b"'@`%".to_vec()), 0..2);
        (prop::collection::vec(literal, 1..4), bytes)
            .prop_map(|(literals, bytes)| Clause { literals, bytes: ByteSet::covering(bytes) })
    }

    #[test]
    fn thousands_of_literals_take_little_memory() {
        let phrases = (0..5_000).map(|number| format!("/usr/share/{number}/passwd").into_bytes()).collect();
        let clauses = Clauses::any_of(phrases);
        let prefilter = Prefilter::new([&clauses].into_iter(), &Rarity::new()).unwrap();
        assert!(prefilter.size() < 1 << 20, "{} bytes", prefilter.size());
        let mut candidates = Candidates::default();
        for (text, expect) in [("cat /usr/share/4711/passwd", true), ("cat /usr/share/passwd", false)] {
            prefilter.scan(text.as_bytes(), ByteSet::of(text.as_bytes()), &mut candidates);
            assert_eq!(!candidates.entries().is_empty(), expect, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn announces_what_the_slow_way_announces(
            entries in prop::collection::vec(prop::collection::vec(clause(), 0..3), 1..12),
            values in prop::collection::vec("[abcAB'@`x%\0]{0,80}", 1..4),
        ) {
            let bytes = SmallVec::new();
            let entries: Vec<_> = entries.into_iter().map(|literals| Clauses { literals, bytes: bytes.clone() }).collect();
            let prefilter = Prefilter::new(entries.iter(), &Rarity::new()).unwrap();
            let mut candidates = Candidates::default();
            for value in values {
                prefilter.scan(value.as_bytes(), ByteSet::of(value.as_bytes()), &mut candidates);
                candidates.sort();
                prop_assert_eq!(candidates.entries(), oracle(&entries, value.as_bytes()));
            }
        }
    }
}
