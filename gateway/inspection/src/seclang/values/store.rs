//! The list of values and the arena of what had to be made.

use super::facts::Facts;
use crate::seclang::variable::{Source, Sources};

/// Bytes of the request, or of the arena.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text<'a> {
    Given(&'a [u8]),
    /// From, to.
    Made(u32, u32),
}

impl Text<'_> {
    pub(super) const EMPTY: Self = Self::Given(b"");

    /// The part between two of its positions.
    pub(super) fn part(self, from: usize, to: usize) -> Self {
        match self {
            Text::Given(bytes) => Text::Given(bytes.get(from..to).unwrap_or_default()),
            Text::Made(start, end) => {
                let (from, to) = (start.saturating_add(offset(from)), start.saturating_add(offset(to)));
                if from <= to && to <= end { Text::Made(from, to) } else { Text::EMPTY }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Item<'a> {
    source: Source,
    name: Text<'a>,
    bytes: Text<'a>,
}

/// The values that are known so far.
#[derive(Debug, Default)]
pub(crate) struct Values<'a> {
    items: Vec<Item<'a>>,
    arena: Vec<u8>,
    /// The sources that have a value.
    present: Sources,
    pub(super) facts: Facts<'a>,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueRef<'v> {
    pub(crate) source: Source,
    /// `id` of `ARGS:id`; `/*` of `XML:/*`; empty for a variable that is one value.
    pub(crate) name: &'v [u8],
    pub(crate) bytes: &'v [u8],
}

/// Memory that is used again from request to request.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    items: Vec<Item<'static>>,
    arena: Vec<u8>,
}

/// Values that outlive their request.
#[derive(Debug, Default)]
pub(crate) struct Kept(Values<'static>);

impl<'a> Values<'a> {
    /// No values yet.
    pub(crate) fn new(buffers: Buffers) -> Self {
        let Buffers { items, mut arena } = buffers;
        arena.clear();
        // The standard library collects in place: the memory stays, the lifetime changes.
        let items = items.into_iter().map_while(|_| None).collect();
        Self { items, arena, present: 0, facts: Facts::default() }
    }

    /// The values that were kept, for the phases of the response.
    pub(crate) fn resume(kept: &'a Kept, buffers: Buffers) -> Self {
        let mut values = Self::new(buffers);
        values.items.extend(kept.0.items.iter().map(|item| Item {
            source: item.source,
            name: Text::Given(kept.0.bytes(item.name)),
            bytes: Text::Given(kept.0.bytes(item.bytes)),
        }));
        values.present = kept.0.present;
        values.facts = kept.0.facts.map(|text| Text::Given(kept.0.bytes(text)));
        values
    }

    /// An owned copy of the values of `sources`, and of everything that [`scalar`](Self::scalar) answers.
    pub(crate) fn keep(&self, sources: Sources) -> Kept {
        let mut kept = Values { present: self.present & sources, ..Values::default() };
        if kept.present != 0 {
            for item in self.items.iter().filter(|item| item.source.bit() & sources != 0) {
                let (name, bytes) = (kept.make(self.bytes(item.name)), kept.make(self.bytes(item.bytes)));
                kept.items.push(Item { source: item.source, name, bytes });
            }
        }
        kept.facts = self.facts.map(|text| kept.make(self.bytes(text)));
        Kept(kept)
    }

    /// The memory, for the next request.
    pub(crate) fn into_buffers(self) -> Buffers {
        Buffers { items: self.items.into_iter().map_while(|_| None).collect(), arena: self.arena }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The value at `index`.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<ValueRef<'_>> {
        self.items.get(index).map(|item| self.value(item))
    }

    /// The values of `sources` with their indexes, in the order in which they became known.
    pub(crate) fn of(&self, sources: Sources) -> impl Iterator<Item = (usize, ValueRef<'_>)> {
        let items = if self.present & sources == 0 { &[][..] } else { self.items.as_slice() };
        let wanted = items.iter().enumerate().filter(move |(_, item)| item.source.bit() & sources != 0);
        wanted.map(|(index, item)| (index, self.value(item)))
    }

    /// How many values `sources` have.
    pub(crate) fn count(&self, sources: Sources) -> usize {
        self.of(sources).count()
    }

    fn value<'v>(&'v self, item: &Item<'v>) -> ValueRef<'v> {
        ValueRef { source: item.source, name: self.bytes(item.name), bytes: self.bytes(item.bytes) }
    }

    #[inline]
    pub(super) fn bytes<'v>(&'v self, text: Text<'v>) -> &'v [u8] {
        match text {
            Text::Given(bytes) => bytes,
            Text::Made(from, to) => self.arena.get(from as usize..to as usize).unwrap_or_default(),
        }
    }

    /// Adds a value.
    #[inline]
    pub(super) fn push(&mut self, source: Source, name: Text<'a>, bytes: Text<'a>) {
        self.present |= source.bit();
        self.items.push(Item { source, name, bytes });
    }

    /// Adds the value of a variable that is one value.
    pub(super) fn push_single(&mut self, source: Source, bytes: Text<'a>) {
        self.push(source, Text::EMPTY, bytes);
    }

    /// Where the next made text begins.
    pub(super) fn mark(&self) -> u32 {
        offset(self.arena.len())
    }

    /// The text made since `mark`.
    pub(super) fn since(&self, mark: u32) -> Text<'a> {
        Text::Made(mark, self.mark())
    }

    /// The arena, to write a text at its end.
    pub(super) fn arena(&mut self) -> &mut Vec<u8> {
        &mut self.arena
    }

    /// Copies `bytes` into the arena.
    pub(super) fn make<'b>(&mut self, bytes: &[u8]) -> Text<'b> {
        let from = self.mark();
        self.arena.extend_from_slice(bytes);
        Text::Made(from, self.mark())
    }

    /// A number in decimal.
    pub(super) fn make_number(&mut self, number: u64) -> Text<'a> {
        let mark = self.mark();
        push_number(&mut self.arena, number);
        self.since(mark)
    }
}

/// Writes a number in decimal.
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut rest, mut start) = (number, digits.len());
    for (at, place) in digits.iter_mut().enumerate().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        start = at;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// A position in the arena; bodies are far below 4 GiB, and so is what is made of them.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
