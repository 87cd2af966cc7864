//! The literals that an operator requires: what the prefilter looks for.
//!
//! A pattern is turned into clauses, all of which must hold, each a list of literals of which one must occur in the
//! value (upper and lower case alike). `\bunion\b.{1,100}?\bselect\b` requires `union` and `select`; `(?:a|b)c`
//! requires `ac` or `bc`. The clauses are necessary and never sufficient: a value that satisfies them is a candidate.
//! The walk follows RE2's prefilter (a set of exact strings for as long as a part of the pattern allows, otherwise
//! what its parts require).

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

/// Literals in one clause. Beyond it the clause says too little for its size.
const MAX_LITERALS: usize = 2_048;
/// Strings that one part of a pattern may stand for before it is cut.
const MAX_EXACT: usize = 48;
/// Bytes of one exact string; longer ones prove nothing more.
const MAX_LENGTH: usize = 12;
/// Bytes of one literal that are looked for.
const MAX_SOUGHT: usize = 8;
/// Clauses kept for one operator (they are bits of a byte).
pub(crate) const MAX_CLAUSES: usize = 6;

/// Weight of a clause of literals of four bytes and more.
const STRONG: usize = 3 * 64;
/// Weight of a clause with literals of one or two bytes.
const WEAK: usize = 2 * 64;

type Strings = BTreeSet<Vec<u8>>;

/// Clauses that all must hold. None: nothing is known, and the operator always runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clauses(pub(crate) Vec<Vec<Vec<u8>>>);

impl Clauses {
    /// One clause; none when a literal is too common to help.
    pub(crate) fn any_of(literals: Vec<Vec<u8>>) -> Self {
        let set: Strings = literals.into_iter().map(|literal| literal.to_ascii_lowercase()).collect();
        if weight(&set) == 0 || set.len() > MAX_LITERALS {
            Self::default()
        } else {
            Self(vec![minimal(shortened(set))])
        }
    }

    /// What a pattern requires.
    pub(crate) fn of_regex(hir: &Hir) -> Self {
        let mut clauses = walk(hir).into_clauses();
        clauses.retain(|clause| weight(clause) > 0 && clause.len() <= MAX_LITERALS);
        clauses.sort_by_key(|clause| std::cmp::Reverse(weight(clause)));
        clauses.dedup();
        // Beside a clause of long literals a short one spares little, and every sighting costs.
        if clauses.first().is_some_and(|best| weight(best) > STRONG) {
            clauses.retain(|clause| weight(clause) > WEAK);
        }
        clauses.truncate(MAX_CLAUSES);
        Self(clauses.into_iter().map(|clause| minimal(shortened(clause))).collect())
    }
}

/// How much a literal narrows: bytes, less for those that are everywhere. 0: useless.
fn literal_weight(literal: &[u8]) -> usize {
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

/// The weight of a clause is that of its weakest literal, less a little for their number.
fn weight(clause: &Strings) -> usize {
    let weakest = clause.iter().map(|literal| literal_weight(literal)).min().unwrap_or(0);
    if weakest == 0 { 0 } else { (weakest * 64).saturating_sub(clause.len().min(60)).max(1) }
}

/// The beginnings of the literals are enough: a small automaton is faster than a precise one.
fn shortened(clause: Strings) -> Strings {
    let beginning = |literal: Vec<u8>| literal.get(..MAX_SOUGHT).map_or_else(|| literal.clone(), <[u8]>::to_vec);
    clause.into_iter().map(beginning).collect()
}

/// Drops literals that contain another one.
fn minimal(clause: Strings) -> Vec<Vec<u8>> {
    let contains = |long: &[u8], short: &[u8]| short.len() < long.len() && memchr::memmem::find(long, short).is_some();
    if clause.len() > 256 {
        return clause.into_iter().collect();
    }
    clause.iter().filter(|long| !clause.iter().any(|short| contains(long, short))).cloned().collect()
}

/// What is known of a part of a pattern.
struct Known {
    /// The part matches exactly these strings (in lower case).
    exact: Option<Strings>,
    /// Otherwise: what it requires.
    clauses: Vec<Strings>,
}

impl Known {
    const fn nothing() -> Self {
        Self { exact: None, clauses: Vec::new() }
    }

    fn exactly(strings: Strings) -> Self {
        Self { exact: Some(strings), clauses: Vec::new() }
    }

    fn empty() -> Self {
        Self::exactly(Strings::from([Vec::new()]))
    }

    fn into_clauses(self) -> Vec<Strings> {
        let mut clauses = self.clauses;
        clauses.extend(self.exact);
        clauses
    }

    /// The one clause that says most.
    fn best(self) -> Option<Strings> {
        self.into_clauses().into_iter().filter(|clause| weight(clause) > 0).max_by_key(weight)
    }
}

/// Patterns are parsed with a nesting bound, so the recursion is bounded too.
fn walk(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::empty(),
        HirKind::Literal(literal) => Known::exactly(Strings::from([literal.0.to_ascii_lowercase()])),
        HirKind::Class(class) => of_class(class).map_or_else(Known::nothing, Known::exactly),
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Repetition(repetition) => {
            let inner = walk(&repetition.sub);
            match (repetition.min, repetition.max) {
                (1, Some(1)) => inner,
                (0, Some(1)) => optional(inner),
                (0, _) => Known::nothing(),
                (min, _) => repeated(inner, min),
            }
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternation(parts),
    }
}

/// At least `min` times: what one time requires, and exact strings as often as they stand.
fn repeated(inner: Known, min: u32) -> Known {
    let Some(exact) = inner.exact else { return Known { exact: None, clauses: inner.clauses } };
    let mut run = exact.clone();
    for _ in 1..min {
        match cross(&run, &exact) {
            Some(longer) => run = longer,
            None => break,
        }
    }
    Known { exact: None, clauses: vec![run] }
}

fn optional(inner: Known) -> Known {
    match inner.exact {
        Some(mut strings) if strings.len() < MAX_EXACT => {
            strings.insert(Vec::new());
            Known::exactly(strings)
        }
        _ => Known::nothing(),
    }
}

/// A class of few bytes as strings of one byte. (Alternatives of single letters parse as a Unicode class.)
fn of_class(class: &Class) -> Option<Strings> {
    const MAX_BYTES: u32 = 10;
    let ranges: Vec<(u32, u32)> = match class {
        Class::Bytes(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
        Class::Unicode(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
    };
    let few = ranges.iter().map(|(start, end)| end - start + 1).sum::<u32>() <= 2 * MAX_BYTES;
    let ascii = matches!(class, Class::Bytes(_)) || ranges.iter().all(|(_, end)| *end < 0x80);
    if !few || !ascii {
        return None;
    }
    let bytes = ranges.iter().flat_map(|(start, end)| *start..=*end).filter_map(|byte| u8::try_from(byte).ok());
    Some(bytes.map(|byte| vec![byte.to_ascii_lowercase()]).collect())
}

fn concat(parts: &[Hir]) -> Known {
    let mut clauses = Vec::new();
    // The exact strings of the parts since the last one that was not exact.
    let mut run = Strings::from([Vec::new()]);
    let mut whole = true;
    for part in parts {
        let known = walk(part);
        let Some(exact) = known.exact else {
            whole = false;
            clauses.extend(known.clauses);
            clauses.push(std::mem::replace(&mut run, Strings::from([Vec::new()])));
            continue;
        };
        if let Some(crossed) = cross(&run, &exact) {
            run = crossed;
        } else {
            // Too many strings: close the run, start anew with this part.
            whole = false;
            clauses.push(std::mem::replace(&mut run, exact));
        }
    }
    if whole {
        return Known { exact: Some(run), clauses };
    }
    clauses.push(run);
    clauses.retain(|clause| weight(clause) > 0);
    Known { exact: None, clauses }
}

fn cross(left: &Strings, right: &Strings) -> Option<Strings> {
    if left.len() * right.len() > MAX_EXACT {
        return None;
    }
    let longest = |set: &Strings| set.iter().map(Vec::len).max().unwrap_or(0);
    if longest(left) >= MAX_LENGTH && longest(right) > 0 {
        return None;
    }
    Some(left.iter().flat_map(|l| right.iter().map(move |r| [l.as_slice(), r.as_slice()].concat())).collect())
}

fn alternation(parts: &[Hir]) -> Known {
    let known: Vec<Known> = parts.iter().map(walk).collect();
    if known.iter().all(|part| part.exact.is_some()) {
        let union: Strings = known.iter().filter_map(|part| part.exact.as_ref()).flatten().cloned().collect();
        if union.len() <= MAX_EXACT {
            return Known::exactly(union);
        }
        return Known { exact: None, clauses: vec![union] };
    }
    let mut union = Strings::new();
    for part in known {
        match part.best() {
            Some(clause) => union.extend(clause),
            None => return Known::nothing(),
        }
    }
    Known { exact: None, clauses: vec![union] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hir(pattern: &str) -> Hir {
        regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .build()
            .parse(pattern)
            .unwrap()
    }

    fn clauses(pattern: &str) -> Vec<Vec<String>> {
        let text = |clause: Vec<Vec<u8>>| clause.into_iter().map(|l| String::from_utf8(l).unwrap()).collect();
        Clauses::of_regex(&hir(pattern)).0.into_iter().map(text).collect()
    }

    #[test]
    fn what_patterns_require() {
        for (pattern, expect) in [
            (r"(?i)\bunion\b.{1,100}?\bselect\b", vec![vec!["select"], vec!["union"]]),
            ("(?:a|b)cd", vec![vec!["acd", "bcd"]]),
            ("ab?cd", vec![vec!["abcd", "acd"]]),
            ("foo|foobar|barfoo", vec![vec!["foo"]]),
            ("(?:foo.*x|bar.*y)", vec![vec!["bar", "foo"]]),
            ("(?:foo.*x|.*y)", vec![]),
            ("(?:abc)+d", vec![vec!["abc"]]),
            ("(?:abc)*def", vec![vec!["def"]]),
            (r"\d+", vec![]),
            (r"\.{3,}x", vec![vec!["..."]]),
            (r"[;|]\s*ls", vec![vec![";", "|"]]),
            (r"[;|]\s*select", vec![vec!["select"]]),
            (r"'\s*or[a-z]", vec![vec!["'"]]),
            (r"'\s*or[ +]x", vec![vec!["or x", "or+x"], vec!["'"]]),
        ] {
            assert_eq!(clauses(pattern), expect, "{pattern}");
        }
    }

    proptest! {
        /// Necessary: whatever a pattern matches satisfies every clause.
        #[test]
        fn a_match_satisfies_every_clause(
            pattern in prop::collection::vec(prop::sample::select(vec![
                "ab", "c", "[abc]", "(?:ab|ba)", "(?:a|bc.*d)", "x?", "(?:ab)*", "(?:ca)+", ".", "\\b", "(?i)aB", "[^a]",
                "(?:a{2,3})", "'", "(?:abc|abd|b)c",
            ]), 1..6).prop_map(|parts| parts.concat()),
            value in "[abcdx' AB]{0,14}",
        ) {
            let regex = regex::bytes::RegexBuilder::new(&pattern).unicode(false).dot_matches_new_line(true).build().unwrap();
            if regex.is_match(value.as_bytes()) {
                let lower = value.to_ascii_lowercase();
                for clause in Clauses::of_regex(&hir(&pattern)).0 {
                    prop_assert!(
                        clause.iter().any(|l| memchr::memmem::find(lower.as_bytes(), l).is_some()),
                        "{pattern} matches {value} without {clause:?}"
                    );
                }
            }
        }
    }
}
