//! Quotas, concurrency and bans, on one instance and on many.
