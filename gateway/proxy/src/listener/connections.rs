//! How many connections may be open at once, and the slot that each one holds.
//!
//! A connection counts from the moment it is accepted, before its TLS handshake, until its socket is closed: the slot
//! lives inside the connection's IO object. At the cap a new connection is closed at once (shed): answering it would
//! need the very resources that the cap protects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cap on open connections, shared by whoever accepts.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    cap: usize,
}

/// One open connection. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Connections>);

// === impl Connections ===

impl Connections {
    /// A counter that lets `cap` connections in at a time (at least one).
    pub fn new(cap: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), cap: cap.max(1) })
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The most that may be open at a time.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Takes a place, or says that there is none.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Slot> {
        let taken = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < self.cap).then_some(n + 1));
        taken.is_ok().then(|| Slot(Arc::clone(self)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_places_return() {
        let connections = Connections::new(2);
        let first = connections.admit().unwrap();
        let _second = connections.admit().unwrap();
        assert!(connections.admit().is_none());
        assert_eq!(connections.open(), 2);
        drop(first);
        assert_eq!(connections.open(), 1);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn a_cap_of_zero_still_lets_one_in() {
        assert!(Connections::new(0).admit().is_some());
    }

    #[test]
    fn threads_never_pass_the_cap_together() {
        let connections = Connections::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let slot = connections.admit();
                        assert!(connections.open() <= 8);
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(connections.open(), 0);
    }
}
