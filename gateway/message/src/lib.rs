//! Requests and responses as Rampart's engines see them.

mod body;
mod charset;
mod collector;
pub mod content_type;
pub mod cookies;
mod decode;
mod documents;
mod fields;
mod guess;
mod head;
mod json;
mod limits;
mod message;
mod multipart;
pub mod path;
mod percent;
mod problem;
mod render;
mod target;
#[cfg(test)]
mod testing;
mod urlencoded;
mod value;
mod xml;

pub use body::{Body, Processor};
pub use content_type::ContentType;
pub use head::{Head, Headers, Version};
pub use limits::{Limits, MAX_DEPTH, RawLimits};
pub use message::{BodyFacts, Message, Scratch};
pub use multipart::{Fault, Faults, Multipart, Part};
pub use path::{NormalisedPath, PathPolicy, PathProblem, PathProblems, RawPathPolicy};
pub use problem::{At, Detail, Problem, ProblemClass, ProblemCode};
pub use target::{Target, TargetForm};
pub use value::{Aspect, Kind, Name, NameOf, Node, Step, Value};
