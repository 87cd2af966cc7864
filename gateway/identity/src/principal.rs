//! Who the caller proved to be.
//!
//! A principal is made from what was verified and from nothing else: a token whose signature and claims hold, or an API
//! key whose digest is configured. Its subject and tenant go into headers, quota keys, cache scopes and logs, so they
//! are text that is safe in all of them: at most [`MAX_NAME_BYTES`], without control characters and without those that
//! show nothing or turn the direction, without blanks at the ends (a field value loses those, and `" alice"` would be
//! `"alice"` behind the gateway). A token that names its subject or tenant otherwise is refused, not repaired.
//!
//! Two issuers may both have an `alice`. [`Principal::label`] tells them apart; the subject alone does not.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::jwt::Token;
use crate::reason::Reason;

/// Bytes of a subject or a tenant at most.
pub const MAX_NAME_BYTES: usize = 256;

/// By what the caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// By a token.
    Jwt {
        /// The `[issuer.NAME]` whose keys verified it.
        issuer: Arc<str>,
    },
    /// By an API key.
    ApiKey {
        /// The `name` of the `[[api_key]]`.
        name: Arc<str>,
    },
}

/// A caller whose credential holds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Principal {
    /// By what it is known.
    pub kind: PrincipalKind,
    /// Who it is among those that the issuer knows; for an API key, its name.
    pub subject: Arc<str>,
    /// On whose behalf: what separates the quotas, caches and records of one customer from those of another.
    pub tenant: Arc<str>,
    /// What it may do.
    pub scopes: Arc<[Box<str>]>,
    /// The token; none for an API key.
    token: Option<Arc<Token>>,
}

// === impl Principal ===

impl Principal {
    /// The caller that a verified token names.
    ///
    /// # Errors
    /// [`Reason::Claim`] where its subject or tenant is not [safe](self).
    pub fn of_token(token: Arc<Token>) -> Result<Self, Reason> {
        if !is_safe_name(&token.subject) || !is_safe_name(&token.tenant) {
            return Err(Reason::Claim);
        }
        Ok(Self {
            kind: PrincipalKind::Jwt { issuer: Arc::clone(&token.issuer) },
            subject: Arc::clone(&token.subject),
            tenant: Arc::clone(&token.tenant),
            scopes: Arc::clone(&token.scopes),
            token: Some(token),
        })
    }

    /// The caller that an API key stands for.
    pub fn of_api_key(name: &Arc<str>, tenant: &Arc<str>, scopes: &Arc<[Box<str>]>) -> Self {
        Self {
            kind: PrincipalKind::ApiKey { name: Arc::clone(name) },
            subject: Arc::clone(name),
            tenant: Arc::clone(tenant),
            scopes: Arc::clone(scopes),
            token: None,
        }
    }

    /// The claim `name` as it is in the token; a name that begins with a slash is a pointer to one within another
    /// (RFC 6901): `/realm_access/roles`.
    pub fn claim_value(&self, name: &str) -> Option<&Value> {
        self.token.as_ref()?.claims.get(name)
    }

    /// The claim `name` as one text: a text as it is, a number or a truth value as JSON writes it. None for lists,
    /// objects and null.
    pub fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        scalar(self.claim_value(name)?)
    }

    /// Whether it has `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| **granted == *scope)
    }

    /// The name of its API key, if it came by one.
    pub fn api_key(&self) -> Option<&str> {
        match &self.kind {
            PrincipalKind::ApiKey { name } => Some(name),
            PrincipalKind::Jwt { .. } => None,
        }
    }

    /// The issuer or the API key that vouches for it: `jwt:main`, `api_key:ci`.
    pub fn via(&self) -> String {
        match &self.kind {
            PrincipalKind::Jwt { issuer } => format!("jwt:{issuer}"),
            PrincipalKind::ApiKey { name } => format!("api_key:{name}"),
        }
    }

    /// Who this is among all callers of all issuers: `jwt:main:alice`, `api_key:ci`. For records, and as the key of
    /// quotas by subject.
    pub fn label(&self) -> String {
        match &self.kind {
            PrincipalKind::Jwt { issuer } => format!("jwt:{issuer}:{}", self.subject),
            PrincipalKind::ApiKey { .. } => self.via(),
        }
    }
}

/// Whether `name` can be a subject or a tenant.
pub fn is_safe_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && is_safe_text(name)
}

/// Whether `text` stays what it is as a field value and in a log line.
pub(crate) fn is_safe_text(text: &str) -> bool {
    text.trim() == text && !text.chars().any(is_unsafe)
}

/// Control characters, line separators, and what shows nothing or turns the direction: two names that look alike would
/// be two callers.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text, number or truth value as one text.
pub(crate) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
