mod rules;

pub use rules::{EjectionRules, RawEjection};
