//! A hash table of fixed-size entries that knows which of them may be idle.
//!
//! Open addressing with linear probing: 32 bytes an entry, nothing else but one word for each block of 64 places. That
//! word is a lower bound of when the first entry of the block becomes idle. Looking for an idle entry therefore skips
//! whole blocks, and a block that was searched in vain has its true bound from then on: it is not searched again before
//! that moment. So finding an idle entry, or knowing that there is none, costs little however full the table is, and is
//! never a guess.
//!
//! Keys are hashes under a secret, so their own bits place them: nobody can aim at a place.

/// Places of a block.
const BLOCK: usize = 64;
/// A table holds at most 4 entries in 5 places: a search that fails looks at 13 places on average.
const LOAD: (usize, usize) = (4, 5);
/// Places that a new table begins with.
const FIRST_PLACES: usize = 64;
/// Bytes of a place.
const PLACE_BYTES: usize = size_of::<Slot>();

/// Key, idle from, word. A place whose third word is 0 is free.
type Slot = [u64; 4];
const FREE: Slot = [0; 4];

/// A hashed key.
pub(super) type Key = [u64; 2];

/// What is kept for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The first moment at which forgetting the key changes nothing. Never 0.
    pub(super) idle_from: u64,
    /// What the algorithm keeps beside it.
    pub(super) word: u64,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    /// For each block a moment before which none of its entries is idle.
    bounds: Vec<u64>,
    /// A moment before which no entry at all is idle.
    earliest: u64,
    len: usize,
    /// Where the search for idle entries goes on.
    hand: usize,
}

impl Table {
    /// Entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes taken from the allocator.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * PLACE_BYTES + self.bounds.capacity() * size_of::<u64>()
    }

    /// The entry of `key`.
    pub(super) fn get(&self, key: Key) -> Option<Entry> {
        self.find(key).ok().map(|at| entry(self.slot(at)))
    }

    /// Replaces the entry of `key`, if it is there.
    pub(super) fn set(&mut self, key: Key, entry: Entry) -> bool {
        let Ok(at) = self.find(key) else { return false };
        self.put(at, key, entry);
        true
    }

    /// Whether one more entry fits as things are.
    pub(super) fn has_room(&self) -> bool {
        (self.len + 1) * LOAD.1 <= self.slots.len() * LOAD.0
    }

    /// Whether one more entry fits beyond the usual load: for few keys that must not be missing.
    pub(super) fn has_reserve(&self) -> bool {
        // At least one place in 16 stays free, so searches end.
        (self.len + 1) * 16 <= self.slots.len() * 15
    }

    /// Adds an entry. The key must not be there, and there must be room.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        debug_assert!(self.has_reserve(), "the caller made room");
        if let Err(Some(at)) = self.find(key) {
            self.put(at, key, entry);
            self.len += 1;
        }
    }

    /// Removes the entry of `key`.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let at = self.find(key).ok()?;
        let removed = entry(self.slot(at));
        self.vacate(at);
        Some(removed)
    }

    /// Removes the entries that are idle at `now` of the next block that has any, and tells each to `removed`. Returns
    /// how many: 0 only if no entry of the table is idle.
    pub(super) fn evict(&mut self, now: u64, mut removed: impl FnMut(Key, Entry)) -> usize {
        if now < self.earliest {
            return 0;
        }
        let blocks = self.bounds.len();
        let hand = self.hand.min(blocks);
        for block in (hand..blocks).chain(0..hand) {
            if self.bounds.get(block).is_some_and(|bound| *bound <= now) {
                let count = self.evict_block(block, now, &mut removed);
                if count > 0 {
                    self.hand = block;
                    return count;
                }
            }
        }
        // All blocks were looked at, or known to be live: the bound is true for now.
        self.earliest = self.bounds.iter().min().copied().unwrap_or(u64::MAX);
        0
    }

    /// A moment before which no entry is idle; after an eviction in vain, the first at which one can be.
    pub(super) fn idle_from(&self) -> u64 {
        self.earliest
    }

    /// Places, free ones included.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// The places that the table should have next: half as many more.
    pub(super) fn next_places(&self) -> usize {
        (self.slots.len() + self.slots.len() / 2).max(FIRST_PLACES).next_multiple_of(BLOCK)
    }

    /// Moves all entries to a table of `places`, a multiple of 64 and more than now.
    pub(super) fn grow(&mut self, places: usize) {
        let grown = Self {
            // All zeros: taken from the allocator without being written to.
            slots: vec![FREE; places],
            bounds: vec![u64::MAX; places.div_ceil(BLOCK)],
            earliest: u64::MAX,
            len: 0,
            hand: 0,
        };
        let before = std::mem::replace(self, grown);
        for slot in before.slots {
            let [low, high, idle_from, _] = slot;
            if idle_from != 0 {
                self.insert([low, high], entry(slot));
            }
        }
    }

    fn evict_block(&mut self, block: usize, now: u64, removed: &mut impl FnMut(Key, Entry)) -> usize {
        let mut count = 0;
        let mut at = block * BLOCK;
        let end = (at + BLOCK).min(self.slots.len());
        let mut bound = u64::MAX;
        while at < end {
            let slot = self.slot(at);
            let [low, high, idle_from, _] = slot;
            if idle_from != 0 && idle_from <= now {
                removed([low, high], entry(slot));
                count += 1;
                // Others may move up to this place: look at it again.
                self.vacate(at);
                continue;
            }
            if idle_from != 0 {
                bound = bound.min(idle_from);
            }
            at += 1;
        }
        // What moved up meanwhile came to the place looked at, or behind it: all that is in the block was seen.
        if let Some(known) = self.bounds.get_mut(block) {
            *known = bound;
        }
        count
    }

    /// The place of `key`, or else the free place where it would go.
    fn find(&self, key: Key) -> Result<usize, Option<usize>> {
        let places = self.slots.len();
        if places == 0 {
            return Err(None);
        }
        let [low, high] = key;
        let mut at = home(key, places);
        loop {
            let [slot_low, slot_high, idle_from, _] = self.slot(at);
            if idle_from == 0 {
                return Err(Some(at));
            }
            if slot_low == low && slot_high == high {
                return Ok(at);
            }
            at = self.after(at);
        }
    }

    fn put(&mut self, at: usize, [low, high]: Key, entry: Entry) {
        let idle_from = entry.idle_from.max(1);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = [low, high, idle_from, entry.word];
        }
        if let Some(bound) = self.bounds.get_mut(at / BLOCK) {
            *bound = (*bound).min(idle_from);
        }
        self.earliest = self.earliest.min(idle_from);
    }

    /// Frees a place, and moves entries up that would not be found behind it.
    fn vacate(&mut self, at: usize) {
        let places = self.slots.len();
        let mut hole = at;
        let mut next = self.after(at);
        loop {
            let slot = self.slot(next);
            let [low, high, idle_from, _] = slot;
            if idle_from == 0 {
                break;
            }
            let wanted = home([low, high], places);
            // How far each lies behind its home, round the end of the table.
            let distance = |from: usize, to: usize| (to + places - from) % places;
            if distance(wanted, next) >= distance(hole, next) {
                self.put(hole, [low, high], entry(slot));
                hole = next;
            }
            next = self.after(next);
        }
        if let Some(slot) = self.slots.get_mut(hole) {
            *slot = FREE;
        }
        self.len -= 1;
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    fn slot(&self, at: usize) -> Slot {
        self.slots.get(at).copied().unwrap_or(FREE)
    }
}

/// Bytes that a table of so many places takes.
pub(super) fn bytes_of(places: usize) -> usize {
    places * PLACE_BYTES + places.div_ceil(BLOCK) * size_of::<u64>()
}

/// The most places, in whole blocks, that `bytes` have room for.
pub(super) fn places_within(bytes: usize) -> usize {
    bytes / bytes_of(BLOCK) * BLOCK
}

/// The place where the search for a key begins: its upper word as a fraction of the table. Shards go by the lower bits
/// of the same word.
fn home([_, high]: Key, places: usize) -> usize {
    let scaled = u128::from(high) * places as u128;
    usize::try_from(scaled >> 64).unwrap_or(0)
}

fn entry([_, _, idle_from, word]: Slot) -> Entry {
    Entry { idle_from, word }
}

#[cfg(test)]
mod tests;
