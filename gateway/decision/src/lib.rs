//! One request through one snapshot: the order of checks, the verdict, the status.
//!
//! `proxy` asks it about live traffic; `explain`, `test` and `replay` ask it about requests that nobody sent. There
//! is no second place that decides, so they cannot drift apart.
//!
//! A request is decided in two steps, because its body must not be read before its head is known to be worth it:
//!
//! 1. [`admit`] looks at the head alone: framing, host, path, route, method, declared length. It gives an [`Admission`]
//!    with the plan for the body, or the refusal.
//! 2. [`judge_head`] and [`judge`] inspect: the head before a body that is worth waiting for, and the whole.
//!
//! What passes may have an [`Exchange`] to go on with: the judgement of the response, head and body.
//!
//! The caller reads the body in between. Nothing here waits, reads a clock or knows a socket.

mod access;
mod admission;
mod code;
mod exchange;
mod head;
mod judgement;
pub mod query;
mod refusal;

#[cfg(test)]
mod tests;

pub use access::{Asking, Beside, Entry, Step};
pub use admission::{Admission, BodyPlan, Declared, Denied, admit};
pub use code::Code;
pub use exchange::{Exchange, Want};
pub use judgement::{Judgement, Origin, Request, Seen, Workspace, judge, judge_head};
pub use refusal::Refusal;
