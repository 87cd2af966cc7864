//! Outcomes of the last while, counted in slices of time.
//!
//! Ten slices make the window; the oldest falls out as a whole. So what is counted reaches back nine tenths of the window
//! at least and all of it at most.

use std::time::{Duration, Instant};

const SLICES: usize = 10;

#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    /// When the first slice began.
    start: Option<Instant>,
    slice: Duration,
    slices: [Slice; SLICES],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    number: u64,
    requests: u64,
    failures: u64,
}

impl Window {
    /// Counts a request of `now`. A window of another length than before begins anew.
    pub(crate) fn add(&mut self, window: Duration, failed: bool, now: Instant) {
        let length = (window / 10).max(Duration::from_millis(1));
        if self.slice != length {
            *self = Self { slice: length, ..Self::default() };
        }
        let number = self.number(now);
        let Some(slice) = self.slices.get_mut(index(number)) else { return };
        if slice.number < number {
            *slice = Slice { number, ..Slice::default() };
        }
        // A clock read a moment ago by another thread may name a slice that is gone: it counts in the one that is there.
        slice.requests += 1;
        slice.failures += u64::from(failed);
    }

    /// Requests and failures of the window that ends `now`.
    pub(crate) fn totals(&mut self, now: Instant) -> (u64, u64) {
        let number = self.number(now);
        let recent = self.slices.iter().filter(|slice| slice.number + SLICES as u64 > number);
        recent.fold((0, 0), |(requests, failures), slice| (requests + slice.requests, failures + slice.failures))
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slices = Default::default();
    }

    fn number(&mut self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(*self.start.get_or_insert(now));
        let number = since.as_nanos() / self.slice.as_nanos().max(1);
        u64::try_from(number).unwrap_or(u64::MAX - SLICES as u64)
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % SLICES as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_old_falls_out() {
        let (mut window, start) = (Window::default(), Instant::now());
        assert_eq!(window.totals(start), (0, 0));
        window.add(10 * SECOND, true, start);
        window.add(10 * SECOND, false, start + 5 * SECOND);
        assert_eq!(window.totals(start + 9 * SECOND), (2, 1));
        assert_eq!(window.totals(start + 10 * SECOND), (1, 0));
        assert_eq!(window.totals(start + 15 * SECOND), (0, 0));
        window.add(10 * SECOND, true, start + 1_000 * SECOND);
        assert_eq!(window.totals(start + 1_000 * SECOND), (1, 1));
    }

    #[test]
    fn another_length_begins_anew() {
        let (mut window, start) = (Window::default(), Instant::now());
        window.add(10 * SECOND, true, start);
        window.add(20 * SECOND, false, start);
        assert_eq!(window.totals(start), (1, 0));
        window.clear();
        assert_eq!(window.totals(start), (0, 0));
    }

    proptest! {
        /// Against a list of everything that happened.
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..200)) {
            let start = Instant::now();
            let (mut window, mut list, mut ms) = (Window::default(), Vec::new(), 0);
            for (step, failed) in steps {
                ms += if list.is_empty() { 0 } else { step };
                let now = start + Duration::from_millis(ms);
                window.add(10 * SECOND, failed, now);
                list.push((ms / 1_000, failed));
                let recent: Vec<bool> =
                    list.iter().filter(|(second, _)| second + 10 > ms / 1_000).map(|(_, failed)| *failed).collect();
                let failures = recent.iter().filter(|failed| **failed).count();
                prop_assert_eq!(window.totals(now), (recent.len() as u64, failures as u64));
            }
        }
    }
}
