//! The one Redis layer: connections, deadlines, breaker, health, and the key that hashes and seals.
