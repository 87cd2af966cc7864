//! Collections that outlive a transaction: `GLOBAL`, `IP`, `SESSION`, `USER`, `RESOURCE`, opened by `initcol`.
//!
//! They live in memory, for the rules of one load: a reload begins anew. As ModSecurity's do without a database, they belong to
//! one process. All is bounded, and when a bound is met, what was not touched for the longest time is forgotten.
//! Time is an argument.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::seclang::variable::Variable;

/// Records (addresses, sessions) that are kept at a time.
const MAX_RECORDS: usize = 16_384;
/// Variables of one record.
const MAX_VARIABLES: usize = 64;
/// Bytes of a key, a name or a value; what is longer is not stored.
const MAX_BYTES: usize = 4_096;

/// One record's name: the collection, and which of its records.
pub(super) type Key = (Variable, Box<[u8]>);

/// Whether a variable is a collection that `initcol` opens.
pub(super) const fn is_collection(variable: Variable) -> bool {
    matches!(variable, Variable::Global | Variable::Ip | Variable::Session | Variable::User | Variable::Resource)
}

/// The records of all collections.
#[derive(Debug, Default)]
pub(super) struct Collections(Mutex<HashMap<Key, Record>>);

#[derive(Debug)]
struct Record {
    variables: Vec<Held>,
    touched: SystemTime,
}

#[derive(Debug)]
struct Held {
    name: Box<[u8]>,
    value: Box<[u8]>,
    /// `expirevar`
    until: Option<SystemTime>,
}

impl Collections {
    /// Shows the variables of a record that are still alive. One that was not touched for `timeout` is empty.
    pub(super) fn read(&self, key: &Key, now: SystemTime, timeout: Duration, mut show: impl FnMut(&[u8], &[u8])) {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = records.get(key).filter(|record| !is_over(record.touched, timeout, now)) else { return };
        for held in record.variables.iter().filter(|held| held.until.is_none_or(|until| until > now)) {
            show(&held.name, &held.value);
        }
    }

    /// Sets a variable, or takes it away.
    pub(super) fn set(&self, key: &Key, name: &[u8], value: Option<&[u8]>, now: SystemTime, timeout: Duration) {
        if key.1.len().max(name.len()).max(value.map_or(0, <[u8]>::len)) > MAX_BYTES {
            return;
        }
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= MAX_RECORDS && !records.contains_key(key) {
            make_room(&mut records, now, timeout);
        }
        let record = records.entry(key.clone()).or_insert_with(|| Record { variables: Vec::new(), touched: now });
        if is_over(record.touched, timeout, now) {
            record.variables.clear();
        }
        record.touched = now;
        record.variables.retain(|held| held.until.is_none_or(|until| until > now));
        let at = record.variables.iter().position(|held| held.name.as_ref() == name);
        match (at, value) {
            (Some(at), None) => {
                record.variables.swap_remove(at);
            }
            (Some(at), Some(value)) => {
                if let Some(held) = record.variables.get_mut(at) {
                    held.value = value.into();
                }
            }
            (None, Some(value)) if record.variables.len() < MAX_VARIABLES => {
                record.variables.push(Held { name: name.into(), value: value.into(), until: None });
            }
            (None, _) => {}
        }
    }

    /// Forgets a variable `after` so much time.
    pub(super) fn expire(&self, key: &Key, name: &[u8], after: Duration, now: SystemTime) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = records.get_mut(key) else { return };
        if let Some(held) = record.variables.iter_mut().find(|held| held.name.as_ref() == name) {
            held.until = now.checked_add(after);
        }
    }
}

fn is_over(touched: SystemTime, timeout: Duration, now: SystemTime) -> bool {
    now.duration_since(touched).is_ok_and(|idle| idle > timeout)
}

/// Drops what is over; if that is not enough, the half that was not touched for longest.
fn make_room(records: &mut HashMap<Key, Record>, now: SystemTime, timeout: Duration) {
    records.retain(|_, record| !is_over(record.touched, timeout, now));
    if records.len() < MAX_RECORDS {
        return;
    }
    let mut times: Vec<SystemTime> = records.values().map(|record| record.touched).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    records.retain(|_, record| record.touched > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(100);

    fn key(of: &str) -> Key {
        (Variable::Ip, of.as_bytes().into())
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn read(collections: &Collections, of: &str, now: u64) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        collections.read(&key(of), at(now), TIMEOUT, |name, value| seen.push((text(name), text(value))));
        seen
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn records_are_set_unset_and_kept_apart() {
        let collections = Collections::default();
        collections.set(&key("a"), b"x", Some(b"1"), at(0), TIMEOUT);
        collections.set(&key("a"), b"x", Some(b"2"), at(1), TIMEOUT);
        collections.set(&key("b"), b"x", Some(b"9"), at(1), TIMEOUT);
        assert_eq!(read(&collections, "a", 2), [pair("x", "2")]);
        collections.set(&key("a"), b"x", None, at(3), TIMEOUT);
        assert!(read(&collections, "a", 3).is_empty());
        assert_eq!(read(&collections, "b", 3), [pair("x", "9")]);
    }

    #[test]
    fn what_is_idle_or_expired_is_gone() {
        let collections = Collections::default();
        collections.set(&key("a"), b"x", Some(b"1"), at(0), TIMEOUT);
        collections.set(&key("a"), b"y", Some(b"1"), at(0), TIMEOUT);
        collections.expire(&key("a"), b"y", Duration::from_secs(10), at(0));
        assert_eq!(read(&collections, "a", 9).len(), 2);
        assert_eq!(read(&collections, "a", 10), [pair("x", "1")]);
        assert!(read(&collections, "a", 101).is_empty());
        collections.set(&key("a"), b"z", Some(b"1"), at(200), TIMEOUT);
        assert_eq!(read(&collections, "a", 200), [pair("z", "1")]);
    }

    #[test]
    fn a_flood_of_records_forgets_the_oldest_half() {
        let collections = Collections::default();
        for record in 0..=MAX_RECORDS as u64 {
            let key = (Variable::Ip, record.to_be_bytes().into());
            collections.set(&key, b"x", Some(b"1"), at(0) + Duration::from_millis(record), TIMEOUT);
        }
        let held = collections.0.lock().unwrap().len();
        assert!((MAX_RECORDS / 2 - 1..=MAX_RECORDS / 2 + 1).contains(&held), "{held}");
        assert!(collections.0.lock().unwrap().contains_key(&(Variable::Ip, (MAX_RECORDS as u64).to_be_bytes().into())));
    }
}
