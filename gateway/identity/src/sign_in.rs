//! Which callers are known already, so that a sign-in is recorded once and not with every request.
//!
//! A caller is an identity at an address. It is remembered for [`REMEMBERED`] to twice as long, or until
//! [`MAX_REMEMBERED`] others came; then it is new again, and its next request is recorded as another sign-in. Two sets
//! take turns: no entry has a clock of its own, and the bound holds without a search.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How long a caller is remembered at least, unless there are too many.
pub const REMEMBERED: Duration = Duration::from_mins(30);

/// Callers of one set; twice as many are remembered at most. About 3 MB in all.
pub const MAX_REMEMBERED: usize = 65_536;

/// The callers of the last while.
#[derive(Debug, Default)]
pub struct SignIns {
    hasher: RandomState,
    sets: Mutex<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    since: Option<SystemTime>,
    young: HashSet<u64>,
    old: HashSet<u64>,
}

// === impl SignIns ===

impl SignIns {
    /// Whether this identity is new at this address. It is known from now on.
    pub fn is_first(&self, identity: &str, client: IpAddr, now: SystemTime) -> bool {
        let caller = self.hasher.hash_one((identity, client));
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.turn(now);
        if sets.young.contains(&caller) {
            return false;
        }
        sets.young.insert(caller);
        !sets.old.contains(&caller)
    }
}

impl Sets {
    fn turn(&mut self, now: SystemTime) {
        let since = *self.since.get_or_insert(now);
        // A clock that was set back counts as time that passed.
        let age = now.duration_since(since).unwrap_or(REMEMBERED);
        if age >= REMEMBERED || self.young.len() >= MAX_REMEMBERED {
            let young = std::mem::take(&mut self.young);
            self.old = if age >= 2 * REMEMBERED { HashSet::new() } else { young };
            self.since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_caller_signs_in_once_in_a_while() {
        let known = SignIns::default();
        let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_mins(minutes);
        assert!(known.is_first("jwt:main:alice", HERE, at(0)));
        assert!(!known.is_first("jwt:main:alice", HERE, at(1)));
        assert!(known.is_first("jwt:main:alice", THERE, at(1)));
        assert!(known.is_first("jwt:main:bob", HERE, at(1)));
        assert!(!known.is_first("jwt:main:alice", HERE, at(31)), "remembered by the older set");
        assert!(!known.is_first("jwt:main:alice", HERE, at(62)), "who keeps coming stays known");
        assert!(known.is_first("jwt:main:bob", HERE, at(63)));
        assert!(known.is_first("jwt:main:alice", HERE, at(500)));
    }

    #[test]
    fn a_crowd_does_not_grow_the_sets() {
        let known = SignIns::default();
        for caller in 0..3 * MAX_REMEMBERED {
            assert!(known.is_first(&caller.to_string(), HERE, SystemTime::UNIX_EPOCH));
        }
        let sets = known.sets.lock().unwrap();
        assert!(sets.young.len() <= MAX_REMEMBERED && sets.old.len() <= MAX_REMEMBERED);
    }
}
