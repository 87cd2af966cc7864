//! What a regular expression requires, read off its syntax tree.
//!
//! The walk follows RE2's prefilter: a set of exact strings for as long as a part of the pattern allows, otherwise what
//! its parts require. Beside the exact strings it keeps *bridged* ones, for patterns that let an attacker pad a word
//! (`c["'\\]*a["'\\]*t`): what a part matches is one of these strings, or holds one of the padding bytes.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Strings, literal_weight, weight};

/// Strings that one part of a pattern may stand for before it is cut.
const MAX_EXACT: usize = 48;
/// Bytes of one exact string; longer ones prove nothing more.
const MAX_LENGTH: usize = 12;
/// Bytes of a class that is taken as strings of one byte.
const MAX_CLASS: usize = 20;
/// Strings of an alternation that is no longer crossed with what stands beside it.
const MAX_UNION: usize = 8_192;

/// A set of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alphabet([u64; 4]);

impl Alphabet {
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=255u8).filter(move |byte| self.holds(*byte))
    }

    fn holds(self, byte: u8) -> bool {
        self.0.get(usize::from(byte) / 64).is_some_and(|word| word >> (byte % 64) & 1 == 1)
    }

    fn of(bytes: impl IntoIterator<Item = u8>) -> Self {
        let mut set = Self::default();
        for byte in bytes {
            if let Some(word) = set.0.get_mut(usize::from(byte) / 64) {
                *word |= 1 << (byte % 64);
            }
        }
        set
    }

    fn or(self, other: Self) -> Self {
        let mut set = self;
        set.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        set
    }

    fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether each of the bytes says something by being there.
    fn is_telling(self) -> bool {
        self.iter().all(|byte| literal_weight(&[byte]) > 0)
    }
}

/// One of these strings (in lower case), or one of these bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) strings: Strings,
    pub(crate) bytes: Alphabet,
}

impl Part {
    fn strings(strings: Strings) -> Self {
        Self { strings, bytes: Alphabet::default() }
    }

    fn empty() -> Self {
        Self::strings(Strings::from([Vec::new()]))
    }

    /// Without the strings that hold one of the bytes.
    fn pruned(mut self) -> Self {
        let bytes = self.bytes;
        if bytes != Alphabet::default() {
            self.strings.retain(|string| !string.iter().any(|byte| bytes.holds(*byte)));
        }
        self
    }

    fn union(&mut self, other: Self) {
        self.strings.extend(other.strings);
        self.bytes = self.bytes.or(other.bytes);
    }

    /// Each string followed by each; `None` when there would be too many.
    fn cross(&self, other: &Self) -> Option<Self> {
        let (left, right) = (&self.strings, &other.strings);
        if left.len() * right.len() > MAX_EXACT {
            return None;
        }
        let longest = |set: &Strings| set.iter().map(Vec::len).max().unwrap_or(0);
        if longest(left) >= MAX_LENGTH && longest(right) > 0 {
            return None;
        }
        let strings = left.iter().flat_map(|l| right.iter().map(move |r| [l.as_slice(), r.as_slice()].concat()));
        Some(Self { strings: strings.collect(), bytes: self.bytes.or(other.bytes) }.pruned())
    }
}

/// What is known of a part of a pattern.
#[derive(Default)]
struct Known {
    /// The part matches exactly these strings.
    exact: Option<Part>,
    /// What the part matches is one of these strings, or holds one of these bytes.
    bridged: Option<Part>,
    /// What it requires beside that.
    clauses: Vec<Part>,
}

impl Known {
    fn exactly(part: Part) -> Self {
        Self { bridged: Some(part.clone()), exact: Some(part), clauses: Vec::new() }
    }

    fn into_clauses(self) -> Vec<Part> {
        let mut clauses = self.clauses;
        clauses.extend(self.exact);
        clauses.extend(self.bridged);
        clauses
    }

    /// The one clause that says most.
    fn best(self) -> Option<Part> {
        self.into_clauses().into_iter().filter(|clause| weight(clause) > 0).max_by_key(weight)
    }
}

/// The clauses of a pattern. Those that say nothing are among them.
pub(super) fn required(hir: &Hir) -> Vec<Part> {
    walk(hir).into_clauses()
}

/// Patterns are parsed with a nesting bound, so the recursion is bounded too.
fn walk(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::exactly(Part::empty()),
        HirKind::Literal(literal) => Known::exactly(Part::strings(Strings::from([literal.0.to_ascii_lowercase()]))),
        HirKind::Class(class) => of_class(class),
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Repetition(repetition) => {
            let inner = walk(&repetition.sub);
            match (repetition.min, repetition.max) {
                (1, Some(1)) => inner,
                (0, Some(1)) => optional(inner, &repetition.sub),
                (0, _) => Known { bridged: padding(&repetition.sub), ..Known::default() },
                (min, _) => repeated(inner, min),
            }
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternation(parts),
    }
}

/// What may be there or not, and shows itself by a telling byte when it is.
fn padding(hir: &Hir) -> Option<Part> {
    let bytes = bytes_of(hir)?;
    bytes.is_telling().then(|| Part { bytes, ..Part::empty() })
}

/// Bytes of which one is in whatever this matches, unless that is empty.
fn bytes_of(hir: &Hir) -> Option<Alphabet> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(Alphabet::default()),
        HirKind::Literal(literal) => {
            let telling = literal.0.iter().find(|byte| literal_weight(&[**byte]) > 0);
            Some(Alphabet::of(telling.or(literal.0.first()).copied()))
        }
        HirKind::Class(class) => bytes_of_class(class),
        HirKind::Capture(capture) => bytes_of(&capture.sub),
        HirKind::Repetition(repetition) => bytes_of(&repetition.sub),
        HirKind::Concat(parts) => {
            // One part that cannot be empty is enough; without such a part, any of them.
            let certain = parts.iter().filter(|part| part.properties().minimum_len().is_some_and(|length| length > 0));
            let certain = certain.filter_map(bytes_of).min_by_key(|set| (!set.is_telling(), set.len()));
            certain.or_else(|| parts.iter().try_fold(Alphabet::default(), |all, part| Some(all.or(bytes_of(part)?))))
        }
        HirKind::Alternation(parts) => {
            parts.iter().try_fold(Alphabet::default(), |all, part| Some(all.or(bytes_of(part)?)))
        }
    }
}

/// At least `min` times: what one time requires, and exact strings as often as they stand.
fn repeated(inner: Known, min: u32) -> Known {
    let run = |part: Part| {
        let mut run = part.clone();
        for _ in 1..min {
            match run.cross(&part) {
                Some(longer) => run = longer,
                None => break,
            }
        }
        run
    };
    let mut clauses = inner.clauses;
    clauses.extend(inner.exact.map(run));
    clauses.extend(inner.bridged.map(run));
    Known { exact: None, bridged: None, clauses }
}

fn optional(inner: Known, hir: &Hir) -> Known {
    let or_nothing = |part: Option<Part>| {
        let mut part = part.filter(|part| part.strings.len() < MAX_EXACT)?;
        part.strings.insert(Vec::new());
        Some(part)
    };
    Known {
        exact: or_nothing(inner.exact),
        bridged: padding(hir).or_else(|| or_nothing(inner.bridged)),
        clauses: Vec::new(),
    }
}

/// The bytes of a class. (Alternatives of single letters parse as a Unicode class.)
fn bytes_of_class(class: &Class) -> Option<Alphabet> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Bytes(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
        Class::Unicode(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
    };
    if matches!(class, Class::Unicode(_)) && ranges.iter().any(|(_, end)| *end >= 0x80) {
        return None;
    }
    let bytes = ranges.into_iter().flat_map(|(start, end)| start..=end).filter_map(|byte| u8::try_from(byte).ok());
    Some(Alphabet::of(bytes))
}

/// A class of few bytes as strings of one byte, another as a requirement.
fn of_class(class: &Class) -> Known {
    match bytes_of_class(class) {
        Some(bytes) if bytes.len() <= MAX_CLASS => {
            Known::exactly(Part::strings(bytes.iter().map(|byte| vec![byte.to_ascii_lowercase()]).collect()))
        }
        Some(bytes) => {
            let clauses = vec![Part { strings: Strings::new(), bytes }];
            Known { clauses, ..Known::default() }
        }
        None => Known::default(),
    }
}

/// The strings of neighbouring parts, followed by one another for as long as that is possible.
struct Run {
    part: Part,
    whole: bool,
}

impl Run {
    fn new() -> Self {
        Self { part: Part::empty(), whole: true }
    }

    /// Follows the run with the next part; what cannot be followed becomes a clause.
    fn push(&mut self, next: Option<Part>, clauses: &mut Vec<Part>) {
        let crossed = next.as_ref().and_then(|next| self.part.cross(next));
        match (crossed, next) {
            (Some(crossed), _) => self.part = crossed,
            (None, next) => {
                self.whole = false;
                clauses.push(std::mem::replace(&mut self.part, next.unwrap_or_else(Part::empty)));
            }
        }
    }

    fn finish(self, clauses: &mut Vec<Part>) -> Option<Part> {
        if self.whole {
            return Some(self.part);
        }
        clauses.push(self.part);
        None
    }
}

fn concat(parts: &[Hir]) -> Known {
    let mut clauses = Vec::new();
    let (mut exact, mut bridged) = (Run::new(), Run::new());
    for part in parts {
        let known = walk(part);
        clauses.extend(known.clauses);
        exact.push(known.exact, &mut clauses);
        bridged.push(known.bridged, &mut clauses);
    }
    let (exact, bridged) = (exact.finish(&mut clauses), bridged.finish(&mut clauses));
    clauses.retain(is_clause);
    clauses.sort_by(|a, b| a.strings.cmp(&b.strings).then(a.bytes.cmp(&b.bytes)));
    clauses.dedup();
    Known { exact, bridged, clauses }
}

/// Whether there is something to it: no empty string, and something at all.
fn is_clause(part: &Part) -> bool {
    !part.strings.contains([].as_slice()) && (!part.strings.is_empty() || part.bytes != Alphabet::default())
}

fn alternation(parts: &[Hir]) -> Known {
    let known: Vec<Known> = parts.iter().map(walk).collect();
    let exact = union(known.iter().map(|known| known.exact.clone()));
    // An alternative that is no list of strings may still show itself: `(?:j|&#0*74;)` is `j` or holds a `&`.
    let bridged = known.iter().zip(parts).map(|(known, part)| known.bridged.clone().or_else(|| shown(part)));
    let bridged = union(bridged).filter(|part| !part.strings.is_empty());
    let best = union(known.into_iter().map(Known::best)).filter(is_clause);
    Known { exact, bridged, clauses: best.into_iter().collect() }
}

fn union(mut parts: impl Iterator<Item = Option<Part>>) -> Option<Part> {
    let all = parts.try_fold(Part::default(), |mut all, part| {
        all.union(part?);
        Some(all)
    });
    all.map(Part::pruned).filter(|all| all.strings.len() <= MAX_UNION)
}

/// What is never empty and always holds a telling byte.
fn shown(hir: &Hir) -> Option<Part> {
    let filled = hir.properties().minimum_len().is_some_and(|length| length > 0);
    let bytes = bytes_of(hir).filter(|bytes| filled && bytes.is_telling())?;
    Some(Part { strings: Strings::new(), bytes })
}
