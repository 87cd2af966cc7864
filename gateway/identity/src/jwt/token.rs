//! What a token says, once it is believed.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

/// A token whose signature and claims are good. Made once, and shared by the requests that bring it.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// The name of the issuer's table.
    pub issuer: Arc<str>,
    /// Who the caller is: 1 to 256 bytes without control characters.
    pub subject: Arc<str>,
    /// Whom the caller belongs to, likewise.
    pub tenant: Arc<str>,
    /// What the caller may do, without repetition.
    pub scopes: Arc<[Box<str>]>,
    /// All claims.
    pub claims: Claims,
}

/// The claims of a token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(pub(crate) Map<String, Value>);

// === impl Claims ===

impl Claims {
    /// A claim as JSON.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim as text: a string as it is, a number or a truth value as JSON writes it. `None` for lists, objects and
    /// `null`.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.0.get(name)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
