//! The budget of retries of one upstream.
//!
//! Retries help where few attempts fail and harm where most do: then they multiply the load of what is overloaded already.
//! So retries are let through up to a share of the requests of the last [`SECONDS`] seconds, over all routes that lead
//! to the upstream; and up to a minimum in each second, without which an upstream of few requests would have none.
//!
//! Requests are counted without a lock. Retries are rare beside them and are counted under one, exactly: of two that ask at
//! the same time for the last one, one gets it.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::share::Share;

/// How far back requests and retries count, the current second included.
const SECONDS: u64 = SLOTS as u64;

const SLOTS: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    /// For each of the last seconds its number (upper half) and the requests in it (lower half).
    requests: [AtomicU64; SLOTS],
    retries: Mutex<[Second; SLOTS]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    number: u64,
    retries: u64,
}

const LOWER: u64 = 0xffff_ffff;

impl RetryBudget {
    /// Counts a request of the second `now` (from any beginning; below 2^32).
    pub(crate) fn count_request(&self, now: u64) {
        let Some(second) = self.requests.get(index(now)) else { return };
        // A count that fills its half stays there.
        let counted = |word: u64| match word >> 32 {
            before if before < now => (now << 32) | 1,
            _ if word & LOWER == LOWER => word,
            _ => word + 1,
        };
        let _ = second.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| Some(counted(word)));
    }

    /// Takes one retry, if there is one: by the share of the last seconds' requests, or by the minimum of this second.
    pub(crate) fn withdraw(&self, share: Share, min_per_second: u32, now: u64) -> bool {
        let is_recent = |number: u64| number + SECONDS > now;
        let requests = self.requests.iter().map(|second| second.load(Ordering::Relaxed));
        let requests: u64 = requests.filter(|word| is_recent(word >> 32)).map(|word| word & LOWER).sum();
        let mut retries = self.retries.lock();
        let made: u64 = retries.iter().filter(|second| is_recent(second.number)).map(|second| second.retries).sum();
        let Some(current) = retries.get_mut(index(now)) else { return false };
        if current.number < now {
            *current = Second { number: now, retries: 0 };
        }
        let granted = made < share.of(requests) || current.retries < u64::from(min_per_second);
        current.retries += u64::from(granted);
        granted
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SECONDS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_share_of_the_requests() {
        let budget = RetryBudget::default();
        let withdraw = |now| budget.withdraw(Share::percent(20), 0, now);
        assert!(!withdraw(0), "no requests, no retries");
        (0..50).for_each(|_| budget.count_request(0));
        assert_eq!((0..50).filter(|_| withdraw(3)).count(), 10);
        // The requests of second 0 have fallen out in second 10, the retries of second 3 have not.
        (0..100).for_each(|_| budget.count_request(10));
        assert_eq!((0..50).filter(|_| withdraw(10)).count(), 10);
        assert_eq!((0..50).filter(|_| withdraw(13)).count(), 10);
        assert!(!withdraw(100));
    }

    #[test]
    fn the_minimum_of_each_second() {
        let budget = RetryBudget::default();
        for second in 0..100 {
            assert_eq!((0..9).filter(|_| budget.withdraw(Share::percent(0), 3, second)).count(), 3);
        }
    }

    #[test]
    fn threads_cannot_overdraw_it() {
        let budget = RetryBudget::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| budget.count_request(7)));
            }
        });
        let granted: usize = std::thread::scope(|scope| {
            let ask = || (0..4_000).filter(|_| budget.withdraw(Share::percent(10), 5, 7)).count();
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(granted, 4_000);
    }

    proptest! {
        /// Against lists of everything that happened.
        #[test]
        fn agrees_with_lists(
            steps in prop::collection::vec((0_u64..4, 0_usize..20, 0_usize..20), 1..60),
            percent in 0_u8..=100,
            minimum in 0_u32..5,
        ) {
            let (budget, mut now) = (RetryBudget::default(), 0);
            let (mut requests, mut retries) = (Vec::new(), Vec::new());
            for (later, asked, failed) in steps {
                now += later;
                for _ in 0..asked {
                    budget.count_request(now);
                    requests.push(now);
                }
                for _ in 0..failed {
                    let recent = |list: &[u64]| list.iter().filter(|second| **second + SECONDS > now).count();
                    let in_this = retries.iter().filter(|second| **second == now).count();
                    let expect = recent(&retries) * 100 < recent(&requests) * usize::from(percent) / 100 * 100
                        || in_this < minimum as usize;
                    prop_assert_eq!(budget.withdraw(Share::percent(percent), minimum, now), expect);
                    if expect {
                        retries.push(now);
                    }
                }
            }
        }
    }
}
