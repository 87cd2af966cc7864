//! A refusal as the decision makes it, before anything turns it into an HTTP answer.
//!
//! It holds what the client may know. Rule ids, scores and patterns are not here: they go to the security event.

use std::borrow::Cow;

use crate::Code;

/// One refused request: the stable code, and what to tell the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code; gives status, verdict and title.
    pub code: Code,
    /// The status to answer with: the code's own, or one that a rule names.
    pub status: u16,
    /// One sentence that says what is wrong and, when the profile discloses it, where.
    pub error: Cow<'static, str>,
    /// One sentence that says what to do about it, or why in general.
    pub detail: Cow<'static, str>,
    /// What the records say beyond the code, and the client need not know: which quota, which ban.
    pub cause: Option<Box<str>>,
    /// `Retry-After` in seconds; never 0.
    pub retry_after_s: Option<u32>,
    /// Other fields of the answer: `Allow` of a 405 (RFC 9110 section 15.5.6), `WWW-Authenticate`, `Location` where a rule
    /// sends the client elsewhere.
    pub fields: Vec<(&'static str, String)>,
}

// === impl Refusal ===

impl Refusal {
    /// A refusal with the code's own status.
    pub fn new(code: Code, error: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            error: error.into(),
            detail: detail.into(),
            cause: None,
            retry_after_s: None,
            fields: Vec::new(),
        }
    }

    /// The same refusal, with `Retry-After`.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// The same refusal, with what the records say of it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<str>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same refusal, with another field.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The value of the first other field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The same refusal, with `Location` if there is a place to go to.
    #[must_use]
    pub(crate) fn sent_to(self, location: Option<String>) -> Self {
        match location {
            Some(to) => self.field("Location", to),
            None => self,
        }
    }

    /// The same refusal, with `Allow`.
    #[must_use]
    pub fn allow(self, methods: impl Into<String>) -> Self {
        self.field("Allow", methods)
    }
}
