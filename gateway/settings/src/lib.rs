//! Configuration text to typed values, with every mistake pointed at.
//!
//! One type is the source of truth for each piece of configuration: a `Raw*` struct that derives `Deserialize` and
//! `JsonSchema`. From its schema come what editors complete and check against, and the validator ([`read`]), which
//! walks the spanned TOML tree and reports every structural mistake at once; serde alone would stop at the first.
//! What a schema cannot say (a reference to an unknown name, a certificate that does not parse) each engine reports
//! from its `compile(raw, place)` through a [`Place`], a cursor that knows where in which file a key stands.
//!
//! Never here: the meaning of any key. Floor 0; nothing is read from disk or from the process environment.

mod diagnostic;
mod document;
mod duration;
mod environment;
mod nearest;
mod place;
mod read;
mod schema;
mod size;
mod source;
mod structure;
mod tree;

pub use diagnostic::{Diagnostic, Report, Severity};
pub use document::Document;
pub use duration::{Duration, DurationError};
pub use environment::{ENVIRONMENT_PREFIX, overlay};
pub use nearest::nearest;
pub use place::{Location, Place};
pub use read::{Checked, Shape, check, read, schema_of};
pub use size::{Size, SizeError};
pub use source::Source;

#[cfg(test)]
mod tests;
