//! `@within`: the value is part of the parameter, byte for byte. (The other way round than `@contains`.)
//!
//! Example: `SecRule REQUEST_METHOD "!@within GET HEAD POST"`. An empty value is part of everything.

use memchr::memmem;

/// A text that may hold the value.
#[derive(Debug)]
pub(crate) struct Within {
    text: Box<[u8]>,
}

impl Within {
    pub(super) fn new(text: &[u8]) -> Self {
        Self { text: text.into() }
    }

    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        is_match(&self.text, value)
    }
}

/// Whether `text` holds `value`.
pub(super) fn is_match(text: &[u8], value: &[u8]) -> bool {
    value.len() <= text.len() && memmem::find(text, value).is_some()
}
