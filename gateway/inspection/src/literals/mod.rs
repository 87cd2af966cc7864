//! What an operator requires of a value: what the prefilter looks for.
//!
//! An operator is turned into clauses, all of which must hold. A clause is a list of literals of which one must occur in
//! the value (upper and lower case alike), or classes of bytes of which one must occur, or both lists, where either
//! will do. `\bunion\b.{1,100}?\bselect\b` requires `union` and `select`; `(?:a|b)c` requires `ac` or `bc`;
//! `["'][0-9]` requires a quote and a digit; `c["\\]*at` requires `cat` or one of `"` and `\`.
//!
//! Clauses are necessary and never sufficient: a value that satisfies them is a candidate. How they are read off a
//! pattern is in [`pattern`].

mod pattern;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use regex_syntax::hir::Hir;
use smallvec::SmallVec;

use self::pattern::{Alphabet, Part};
use crate::bytes::ByteSet;

/// Literals in one clause. Beyond it the clause says too little for its size.
const MAX_LITERALS: usize = 8_192;
/// Bytes of one literal that are looked for.
const MAX_SOUGHT: usize = 16;
/// Clauses with literals kept for one operator (they are bits of a byte).
pub(crate) const MAX_CLAUSES: usize = 6;
/// Clauses of nothing but bytes kept for one operator.
const MAX_BYTE_CLAUSES: usize = 4;

/// Weight of a clause of literals of four bytes and more.
const STRONG: usize = 3 * 64;
/// Weight of a clause with literals of one or two bytes.
const WEAK: usize = 2 * 64;

pub(crate) type Strings = BTreeSet<Vec<u8>>;

/// One of these literals, or a byte of these classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// In lower case, of two bytes and more; at least one.
    pub(crate) literals: Vec<Vec<u8>>,
    /// Or else one of these; may be empty.
    pub(crate) bytes: ByteSet,
}

/// Clauses that all must hold. None: nothing is known, and the operator always runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clauses {
    /// Those with literals.
    pub(crate) literals: Vec<Clause>,
    /// Those of nothing but bytes.
    pub(crate) bytes: SmallVec<[ByteSet; 2]>,
}

impl Clauses {
    /// One of these literals must occur. Nothing when one of them is too common to help.
    pub(crate) fn any_of(literals: Vec<Vec<u8>>) -> Self {
        let strings = literals.into_iter().map(|literal| literal.to_ascii_lowercase()).collect();
        Self::of_parts(vec![Part { strings, bytes: Alphabet::default() }])
    }

    /// One of these bytes must occur. To say more of them than needed is safe.
    pub(crate) fn any_byte(bytes: impl IntoIterator<Item = u8>) -> Self {
        Self { literals: Vec::new(), bytes: SmallVec::from_slice(&[ByteSet::covering(bytes)]) }
    }

    /// What a pattern requires.
    pub(crate) fn of_regex(hir: &Hir) -> Self {
        Self::of_parts(pattern::required(hir))
    }

    fn of_parts(parts: Vec<Part>) -> Self {
        // Where the literals of a clause are not worth a search, the classes of their bytes may still be worth a look.
        let looked_at = parts.iter().filter(|part| is_bytes(part) || weight(part) == 0);
        let mut bytes: Vec<ByteSet> = looked_at.filter_map(bytes_of).collect();
        bytes.sort_by_key(|set| set.commonness());
        bytes.dedup();
        bytes.truncate(MAX_BYTE_CLAUSES);
        let mut parts: Vec<Part> = parts.into_iter().filter(|part| weight(part) > 0 && !is_bytes(part)).collect();
        parts.retain(|part| part.strings.len() <= MAX_LITERALS);
        let order = |part: &Part| (std::cmp::Reverse(weight(part)), part.bytes);
        parts.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.strings.cmp(&b.strings)));
        parts.dedup();
        // Beside a clause of long literals a short one spares little, and every sighting costs.
        if parts.first().is_some_and(|best| weight(best) > STRONG) {
            parts.retain(|part| weight(part) > WEAK);
        }
        parts.truncate(MAX_CLAUSES);
        Self { literals: parts.into_iter().map(clause).collect(), bytes: bytes.into() }
    }

    /// Classes of bytes: a value that satisfies the clauses holds a byte of each of these sets.
    pub(crate) fn needs(&self) -> impl Iterator<Item = ByteSet> {
        let of_literals = |clause: &Clause| telling(clause.literals.iter(), clause.bytes);
        self.bytes.iter().copied().chain(self.literals.iter().filter_map(of_literals))
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.bytes.is_empty()
    }

    /// Whether a value satisfies them all, found the slow way: for tests.
    #[cfg(test)]
    pub(crate) fn admit(&self, value: &[u8]) -> bool {
        let (lower, held) = (value.to_ascii_lowercase(), ByteSet::of(value));
        let occurs = |literal: &Vec<u8>| memchr::memmem::find(&lower, literal).is_some();
        self.bytes.iter().all(|set| set.meets(held))
            && self.literals.iter().all(|clause| clause.bytes.meets(held) || clause.literals.iter().any(occurs))
    }
}

/// The classes of bytes of which a clause needs one: of each literal its most telling byte. `None` when that says
/// nothing.
fn bytes_of(part: &Part) -> Option<ByteSet> {
    telling(part.strings.iter(), ByteSet::covering(part.bytes.iter()))
}

fn telling<'l>(literals: impl Iterator<Item = &'l Vec<u8>>, others: ByteSet) -> Option<ByteSet> {
    let mut set = others;
    for literal in literals {
        let byte = literal.iter().copied().max_by_key(|byte| byte_weight(*byte))?;
        set = set.or(ByteSet::covering([byte, byte.to_ascii_uppercase()]));
    }
    // Small letters are in almost every value.
    (!set.is_empty() && !set.meets(ByteSet::LOWER)).then_some(set)
}

/// Whether a clause is no more than bytes.
fn is_bytes(part: &Part) -> bool {
    part.strings.iter().all(|literal| literal.len() == 1)
}

fn clause(part: Part) -> Clause {
    let singles = part.strings.iter().filter(|literal| literal.len() == 1).flatten();
    let singles = singles.flat_map(|byte| [*byte, byte.to_ascii_uppercase()]);
    let bytes = ByteSet::covering(singles.chain(part.bytes.iter()));
    let longer = part.strings.into_iter().filter(|literal| literal.len() > 1);
    Clause { literals: minimal(shortened(longer)), bytes }
}

/// How much a literal narrows: bytes, less for those that are everywhere. 0: useless.
pub(crate) fn literal_weight(literal: &[u8]) -> usize {
    match literal {
        // Letters, digits and the punctuation of plain text, addresses and media types say nothing alone.
        [] | [b'.' | b',' | b'-' | b'/' | b':' | b'_' | b'?' | b'+' | b' '] => 0,
        [byte] => usize::from(!byte.is_ascii_alphanumeric()),
        // Two letters, or a letter and a space, are in every sentence: to see them costs more than it spares.
        [a, b] => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b' ';
            if plain(a) && plain(b) { 0 } else { 2 }
        }
        longer => longer.iter().filter(|byte| **byte != b' ').count(),
    }
}

/// How much a byte tells: signs more than digits, digits more than letters.
fn byte_weight(byte: u8) -> usize {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' => 0,
        b' ' => 1,
        b'0'..=b'9' | b'.' | b'-' | b'/' => 2,
        _ => 2 + literal_weight(&[byte]),
    }
}

/// The weight of a clause is that of its weakest literal, less a little for their number.
pub(crate) fn weight(part: &Part) -> usize {
    let literals = part.strings.iter().map(|literal| literal_weight(literal));
    let weakest = literals.chain(part.bytes.iter().map(|byte| literal_weight(&[byte]))).min().unwrap_or(0);
    let count = part.strings.len() + part.bytes.iter().count();
    if weakest == 0 { 0 } else { (weakest * 64).saturating_sub(count.min(60)).max(1) }
}

/// The beginnings of the literals are enough.
fn shortened(literals: impl Iterator<Item = Vec<u8>>) -> Strings {
    let beginning = |mut literal: Vec<u8>| {
        literal.truncate(MAX_SOUGHT);
        literal
    };
    literals.map(beginning).collect()
}

/// Drops literals that contain another one.
fn minimal(literals: Strings) -> Vec<Vec<u8>> {
    let contains = |long: &[u8], short: &[u8]| short.len() < long.len() && memchr::memmem::find(long, short).is_some();
    if literals.len() > 256 {
        return literals.into_iter().collect();
    }
    literals.iter().filter(|long| !literals.iter().any(|short| contains(long, short))).cloned().collect()
}
