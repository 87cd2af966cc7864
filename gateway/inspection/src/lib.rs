//! Inspection: rules against the values of a message, and a verdict.
//!
//! Two rule languages on one core of operators, transformations and literal prefilter: TOML, and SecLang, in which the
//! OWASP Core Rule Set is written. All is compiled before the first request:
//!
//! 1. [`Catalogue::compile`] turns the `[[rule]]` tables of all files into rules.
//! 2. [`compile_profiles`] lays out, per profile, the rules that it runs: one literal prefilter per group of values, one
//!    tree of transformation chains.
//! 3. [`Exclusions::compile`] checks the exclusions against rules and routes; [`Exclusions::for_route`] gives each route
//!    its own.
//! 4. [`run_cases`] puts the strings of the `[[case]]` tables through the engine.
//! 5. [`SecLang::load`] reads and compiles SecLang files; profiles ask a [`SecLangSource`] for theirs.
//!
//! Then, per request, [`Profile::inspect`] (or [`Profile::inspect_head`] before the body is read, and
//! [`Profile::inspect_rest`] after) gives [`Findings`]. Where the profile has SecLang rules, [`Profile::begin`] opens a
//! [`Transaction`], which goes through the phases of request and response, and [`Profile::join`] adds what it came to.
//!
//! What may be relied on:
//! - Bytes, not strings. NUL, invalid UTF-8 and byte 0xBC mean themselves.
//! - Linear time. There is no back-tracking but for SecLang patterns that ask for it, within a bound; what remains for an
//!   attacker to choose is bounded by [`Profile::work`].
//! - A TOML rule gives its points once per request, however many values match it; SecLang rules count for themselves.
//! - No clock, no I/O, no randomness, no panic on request data.
//!
//! Never here: HTTP answers, routes (only their names), parsing of messages.

mod bytes;
mod cases;
mod category;
mod engine;
mod exclusion;
mod findings;
pub mod jsonpath;
mod libinjection;
mod literals;
mod operator;
mod profile;
mod raw;
mod rule;
mod ruleset;
mod scan;
mod seclang;
mod target;
mod transform;

pub use cases::{CaseFailure, CaseReport, run_cases};
pub use category::{Category, Severity};
pub use engine::Scratch;
pub use exclusion::{Exclusion, Exclusions, Exempt, RouteExclusions, unused};
pub use findings::{Findings, Match, Oddity, Outcome};
pub use libinjection::{Fingerprint, detect_sqli, detect_xss};
pub use operator::backtracking_gave_up;
pub use profile::{BodyMode, Profile, Profiles, compile_profiles};
pub use raw::{
    Mode, RawCase, RawComparison, RawCondition, RawExclusion, RawExemption, RawMatch, RawProfile, RawRule,
    RawSelection, Reaction,
};
pub use rule::{Catalogue, Placed, Rule};
pub use ruleset::RuleSet;
pub use seclang::check_syntax;
pub use seclang::files::{Files, FilesError, MemoryFiles, RootedFiles, is_pattern, matches_path};
pub use seclang::{
    Action, Beginning, Connection, Interruption, MatchedRule, NoSecLang, Remark, SecLang, SecLangSource, Transaction,
    WantedSecLang,
};
pub use target::{Target, TargetError};
pub use transform::Transformation;
