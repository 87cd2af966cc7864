//! Constraints on query parameters as admins write them.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a query parameter has to be. At most one of `integer`, `one_of`, `uuid` and `boolean`; lengths and a pattern are for
/// text. Without any of them every value passes, but the name is known.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawParameter {
    /// A whole number, in digits: no `+`, no leading zeros, no blanks.
    pub integer: Option<RawInteger>,
    /// One of these texts. Case matters.
    pub one_of: Option<Vec<String>>,
    /// `true`: a UUID in its usual form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in hexadecimal digits of either case.
    pub uuid: Option<bool>,
    /// `true`: the text `true` or the text `false`.
    pub boolean: Option<bool>,
    /// Characters at least.
    pub min_length: Option<u32>,
    /// Characters at most.
    pub max_length: Option<u32>,
    /// A regular expression that the whole value matches, from its first character to its last.
    #[schemars(extend("examples" = ["[a-z]+", "[0-9]{4}-[0-9]{2}-[0-9]{2}"]))]
    pub pattern: Option<String>,
    /// Let text hold escapes such as `%2F` after it was decoded: addresses in `next=` or `redirect_uri=` may.
    pub encoded: bool,
    /// The parameter has to be there.
    pub required: bool,
    /// It may be there more than once. Without it a second one is refused, since readers differ in which one they take.
    pub repeat: bool,
    /// An empty value passes, as of a form field that was left empty.
    pub empty: bool,
    /// What happens to a number that is out of range.
    pub on_violation: RawViolation,
}

/// A whole number within bounds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawInteger {
    /// The least that passes. Default: 0, so that negative numbers have to be asked for.
    pub min: Option<i64>,
    /// The most that passes. Default: what a 64-bit integer holds.
    pub max: Option<i64>,
    /// Take numbers with leading zeros, such as `007`.
    pub leading_zeros: bool,
}

/// What happens to a value that is not what it has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawViolation {
    /// The request is refused with 400.
    #[default]
    Reject,
    /// A number above or below its range is set to the nearest in it. What is no number is refused.
    Clamp,
}

/// What happens to query parameters that the route does not declare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawUnknown {
    /// They pass, unless some readers could take them for a declared one.
    #[default]
    Allow,
    /// The request is refused with 400.
    Reject,
    /// They are taken out of the query.
    Drop,
}
