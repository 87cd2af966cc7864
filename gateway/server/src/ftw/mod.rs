//! Conformance cases in go-ftw's YAML: read, run, judged.
//!
//! A case is a request, whole, and what must come of it: rules that match and rules that do not, a status, a line in the
//! log. They are run against a [`Target`]: this process ([`Offline`], which asks `decision` as traffic does, with a backend
//! that reflects) or a gateway on the network ([`Network`]). Both see the same bytes.
//!
//! Sources: the published schema of FTW tests (v2, v3) and what go-ftw does with them.

mod input;
mod network;
mod observed;
mod offline;
mod overrides;
pub(crate) mod reflect;
mod run;
mod schema;
mod suite;
mod verdict;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use network::Network;
pub(crate) use offline::Offline;
pub(crate) use overrides::Overrides;
pub(crate) use run::{Ending, Outcome, Target, run};
pub(crate) use suite::{Case, files, is_yaml, read};
