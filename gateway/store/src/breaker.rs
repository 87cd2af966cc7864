//! When a connection is left alone: one missed deadline opens its breaker, and from then on no request waits for it.
//!
//! Half-open is not a request's business here. While the breaker is open a task of the pool sends one probe at a time,
//! at growing intervals; the first one that is answered closes it. So an outage costs the requests that were under way
//! one deadline each, and every later request nothing; a server that merely paused is back after one round trip.
//!
//! Pure: time and randomness are arguments.

use std::time::{Duration, Instant};

use crate::key::Key;

/// The pause after the first failed probe. It doubles with every further one, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// No pause is longer, so no recovery stays unnoticed for longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// The breaker of one connection.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    phase: Phase,
}

/// A question to the server, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// A key whose node is asked; any node without.
    pub(crate) key: Option<Key>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Phase {
    #[default]
    Closed,
    Open {
        probe_at: Instant,
        failures: u32,
        key: Option<Key>,
    },
    HalfOpen {
        failures: u32,
        key: Option<Key>,
    },
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Opens it, if it is closed; the first probe is due at once. `key` is that of the command that failed: the probe
    /// asks the same node of a cluster. True if it was closed.
    pub(crate) fn trip(&mut self, key: Option<&Key>, now: Instant) -> bool {
        let closed = self.is_closed();
        if closed {
            self.phase = Phase::Open { probe_at: now, failures: 0, key: key.cloned() };
        }
        closed
    }

    /// When the next probe is due; `None` if none is to be sent.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open { probe_at, .. } => Some(probe_at),
            Phase::Closed | Phase::HalfOpen { .. } => None,
        }
    }

    /// Begins the probe that is due; `None` if none is.
    pub(crate) fn begin_probe(&mut self, now: Instant) -> Option<Probe> {
        match &self.phase {
            Phase::Open { probe_at, failures, key } if *probe_at <= now => {
                let (failures, key) = (*failures, key.clone());
                self.phase = Phase::HalfOpen { failures, key: key.clone() };
                Some(Probe { key })
            }
            _ => None,
        }
    }

    /// How the probe ended. `random` spreads the pauses of many gateways: half of each is random.
    pub(crate) fn probed(&mut self, good: bool, now: Instant, random: u64) {
        let Phase::HalfOpen { failures, key } = &mut self.phase else { return };
        self.phase = if good {
            Phase::Closed
        } else {
            Phase::Open {
                probe_at: now + pause(*failures, random),
                failures: failures.saturating_add(1),
                key: key.take(),
            }
        };
    }

    /// A new connection is there: an open breaker is probed at once.
    pub(crate) fn reconnected(&mut self, now: Instant) {
        if let Phase::Open { probe_at, failures, .. } = &mut self.phase {
            (*probe_at, *failures) = (now, 0);
        }
    }
}

/// Half of the doubled pause, and a random part of the other half.
pub(crate) fn pause(failures: u32, random: u64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    let half = whole / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(random % (micros + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_at_a_time_and_one_success_closes() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        let (seven, nine) = (Key::new("test", "key", b"7", b""), Key::new("test", "key", b"9", b""));
        assert!(breaker.is_closed());
        assert_eq!((breaker.probe_at(), breaker.begin_probe(start)), (None, None));
        assert!(breaker.trip(Some(&seven), start));
        assert!(!breaker.trip(Some(&nine), start), "it is open already");
        assert_eq!(
            breaker.begin_probe(start),
            Some(Probe { key: Some(seven.clone()) }),
            "at once, at the node that failed"
        );
        assert_eq!(breaker.begin_probe(start), None, "while one is under way no other begins");
        breaker.probed(false, start, 0);
        assert!(!breaker.is_closed());
        assert_eq!(breaker.begin_probe(start), None, "not before the pause is over");
        assert_eq!(breaker.probe_at(), Some(start + FIRST_PAUSE / 2));
        assert_eq!(breaker.begin_probe(start + FIRST_PAUSE), Some(Probe { key: Some(seven) }));
        breaker.probed(true, start + FIRST_PAUSE, 0);
        assert!(breaker.is_closed());
    }

    #[test]
    fn pauses_grow_to_their_bound() {
        let mut longest = Duration::ZERO;
        for failures in [0, 1, 2, 5, 6, 40, u32::MAX] {
            let (least, most) = (pause(failures, 0), pause(failures, u64::MAX / 2 + 12_345));
            assert!(least >= longest && most <= LONGEST_PAUSE && least <= most, "{failures}: {least:?} {most:?}");
            longest = least;
        }
        assert_eq!(longest, LONGEST_PAUSE / 2);
    }

    #[test]
    fn a_new_connection_is_probed_at_once() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        breaker.reconnected(start);
        assert!(breaker.is_closed());
        breaker.trip(None, start);
        for _ in 0..9 {
            let due = breaker.probe_at().unwrap();
            breaker.begin_probe(due);
            breaker.probed(false, due, 3);
        }
        breaker.reconnected(start);
        assert_eq!(breaker.begin_probe(start), Some(Probe { key: None }));
        breaker.reconnected(start);
        assert_eq!(breaker.probe_at(), None, "the one under way is waited for");
    }
}
