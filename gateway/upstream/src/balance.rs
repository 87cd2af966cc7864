//! The choice among endpoints, as pure functions of numbers.
//!
//! Each algorithm sees a list of weights and, where it needs them, requests in flight; it answers with an index into
//! the list. Nothing here knows addresses or metrics, so each is tested against what it promises.

mod least;
mod ring;
mod schedule;

pub(crate) use least::{Load, least_loaded};
pub(crate) use ring::Ring;
pub(crate) use schedule::Schedule;
