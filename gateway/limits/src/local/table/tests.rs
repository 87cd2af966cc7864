use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// A key whose place in a table depends on `number` alone; few numbers make long runs.
fn key(number: u64, spread: u64) -> Key {
    [number << 1, (number % spread) << 58]
}

#[derive(Debug, Clone)]
enum Step {
    Put { number: u64, idle_from: u64 },
    Remove { number: u64 },
    Evict { now: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..200_u64, 1..1_000_u64).prop_map(|(number, idle_from)| Step::Put { number, idle_from }),
        2 => (0..200_u64).prop_map(|number| Step::Remove { number }),
        1 => (0..1_000_u64).prop_map(|now| Step::Evict { now }),
    ];
    proptest::collection::vec(step, 1..400)
}

/// The bounds are bounds, every entry is found, and nothing else is there.
fn check(table: &Table, expect: &HashMap<Key, Entry>) {
    assert_eq!(table.len(), expect.len());
    for (key, entry) in expect {
        assert_eq!(table.get(*key), Some(*entry), "{key:?}");
    }
    assert_eq!(table.slots.iter().filter(|slot| slot[2] != 0).count(), expect.len());
    for (at, [_, _, idle_from, _]) in table.slots.iter().enumerate().filter(|(_, slot)| slot[2] != 0) {
        assert!(table.bounds[at / BLOCK] <= *idle_from, "block {} of place {at}", at / BLOCK);
        assert!(table.earliest <= *idle_from);
    }
}

proptest! {
    #[test]
    fn it_is_a_map_that_forgets_idle_entries_only(steps in steps(), spread in prop_oneof![Just(1_u64), Just(3), Just(64)]) {
        let mut table = Table::default();
        let mut expect: HashMap<Key, Entry> = HashMap::new();
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put { number, idle_from } => {
                    let (key, entry) = (key(number, spread), Entry { idle_from, word: index as u64 });
                    if !table.set(key, entry) {
                        if !table.has_room() {
                            table.grow(table.next_places());
                        }
                        table.insert(key, entry);
                    }
                    expect.insert(key, entry);
                }
                Step::Remove { number } => {
                    let key = key(number, spread);
                    prop_assert_eq!(table.remove(key), expect.remove(&key));
                }
                Step::Evict { now } => {
                    let mut gone = Vec::new();
                    let count = table.evict(now, |key, entry| gone.push((key, entry)));
                    prop_assert_eq!(count, gone.len());
                    let idle = expect.values().filter(|entry| entry.idle_from <= now).count();
                    prop_assert_eq!(count == 0, idle == 0, "idle entries are found if there are any");
                    for (key, entry) in gone {
                        prop_assert!(entry.idle_from <= now);
                        prop_assert_eq!(expect.remove(&key), Some(entry));
                    }
                    if count == 0 {
                        let first = expect.values().map(|entry| entry.idle_from).min();
                        prop_assert!(table.idle_from() <= first.unwrap_or(u64::MAX));
                        prop_assert!(table.idle_from() > now);
                    }
                }
            }
            check(&table, &expect);
        }
    }
}

#[test]
fn the_reserve_ends_before_the_table_is_full() {
    let mut table = Table::default();
    table.grow(FIRST_PLACES);
    let mut count = 0;
    while table.has_reserve() {
        table.insert(key(count, 64), Entry { idle_from: 5, word: 0 });
        count += 1;
    }
    assert_eq!(count, 60);
    assert!(!table.has_room());
    // A search that fails still ends.
    assert_eq!(table.get(key(1_000, 64)), None);
    assert_eq!(table.remove(key(1_000, 64)), None);
}
