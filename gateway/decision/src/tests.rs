//! Decisions over whole snapshots.
