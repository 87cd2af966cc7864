//! A part of the keys behind one lock: table, pool of moments, and their common bound.

use super::chunks::{Chunks, Log};
use super::table::{Entry, Key, Table, places_within};
use crate::algorithm::gcra::{Cell, Gcra};
use crate::algorithm::sliding_log::{Moments, SlidingLog};
use crate::algorithm::window::{Count, Window};
use crate::algorithm::{Rule, Standing, concurrency};
use crate::micros::Micros;

/// The lowest bit of a key says that its word names a list of moments, so that eviction can free it.
const IS_LOG: u64 = 1;

/// Never idle: requests are in flight.
const NEVER: u64 = u64::MAX;

/// What a shard may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Bytes of table and pool together.
    pub(super) bytes: usize,
    /// Bytes of the table.
    pub(super) table_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Shard {
    table: Table,
    chunks: Chunks,
    bound: Bound,
    /// Idle keys that gave way since the last [`Shard::account`].
    evicted: u64,
    counted: Counted,
}

/// What metrics were last told.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    keys: usize,
    bytes: usize,
}

/// How a shard changed since it was last asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) keys: i64,
    pub(super) bytes: i64,
    pub(super) evicted: u64,
}

/// A charge that was tried.
#[derive(Debug)]
pub(super) enum Tried {
    /// Taken; with what takes it back.
    Taken(Standing, Undo),
    /// Cannot be had now.
    Refused(Standing),
    /// No memory for it, until this moment at least.
    Full(Micros),
}

/// What a charge changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Undo {
    Nothing,
    /// The entry was like this.
    Restore(Entry),
    /// There was none.
    Remove,
    /// So many moments were added; the key was idle from this moment on.
    Moments {
        count: u64,
        idle_from: u64,
    },
}

/// The key under which a quota's key is kept.
pub(super) fn slot_key([low, high]: [u64; 2], fingerprint: u64, rule: &Rule) -> Key {
    let is_log = matches!(rule, Rule::SlidingLog { .. });
    [low & !IS_LOG | u64::from(is_log), high ^ fingerprint]
}

impl Shard {
    pub(super) fn new(bound: Bound) -> Self {
        Self { table: Table::default(), chunks: Chunks::default(), bound, evicted: 0, counted: Counted::default() }
    }

    /// Takes `cost` if it can be had. `forced` keys may use the table's reserve.
    pub(super) fn take(&mut self, key: Key, rule: &Rule, cost: u64, forced: bool, now: Micros) -> Tried {
        if let Rule::SlidingLog { limit, period_us } = *rule {
            return self.take_moments(key, SlidingLog { limit, period_us }, cost, forced, now);
        }
        let before = self.table.get(key);
        let (after, standing) = step(rule, before, cost, now);
        if !standing.allowed {
            return Tried::Refused(standing);
        }
        match (before, after) {
            (_, None) => Tried::Taken(standing, Undo::Nothing),
            (Some(before), Some(after)) => {
                self.table.set(key, after);
                Tried::Taken(standing, Undo::Restore(before))
            }
            (None, Some(after)) => {
                if !self.make_room(forced, now) {
                    return self.full();
                }
                self.table.insert(key, after);
                Tried::Taken(standing, Undo::Remove)
            }
        }
    }

    /// Where a key stands about `cost`, without taking it.
    pub(super) fn peek(&self, key: Key, rule: &Rule, cost: u64, now: Micros) -> Standing {
        let entry = self.table.get(key);
        if let Rule::SlidingLog { limit, period_us } = *rule {
            let view = self.view(entry, period_us, now);
            return SlidingLog { limit, period_us }.ask(&view, cost, now);
        }
        step(rule, entry, cost, now).1
    }

    /// Takes back what [`Shard::take`] just did.
    pub(super) fn undo(&mut self, key: Key, undo: Undo) {
        match undo {
            Undo::Nothing => {}
            Undo::Restore(before) => {
                self.table.set(key, before);
            }
            Undo::Remove => self.forget(key),
            Undo::Moments { count, idle_from } => {
                let Some(entry) = self.table.get(key) else { return };
                match self.chunks.drop_back(Log(entry.word), count) {
                    Some(log) => {
                        self.table.set(key, Entry { idle_from, word: log.0 });
                    }
                    None => {
                        self.table.remove(key);
                    }
                }
            }
        }
    }

    /// Adds `more` units, whatever the limit is. False if there is no memory to write them down.
    pub(super) fn add(&mut self, key: Key, rule: &Rule, more: u64, now: Micros) -> bool {
        let before = self.table.get(key);
        let after = match *rule {
            Rule::Gcra { limit, burst, period_us } => {
                let cell = Gcra { limit, burst, period_us }.add(cell(before), more, now);
                Entry { idle_from: cell.drained, word: cell.early }
            }
            Rule::Window { limit, span } => {
                let count = Window { limit, span }.add(count(before), more, now);
                Entry { idle_from: count.end, word: count.used }
            }
            // Neither costs more in the end than it did in the beginning.
            Rule::SlidingLog { .. } | Rule::Concurrency { .. } => return true,
        };
        if before.is_some() {
            return self.table.set(key, after);
        }
        let room = self.make_room(false, now);
        if room {
            self.table.insert(key, after);
        }
        room
    }

    /// Gives back `units` that were taken at `at`.
    pub(super) fn give_back(&mut self, key: Key, rule: &Rule, units: u64, at: Micros, now: Micros) {
        let Some(before) = self.table.get(key) else { return };
        match *rule {
            Rule::Gcra { limit, burst, period_us } => {
                let cell = Gcra { limit, burst, period_us }.give_back(cell(Some(before)), units, now);
                self.table.set(key, Entry { idle_from: cell.drained, word: cell.early });
            }
            Rule::Window { limit, span } => {
                let count = Window { limit, span }.give_back(count(Some(before)), units, at, now);
                self.table.set(key, Entry { idle_from: count.end, word: count.used });
            }
            Rule::SlidingLog { period_us, .. } => self.remove_moments(key, before, period_us, units, at),
            Rule::Concurrency { .. } => self.release(key, units),
        }
    }

    /// Frees `units` of a concurrency quota.
    pub(super) fn release(&mut self, key: Key, units: u64) {
        let Some(before) = self.table.get(key) else { return };
        match before.word.saturating_sub(units) {
            0 => self.forget(key),
            held => {
                self.table.set(key, Entry { idle_from: NEVER, word: held });
            }
        }
    }

    pub(super) fn keys(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.chunks.bytes()
    }

    /// How it changed since this was last asked.
    pub(super) fn account(&mut self) -> Change {
        let counted = Counted { keys: self.keys(), bytes: self.bytes() };
        let before = std::mem::replace(&mut self.counted, counted);
        Change {
            keys: signed(counted.keys) - signed(before.keys),
            bytes: signed(counted.bytes) - signed(before.bytes),
            evicted: std::mem::take(&mut self.evicted),
        }
    }

    fn take_moments(&mut self, key: Key, log: SlidingLog, cost: u64, forced: bool, now: Micros) -> Tried {
        let before = self.trim(key, log.period_us, now);
        // Moments stay in order where one thread's clock is read before another's.
        let now = before.map_or(now, |entry| Micros(now.0.max(newest(entry, log.period_us))));
        let standing = log.ask(&self.view(before, log.period_us, now), cost, now);
        if !standing.allowed {
            return Tried::Refused(standing);
        }
        if cost == 0 {
            return Tried::Taken(standing, Undo::Nothing);
        }
        if before.is_none() && !self.make_room(forced, now) {
            return self.full();
        }
        // Making room for moments may remove idle keys, but never this one: it is live or not there.
        let Some(word) = self.with_moments(before, log.period_us, cost, now) else { return self.full() };
        let after = Entry { idle_from: now.0.saturating_add(log.period_us), word };
        match before {
            None => {
                self.table.insert(key, after);
                Tried::Taken(standing, Undo::Remove)
            }
            Some(before) => {
                self.table.set(key, after);
                Tried::Taken(standing, Undo::Moments { count: cost, idle_from: before.idle_from })
            }
        }
    }

    /// The word of an entry with `count` moments `now` added to it, after making room in the pool.
    fn with_moments(&mut self, before: Option<Entry>, period_us: u64, count: u64, now: Micros) -> Option<u64> {
        loop {
            let bound_bytes = self.bound.bytes.saturating_sub(self.table.bytes());
            let added = usize::try_from(count).ok()?;
            let log = match before {
                None if count == 1 => return Some(0),
                None => self.chunks.list(std::iter::repeat_n(now.0, added), bound_bytes),
                Some(before) if before.word == 0 => {
                    let first = newest(before, period_us);
                    let moments = (0..=added).map(|index| if index == 0 { first } else { now.0 });
                    self.chunks.list(exact(moments, added + 1), bound_bytes)
                }
                Some(before) => self.chunks.push(Log(before.word), now.0, count, bound_bytes),
            };
            if let Some(log) = log {
                return Some(log.0);
            }
            if self.evict(now) == 0 {
                return None;
            }
        }
    }

    /// Drops the moments of a key that are over, and the key if none is left.
    fn trim(&mut self, key: Key, period_us: u64, now: Micros) -> Option<Entry> {
        let entry = self.table.get(key)?;
        if entry.idle_from <= now.0 {
            self.forget(key);
            return None;
        }
        if entry.word == 0 {
            return Some(entry);
        }
        let log = self.chunks.drop_front(Log(entry.word), |moment| moment.saturating_add(period_us) <= now.0);
        let Some(log) = log else {
            self.table.remove(key);
            return None;
        };
        let trimmed = Entry { word: log.0, ..entry };
        if trimmed != entry {
            self.table.set(key, trimmed);
        }
        Some(trimmed)
    }

    fn remove_moments(&mut self, key: Key, before: Entry, period_us: u64, units: u64, at: Micros) {
        if before.word == 0 {
            if newest(before, period_us) == at.0 && units > 0 {
                self.table.remove(key);
            }
            return;
        }
        let Some(log) = self.chunks.remove(Log(before.word), at.0, units) else {
            self.table.remove(key);
            return;
        };
        let newest = self.chunks.nth(log, u64::from(log.len()).saturating_sub(1)).unwrap_or(0);
        self.table.set(key, Entry { idle_from: newest.saturating_add(period_us), word: log.0 });
    }

    /// The moments of an entry that count at `now`.
    fn view(&self, entry: Option<Entry>, period_us: u64, now: Micros) -> View<'_> {
        let Some(entry) = entry.filter(|entry| entry.idle_from > now.0) else { return View::None };
        if entry.word == 0 {
            return View::One(newest(entry, period_us));
        }
        let log = Log(entry.word);
        let is_over = |moment: &u64| moment.saturating_add(period_us) <= now.0;
        let skip = self.chunks.iter(log).take_while(is_over).count() as u64;
        View::Log { chunks: &self.chunks, log, skip }
    }

    /// Room for one more key: free, by growing, or by evicting idle keys.
    fn make_room(&mut self, forced: bool, now: Micros) -> bool {
        if self.table.has_room() {
            return true;
        }
        if self.may_grow() {
            // A table of which a quarter is idle need not grow.
            let enough = self.table.len() / 4;
            let mut evicted = 0;
            while evicted < enough {
                match self.evict(now) {
                    0 => break,
                    count => evicted += count,
                }
            }
            if evicted < enough || !self.table.has_room() {
                self.grow();
            }
            return self.table.has_room();
        }
        (self.evict(now) > 0 && self.table.has_room()) || (forced && self.table.has_reserve())
    }

    fn table_bound(&self) -> usize {
        self.bound.table_bytes.min(self.bound.bytes.saturating_sub(self.chunks.bytes()))
    }

    fn may_grow(&self) -> bool {
        places_within(self.table_bound()) > self.table.places()
    }

    fn grow(&mut self) {
        let most = places_within(self.table_bound());
        self.table.grow(self.table.next_places().min(most));
    }

    fn evict(&mut self, now: Micros) -> usize {
        let chunks = &mut self.chunks;
        let count = self.table.evict(now.0, |[low, _], entry| {
            if low & IS_LOG != 0 && entry.word != 0 {
                chunks.free(Log(entry.word));
            }
        });
        self.evicted += count as u64;
        count
    }

    fn forget(&mut self, key: Key) {
        let [low, _] = key;
        if let Some(entry) = self.table.remove(key)
            && low & IS_LOG != 0
            && entry.word != 0
        {
            self.chunks.free(Log(entry.word));
        }
    }

    fn full(&self) -> Tried {
        Tried::Full(Micros(self.table.idle_from()))
    }
}

/// The moments of a key.
enum View<'a> {
    None,
    One(u64),
    Log { chunks: &'a Chunks, log: Log, skip: u64 },
}

impl Moments for View<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Log { log, skip, .. } => u64::from(log.len()).saturating_sub(*skip),
        }
    }

    fn nth(&self, index: u64) -> Option<u64> {
        match self {
            Self::None => None,
            Self::One(moment) => (index == 0).then_some(*moment),
            Self::Log { chunks, log, skip } => chunks.nth(*log, index + skip),
        }
    }
}

/// One step of an algorithm whose state is two words. The entry after it; `None` if there is nothing to write down.
fn step(rule: &Rule, before: Option<Entry>, cost: u64, now: Micros) -> (Option<Entry>, Standing) {
    let written = |idle_from: u64, word: u64| (cost > 0).then_some(Entry { idle_from, word });
    match *rule {
        Rule::Gcra { limit, burst, period_us } => {
            let (cell, standing) = Gcra { limit, burst, period_us }.take(cell(before), cost, now);
            (written(cell.drained, cell.early), standing)
        }
        Rule::Window { limit, span } => {
            let (count, standing) = Window { limit, span }.take(count(before), cost, now);
            (written(count.end, count.used), standing)
        }
        Rule::Concurrency { limit } => {
            let held = before.map_or(0, |entry| entry.word);
            (written(NEVER, held.saturating_add(cost)), concurrency(limit, held, cost))
        }
        // Kept in lists: see `take_moments`.
        Rule::SlidingLog { .. } => (None, concurrency(0, 0, 0)),
    }
}

fn cell(entry: Option<Entry>) -> Cell {
    entry.map(|entry| Cell { drained: entry.idle_from, early: entry.word }).unwrap_or_default()
}

fn count(entry: Option<Entry>) -> Count {
    entry.map(|entry| Count { end: entry.idle_from, used: entry.word }).unwrap_or_default()
}

/// The newest moment of a key: a period before it is idle.
fn newest(entry: Entry, period_us: u64) -> u64 {
    entry.idle_from.saturating_sub(period_us)
}

/// `items`, of which there are `len`.
fn exact(items: impl Iterator<Item = u64>, len: usize) -> impl ExactSizeIterator<Item = u64> {
    let mut items = items;
    (0..len).map(move |_| items.next().unwrap_or(0))
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
