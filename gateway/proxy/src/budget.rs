//! One budget for all bodies that are in memory, of requests and of inspected responses, so that many clients with large
//! bodies cannot fill the machine.
//!
//! A permit grows with the bytes that have arrived, not with what was declared: a client that promises 10 MiB and sends
//! nothing holds nothing. When the budget is spent the request that needs more is answered 503 and its own bytes are free
//! again; nobody waits, so nobody can wait for ever.
//!
//! What is counted is the body as received. Decompression is bounded per request by its own limits, and Pingora's replay
//! buffer holds up to 64 KiB more of a body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::gauge::Gauge;

use crate::Metrics;

/// The budget, in bytes.
#[derive(Debug)]
pub struct BodyBudget {
    limit: AtomicU64,
    used: AtomicU64,
    used_gauge: Gauge<u64, AtomicU64>,
    limit_gauge: Gauge<u64, AtomicU64>,
}

/// The bytes that one request holds of the budget; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<BodyBudget>,
    held: u64,
}

// === impl BodyBudget ===

impl BodyBudget {
    /// A budget of `limit_bytes`, shown in `metrics`.
    pub fn new(limit_bytes: u64, metrics: &Metrics) -> Arc<Self> {
        let (used_gauge, limit_gauge) = metrics.budget();
        let budget = Self { limit: AtomicU64::new(limit_bytes), used: AtomicU64::new(0), used_gauge, limit_gauge };
        budget.set_limit(limit_bytes);
        Arc::new(budget)
    }

    /// Changes the limit, as a reload may. What is held stays held.
    pub fn set_limit(&self, limit_bytes: u64) {
        self.limit.store(limit_bytes, Ordering::Relaxed);
        self.limit_gauge.set(limit_bytes);
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A permit for a request of which nothing has arrived.
    pub(crate) fn permit(self: &Arc<Self>) -> Permit {
        Permit { budget: Arc::clone(self), held: 0 }
    }
}

// === impl Permit ===

impl Permit {
    /// Holds `bytes` more; `false`, and nothing more held, where the budget has not that much left.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let limit = self.budget.limit.load(Ordering::Relaxed);
        let grown = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= limit)
        });
        let granted = grown.is_ok();
        if granted {
            self.held += bytes;
            self.budget.used_gauge.inc_by(bytes);
        }
        granted
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.held > 0 {
            self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
            self.budget.used_gauge.dec_by(self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_when_the_request_ends() {
        let budget = BodyBudget::new(100, &Metrics::default());
        let mut one = budget.permit();
        let mut two = budget.permit();
        assert!(one.grow(60) && two.grow(40));
        assert!(!two.grow(1));
        assert_eq!((budget.used_bytes(), budget.used_gauge.get()), (100, 100));
        drop(one);
        assert!(two.grow(60));
        drop(two);
        assert_eq!((budget.used_bytes(), budget.used_gauge.get()), (0, 0));
    }

    #[test]
    fn a_smaller_limit_refuses_growth_and_takes_nothing_away() {
        let budget = BodyBudget::new(100, &Metrics::default());
        let mut permit = budget.permit();
        assert!(permit.grow(80));
        budget.set_limit(50);
        assert!(!permit.grow(1));
        assert_eq!(budget.used_bytes(), 80);
        budget.set_limit(u64::MAX);
        assert!(permit.grow(usize::MAX / 2));
        assert!(!permit.grow(usize::MAX));
    }

    #[test]
    fn threads_never_pass_the_limit_together() {
        let budget = BodyBudget::new(64, &Metrics::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let mut permit = budget.permit();
                        let _ = permit.grow(17) && permit.grow(9);
                        assert!(budget.used_bytes() <= 64);
                    }
                });
            }
        });
        assert_eq!(budget.used_bytes(), 0);
    }
}
