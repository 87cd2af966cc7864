mod rules;

pub use rules::{BreakerRules, RawBreaker};
