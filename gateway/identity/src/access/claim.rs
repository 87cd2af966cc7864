//! A claim that a route asks for.

use std::fmt;

use serde_json::Value;

use super::raw::{RawClaim, RawClaimValue};
use crate::principal::Principal;

/// A claim, and the values of which it has to have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequiredClaim {
    name: Box<str>,
    values: Box<[RawClaimValue]>,
}

impl RequiredClaim {
    pub(super) fn new(name: &str, raw: &RawClaim) -> Self {
        let values = match raw {
            RawClaim::One(value) => Box::from([value.clone()]),
            RawClaim::Many(values) => values.as_slice().into(),
        };
        Self { name: name.into(), values }
    }

    /// Whether no value would do.
    pub(super) fn is_impossible(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the caller's claim is one of the values, or a list with one of them in it.
    pub(super) fn holds(&self, principal: &Principal) -> bool {
        match principal.claim_value(&self.name) {
            Some(Value::Array(items)) => items.iter().any(|item| self.allows(item)),
            Some(value) => self.allows(value),
            None => false,
        }
    }

    fn allows(&self, value: &Value) -> bool {
        self.values.iter().any(|allowed| match (allowed, value) {
            (RawClaimValue::Truth(allowed), Value::Bool(given)) => allowed == given,
            (RawClaimValue::Number(allowed), Value::Number(given)) => given.as_i64() == Some(*allowed),
            (RawClaimValue::Text(allowed), Value::String(given)) => allowed == given,
            _ => false,
        })
    }
}

/// `role = "admin" or "owner"`
impl fmt::Display for RequiredClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.name)?;
        for (index, value) in self.values.iter().enumerate() {
            if index > 0 {
                f.write_str(" or ")?;
            }
            match value {
                RawClaimValue::Truth(truth) => write!(f, "{truth}")?,
                RawClaimValue::Number(number) => write!(f, "{number}")?,
                RawClaimValue::Text(text) => write!(f, "\"{text}\"")?,
            }
        }
        Ok(())
    }
}
