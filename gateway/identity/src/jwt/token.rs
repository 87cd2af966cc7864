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
    /// A claim as JSON. A name that begins with a slash is a pointer to an inner member (RFC 6901), such as
    /// `/realm_access/roles`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let Some(pointer) = name.strip_prefix('/') else { return self.0.get(name) };
        let (first, rest) = pointer.find('/').map_or((pointer, ""), |slash| pointer.split_at(slash));
        self.0.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
    }

    /// A claim as text: a string as it is, a number or a truth value as JSON writes it. `None` for lists, objects and
    /// `null`.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.get(name)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_by_name_and_by_pointer() {
        let text = br#"{"role":"admin","n":7,"ok":true,"no":null,"list":["a"],"https://x/y":"url",
            "realm_access":{"roles":["ops"],"level":3},"a/b":{"c~d":"odd"}}"#;
        let claims = Claims(crate::jwt::object(text).unwrap());
        let check = |name: &str, expect: Option<&str>| assert_eq!(claims.text(name).as_deref(), expect, "{name}");
        check("role", Some("admin"));
        check("n", Some("7"));
        check("ok", Some("true"));
        check("no", None);
        check("list", None);
        check("absent", None);
        check("https://x/y", Some("url"));
        check("/realm_access/level", Some("3"));
        check("/realm_access/roles/0", Some("ops"));
        check("/realm_access/roles/1", None);
        check("/a~1b/c~0d", Some("odd"));
        check("/role", Some("admin"));
        check("/", None);
        assert_eq!(claims.get("/realm_access/roles").and_then(Value::as_array).map(Vec::len), Some(1));
    }
}
