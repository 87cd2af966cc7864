//! How much an upstream is given at once: requests in flight are counted, some more wait in line, the rest is shed.
//!
//! Waiting is short and bounded in number and in time. A queue without bounds only turns an overload into answers that
//! come when nobody waits for them any more.

mod gate;
mod line;
mod rules;

pub(crate) use gate::Gate;
pub use gate::{Admit, Slot, Waiter};
pub use rules::{RawShedding, SheddingRules};
