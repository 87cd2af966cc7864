//! A map of bounded size that makes room by giving up what matters least among a few entries.
//!
//! Entries stand in one vector and a hash index points into it. At the bound a hand goes round the vector and looks at
//! [`LOOKED_AT`] entries; the one of the lowest rank goes. So an insertion costs the same however many entries there
//! are, and a flood of new keys cannot push out one chosen entry while there are lesser ones beside it. The index is
//! hashed with random keys: clients choose the addresses they come from.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// Entries that are compared when one has to go.
const LOOKED_AT: usize = 16;

/// A bounded map.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    index: HashMap<K, usize>,
    slots: Vec<(K, V)>,
    hand: usize,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    /// A table of at most `capacity` entries; one at least.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { index: HashMap::new(), slots: Vec::new(), hand: 0, capacity: capacity.max(1) }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.slots.get(*self.index.get(key)?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.slots.get_mut(*self.index.get(key)?).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().map(|(key, value)| (key, value))
    }

    /// Puts `value` in the place of the key, and gives back what had to go for it: an entry of another key, of the
    /// lowest `rank` among those that were looked at.
    pub(crate) fn insert(&mut self, key: K, value: V, rank: impl Fn(&V) -> u64) -> Option<V> {
        if let Some(held) = self.get_mut(&key) {
            *held = value;
            return None;
        }
        let gone = (self.slots.len() >= self.capacity).then(|| self.evict(rank)).flatten();
        self.index.insert(key, self.slots.len());
        self.slots.push((key, value));
        gone
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.index.remove(key)?;
        let (_, value) = self.slots.swap_remove(at);
        if let Some((moved, _)) = self.slots.get(at)
            && let Entry::Occupied(mut entry) = self.index.entry(*moved)
        {
            entry.insert(at);
        }
        Some(value)
    }

    /// Looks at up to `count` entries, going on where the last call ended, and drops those that `keep` gives up.
    pub(crate) fn sweep(&mut self, count: usize, keep: impl Fn(&V) -> bool) {
        for _ in 0..count.min(self.slots.len()) {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let Some((key, value)) = self.slots.get(self.hand) else { return };
            if keep(value) {
                self.hand += 1;
            } else {
                let key = *key;
                self.remove(&key);
            }
        }
    }

    fn evict(&mut self, rank: impl Fn(&V) -> u64) -> Option<V> {
        let mut least: Option<(u64, K)> = None;
        for _ in 0..LOOKED_AT.min(self.slots.len()) {
            self.hand = if self.hand + 1 >= self.slots.len() { 0 } else { self.hand + 1 };
            let Some((key, value)) = self.slots.get(self.hand) else { continue };
            let rank = rank(value);
            if least.as_ref().is_none_or(|(lowest, _)| rank < *lowest) {
                least = Some((rank, *key));
            }
        }
        least.and_then(|(_, key)| self.remove(&key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn holds_no_more_than_its_capacity() {
        let mut table = Table::new(100);
        for key in 0..10_000_u64 {
            let gone = table.insert(key, key, |value| *value);
            assert_eq!(gone.is_some(), key >= 100);
            assert!(table.len() <= 100);
            assert_eq!(table.get(&key), Some(&key));
        }
    }

    #[test]
    fn an_entry_that_outranks_the_flood_stays() {
        let mut table = Table::new(64);
        table.insert(u64::MAX, u64::MAX, |value| *value);
        for key in 0..10_000 {
            table.insert(key, key, |value| *value);
        }
        assert_eq!(table.get(&u64::MAX), Some(&u64::MAX));
    }

    #[test]
    fn behaves_as_a_map_below_its_capacity() {
        let mut table = Table::new(1_000);
        let mut oracle = BTreeMap::new();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..20_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (random >> 33) % 300;
            if random >> 62 == 0 {
                assert_eq!(table.remove(&key), oracle.remove(&key));
            } else {
                assert_eq!(table.insert(key, step, |value| *value), None);
                oracle.insert(key, step);
            }
            assert_eq!(table.len(), oracle.len());
        }
        assert_eq!(table.iter().map(|(key, value)| (*key, *value)).collect::<BTreeMap<_, _>>(), oracle);
        table.sweep(10_000, |step| *step >= 19_900);
        oracle.retain(|_, step| *step >= 19_900);
        assert_eq!(table.iter().map(|(key, value)| (*key, *value)).collect::<BTreeMap<_, _>>(), oracle);
    }
}
