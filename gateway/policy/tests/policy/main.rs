//! Loading as others see it: what is said about what is wrong, what is read from disk, and what ships.

#[cfg(test)]
mod common;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod files;
#[cfg(test)]
mod query;
#[cfg(test)]
mod seclang;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod snapshot;
