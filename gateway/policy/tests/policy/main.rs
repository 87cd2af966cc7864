//! Loading as others see it: what is said about what is wrong, what is read from disk, and what ships.

mod common;
mod diagnostics;
mod files;
mod shipped;
mod snapshot;
