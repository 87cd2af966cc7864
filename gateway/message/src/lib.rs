//! Requests and responses as Rampart's engines see them.

mod body;
mod head;
mod limits;
mod message;
mod multipart;
pub mod path;
mod percent;
mod problem;
mod target;
mod value;

pub use body::{Body, Processor};
pub use head::{Head, Headers, Version};
pub use limits::{Limits, MAX_DEPTH, RawLimits};
pub use message::{BodyFacts, Message, Scratch};
pub use multipart::{Multipart, Part};
pub use path::{NormalisedPath, PathPolicy, PathProblem, RawPathPolicy};
pub use problem::{At, Detail, Problem, ProblemClass, ProblemCode};
pub use target::{Target, TargetForm};
pub use value::{Aspect, Kind, Name, NameOf, Node, Step, Value};
