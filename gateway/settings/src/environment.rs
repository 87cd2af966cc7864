//! Environment variables laid over a document: `RAMPART__LISTENER__MAIN__ADDRESS=0.0.0.0:80`.

use schemars::JsonSchema;

use crate::diagnostic::Report;
use crate::document::Document;

/// What the names of overriding variables begin with.
pub const ENVIRONMENT_PREFIX: &str = "RAMPART__";

/// Lays the variables that begin with [`ENVIRONMENT_PREFIX`] over the document, before it is read as a `T`.
///
/// Keys are parted by two underscores; letter case, and `-` against `_`, do not matter. A value is read as TOML where
/// that gives what the key wants, and is a string otherwise. An unknown key is reported by [`crate::read`].
pub fn overlay<T: JsonSchema>(
    _document: &mut Document,
    _variables: impl IntoIterator<Item = (String, String)>,
    _report: &Report,
) {
}
