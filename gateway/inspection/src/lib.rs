//! The inspection engine of Rampart.
mod bytes;
mod cases;
mod category;
mod exclusion;
mod findings;
pub mod jsonpath;
mod literals;
mod operator;
mod prefilter;
mod profile;
mod raw;
mod rule;
mod ruleset;
mod target;
mod transform;
mod engine;

pub use cases::{CaseFailure, CaseReport, run_cases};
pub use category::{Category, Severity};
pub use engine::Scratch;
pub use exclusion::{Exclusion, Exclusions, RouteExclusions, unused};
pub use findings::{Findings, Match, Oddity, Outcome};
pub use profile::{BodyMode, Profile, Profiles, compile_profiles};
pub use raw::{
    Mode, RawCase, RawComparison, RawCondition, RawExclusion, RawExemption, RawMatch, RawProfile, RawRule,
    RawSelection, Reaction,
};
pub use rule::{Catalogue, Placed, Rule};
pub use ruleset::RuleSet;
pub use target::{Target, TargetError};
pub use transform::Transformation;
