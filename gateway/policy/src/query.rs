//! What a route's query parameters have to be: positive security. What is not of the declared kind does not pass.
//!
//! A query is read once, as `application/x-www-form-urlencoded` (WHATWG URL section 5.1), and what other readers would read
//! differently is not guessed at but refused: a `;` where some split, an escape that is none, a value that a second decoding
//! would change, another spelling of a declared name, the same name twice (HTTP parameter pollution). A number that is out
//! of its range is refused, or set to the nearest that is in it ("clamp"); nothing else of the query changes by that.
//!
//! This judges the shape of parameters, not whether they are an attack: that is inspection's, which sees the query after
//! this. Bodies are not read here.

mod check;
mod compile;
mod integer;
mod raw;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use regex::Regex;

pub(crate) use compile::compile;
pub use integer::Integer;
pub use raw::{RawInteger, RawParameter, RawUnknown, RawViolation};

/// Parameters that one route may declare at most.
pub const MAX_PARAMETERS: usize = 64;

/// The constraints on a route's query. Empty by default: everything passes.
#[derive(Debug, Clone, Default)]
pub struct QueryRules {
    parameters: Vec<Parameter>,
    unknown: RawUnknown,
}

/// One declared parameter.
#[derive(Debug, Clone)]
struct Parameter {
    name: Arc<str>,
    /// The name as lenient readers fold it.
    folded: Box<[u8]>,
    kind: Kind,
    required: bool,
    repeat: bool,
    /// Whether an empty value passes, whatever the kind.
    empty: bool,
    /// Whether a number out of range is set to the nearest in it.
    clamp: bool,
    /// What its value has to be, as the client is told: "an integer from 1 to 1000".
    rule: Arc<str>,
}

/// What a value has to be.
#[derive(Debug, Clone)]
enum Kind {
    Integer(Integer),
    OneOf(Vec<Box<str>>),
    Uuid,
    Boolean,
    Text(Text),
}

/// Text within bounds.
#[derive(Debug, Clone, Default)]
struct Text {
    /// Characters at least.
    min_length: usize,
    /// Characters at most.
    max_length: Option<usize>,
    /// What the whole value matches.
    pattern: Option<Regex>,
    /// Whether escapes may be left once it was decoded.
    encoded: bool,
}

/// What [`QueryRules::check`] says of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It passes as it is.
    Unchanged,
    /// It passes as this; empty where nothing is left of it.
    Rewritten(Vec<u8>),
    /// It does not pass.
    Refused(Violation),
}

/// Why a query does not pass. [`fmt::Display`] is one sentence for the client; it holds no value that the client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The parameter's name, escaped and cut; empty where it is about the query as a whole.
    pub parameter: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is required and not there.
    Missing,
    /// It is there twice.
    Repeated,
    /// The route does not know it.
    Unknown,
    /// Some readers take its name for that of a declared parameter.
    Spelling(Arc<str>),
    /// Its name or value can be decoded in more than one way.
    Encoding,
    /// There is a `;` where some readers separate parameters.
    Separator,
    /// There is a `#` in the query.
    Fragment,
    /// The value is not what it has to be.
    Value(Arc<str>),
}

impl QueryRules {
    /// Whether every query passes.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.unknown == RawUnknown::Allow
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fault == Fault::Fragment {
            return f.write_str("The query holds a \"#\"");
        }
        write!(f, "Query parameter \"{}\" ", self.parameter)?;
        match &self.fault {
            Fault::Missing => f.write_str("is required"),
            Fault::Repeated => f.write_str("may be given only once"),
            Fault::Unknown => f.write_str("is not taken here"),
            Fault::Spelling(name) => write!(f, "could be taken for \"{name}\""),
            Fault::Encoding => f.write_str("can be decoded in more than one way"),
            Fault::Separator => f.write_str("holds a \";\", at which some readers separate parameters"),
            Fault::Fragment => Ok(()),
            Fault::Value(rule) => write!(f, "must be {rule}"),
        }
    }
}
