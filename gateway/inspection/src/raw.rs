//! Rules, profiles, exclusions and cases as an administrator writes them, before they are checked.
//!
//! One source of truth per type: the JSON Schema that editors use, the validator and the reader all come from these
//! declarations. What a schema cannot say (unique ids, known names, patterns that compile) is judged by `compile`.

use std::collections::BTreeMap;

use rampart_message::RawLimits;
use rampart_settings::Size;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::category::{Category, Severity};
use crate::transform::Transformation;

/// One `[[rule]]` of a rule file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// Unique name: lower-case letters, digits and `-`. Appears in events; exclusions and cases refer to it.
    pub id: String,
    /// Where to look: `path`, `query`, `query:NAME`, `header:NAME`, `cookie`, `form`, `file`, `json:$.a[*].b`,
    /// `xml:/a/b`, `body`, `args` (query, form, JSON and multipart text together), `args_names`, ... A leading `!`
    /// takes values out again.
    #[schemars(length(min = 1))]
    pub targets: Vec<String>,
    /// Transformations, applied in order to each value before it is compared.
    #[serde(default)]
    pub transform: Vec<Transformation>,
    /// Compare after every step of `transform` that changed the value, not only after the last.
    #[serde(default)]
    pub multi_match: bool,
    /// What a value must look like.
    #[serde(rename = "match")]
    pub condition: RawMatch,
    /// Further conditions; the rule matches only when each of them holds too.
    #[serde(default)]
    pub and: Vec<RawCondition>,
    /// The class of attack; gives the message "Potential ... detected in ...".
    pub category: Category,
    /// How grave a match is: `critical` (5 points), `error` (4), `warning` (3), `notice` (2).
    #[serde(default)]
    pub severity: Severity,
    /// Paranoia level, 1 to 4: the rule runs in profiles of at least this level.
    #[serde(default = "lowest_paranoia")]
    #[schemars(range(min = 1, max = 4))]
    pub paranoia: u8,
    /// Free labels, to select or exclude groups of rules.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Replaces the category's sentence; the place is appended: "MESSAGE in root.title".
    #[serde(default)]
    pub message: Option<String>,
}

const fn lowest_paranoia() -> u8 {
    1
}

/// A further condition of a rule, in the list `and`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCondition {
    /// Where to look, as in the rule's `targets`. `matched` is the value that the condition before it matched.
    #[schemars(length(min = 1))]
    pub targets: Vec<String>,
    /// Transformations, applied in order.
    #[serde(default)]
    pub transform: Vec<Transformation>,
    /// What a value must look like.
    #[serde(rename = "match")]
    pub condition: RawMatch,
}

/// The operator of a rule: exactly one of the keys, and `not` to turn it round.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMatch {
    /// A regular expression on bytes: linear time, Unicode off, `.` matches a newline too.
    #[serde(default)]
    pub regex: Option<String>,
    /// Any of these phrases, upper and lower case alike.
    #[serde(default)]
    pub phrases: Option<Vec<String>>,
    /// With `phrases`: only as whole words.
    #[serde(default)]
    pub words: bool,
    /// The value contains this text, byte for byte.
    #[serde(default)]
    pub contains: Option<String>,
    /// The value is this text, byte for byte.
    #[serde(default)]
    pub equals: Option<String>,
    /// The value is one of these texts, byte for byte.
    #[serde(default)]
    pub one_of: Option<Vec<String>>,
    /// The value begins with this text, byte for byte.
    #[serde(default)]
    pub begins_with: Option<String>,
    /// The value ends with this text, byte for byte.
    #[serde(default)]
    pub ends_with: Option<String>,
    /// Compares the length of the value in bytes.
    #[serde(default)]
    pub length: Option<RawComparison>,
    /// Compares the number of values that the targets select.
    #[serde(default)]
    pub count: Option<RawComparison>,
    /// Compares the value read as a decimal integer; what is no integer is 0.
    #[serde(default)]
    pub number: Option<RawComparison>,
    /// Allowed bytes, as `"9,10,13,32-126"`; matches when the value holds any other byte.
    #[serde(default)]
    pub outside_bytes: Option<String>,
    /// libinjection finds SQL injection in the value: as it stands, or behind a quote that it closes.
    #[serde(default)]
    pub detect_sqli: bool,
    /// libinjection finds a script in the value: between tags, in a tag, or behind a quote that it closes.
    #[serde(default)]
    pub detect_xss: bool,
    /// The condition holds when the operator does not match.
    #[serde(default)]
    pub not: bool,
}

/// A comparison: exactly one of the keys.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawComparison {
    /// Less than.
    #[serde(default)]
    pub lt: Option<i64>,
    /// Less than or equal to.
    #[serde(default)]
    pub le: Option<i64>,
    /// Equal to.
    #[serde(default)]
    pub eq: Option<i64>,
    /// Greater than or equal to.
    #[serde(default)]
    pub ge: Option<i64>,
    /// Greater than.
    #[serde(default)]
    pub gt: Option<i64>,
}

/// One `[[case]]`: strings that a rule must match and strings that it must not.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCase {
    /// The id of the rule.
    pub rule: String,
    /// Where the strings are put, in the targets' grammar (`query:q`, `json:$.title`, `path`, `header:referer`, `body`).
    /// Without it the rule's first target decides.
    #[serde(default)]
    pub target: Option<String>,
    /// Strings that the rule must match.
    #[serde(default)]
    pub block: Vec<String>,
    /// Strings that the rule must not match.
    #[serde(default)]
    pub pass: Vec<String>,
}

/// Which rules are meant; a rule is selected when any of the lists names it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSelection {
    /// Rule ids.
    #[serde(default)]
    pub id: Vec<String>,
    /// Categories.
    #[serde(default)]
    pub category: Vec<Category>,
    /// Tags.
    #[serde(default)]
    pub tag: Vec<String>,
}

/// One `[[exclusion]]`: on a route, some rules do not judge some targets.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExclusion {
    /// Why; shown where the exclusion is listed.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// The name of a route, or `"*"` for every route.
    pub route: String,
    /// The rules that do not judge; without it all of them.
    #[serde(default)]
    pub rules: Option<RawSelection>,
    /// The values that are not judged, in the targets' grammar.
    #[schemars(length(min = 1))]
    pub targets: Vec<String>,
}

/// What a profile takes out for every route that uses it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExemption {
    /// Why; shown where the exemption is listed.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// The rules that do not judge; without it all of them.
    #[serde(default)]
    pub rules: Option<RawSelection>,
    /// The values that are not judged, in the targets' grammar.
    #[schemars(length(min = 1))]
    pub targets: Vec<String>,
}

/// One `[profile.NAME]`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawProfile {
    /// The profile whose settings hold where this one is silent.
    #[serde(default)]
    pub extends: Option<String>,
    /// `block`, `detect` (log what would be blocked) or `off`. Default `block`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The rules that run; without it all of them.
    #[serde(default)]
    pub rules: Option<RawSelection>,
    /// Rules that do not run, taken out of `rules`.
    #[serde(default)]
    pub without: Option<RawSelection>,
    /// Rule files in SecLang, the language of ModSecurity and of the OWASP Core Rule Set, in this order: paths and
    /// patterns such as `"/etc/rampart/crs/rules/*.conf"`, relative ones to the folder of `config.toml`. They keep ids
    /// and a score of their own. A profile that has them and names no `rules` runs no others, and of the content limits
    /// only those that protect the process hold unless it names some: the files have their own. `paranoia` and
    /// `threshold`, where a profile sets them, are set for the Core Rule Set too.
    #[serde(default)]
    pub seclang: Option<Vec<String>>,
    /// With `seclang`: refuse bodies that cannot be read to their end, as ModSecurity's recommended configuration does and
    /// the Core Rule Set relies on. Of such a body its rules see nothing. Default false: the files decide.
    #[serde(default)]
    pub refuse_broken_bodies: Option<bool>,
    /// Paranoia level, 1 to 4: rules up to this level run. Default 1.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4))]
    pub paranoia: Option<u8>,
    /// Anomaly score from which a request is blocked. Default 5, one critical match.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub threshold: Option<u32>,
    /// Block at the first rule that matches, whatever its severity, and look no further. Default false.
    #[serde(default)]
    pub first_match: Option<bool>,
    /// What happens to the body: `"buffer"` (inspected whole, the default), `"prefix:64KiB"` (only the beginning is
    /// inspected) or `"stream"` (not inspected).
    #[serde(default)]
    pub body: Option<String>,
    /// Content limits.
    #[serde(default)]
    pub limits: Option<RawLimits>,
    /// What oddities in a message lead to, by their code: `refuse` or `note`.
    #[serde(default)]
    pub problems: BTreeMap<String, Reaction>,
    /// Bytes that transformations and operators may read for one request, such as "64MiB". Beyond it the request is
    /// refused, and the event says `work`. Default 64MiB; 4GiB where only SecLang rules run.
    #[serde(default)]
    pub work: Option<Size>,
    /// Values that some rules do not judge, on every route that uses this profile.
    #[serde(default)]
    pub exempt: Vec<RawExemption>,
    /// Tell the client in which field the attack was seen. Default true.
    #[serde(default)]
    pub disclose_location: Option<bool>,
}

/// What a profile does with its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A request that reaches the threshold is refused.
    #[default]
    Block,
    /// It passes, and the log says that it would have been refused.
    Detect,
    /// Nothing is inspected.
    Off,
}

/// What an oddity of the message leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// The request is refused (in mode `detect`: logged as would-be refused).
    Refuse,
    /// The event says so; the request goes on.
    Note,
}
