//! Certificate files, checked before a listener depends on them.
