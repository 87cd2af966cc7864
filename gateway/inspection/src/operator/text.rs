//! `contains`, `equals`, `one_of`, `begins_with`, `ends_with`: plain texts, compared byte for byte.
//! (SecLang: `@contains`, `@strmatch`, `@streq`, `@beginsWith`, `@endsWith`.)
//!
//! Example: `SecRule REQUEST_METHOD "@streq POST"`. In SecLang an empty text is contained in every value and begins and
//! ends it; in TOML it is a mistake.

use std::ops::Range;

use rampart_settings::Place;

use crate::literals::Clauses;

/// How the text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Contains,
    Equals,
    BeginsWith,
    EndsWith,
}

/// One or more texts.
#[derive(Debug)]
pub(crate) struct Text {
    kind: TextKind,
    texts: Box<[Box<[u8]>]>,
}

impl TextKind {
    /// Where the value holds the text in this way.
    pub(super) fn find(self, text: &[u8], value: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::Contains => memchr::memmem::find(value, text).map(|at| at..at + text.len()),
            Self::Equals => (value == text).then_some(0..value.len()),
            Self::BeginsWith => value.starts_with(text).then_some(0..text.len()),
            Self::EndsWith => value.ends_with(text).then(|| value.len() - text.len()..value.len()),
        }
    }
}

impl Text {
    pub(crate) fn compile(kind: TextKind, texts: &[String], place: &Place<'_>) -> Option<Self> {
        if texts.is_empty() || texts.iter().any(String::is_empty) && kind != TextKind::Equals {
            place.error("an empty text matches every value or none");
            return None;
        }
        Some(Self { kind, texts: texts.iter().map(|text| text.as_bytes().into()).collect() })
    }

    /// One text, which may be empty.
    pub(super) fn of(kind: TextKind, text: &[u8]) -> Self {
        Self { kind, texts: [text.into()].into() }
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.texts.iter().find_map(|text| self.kind.find(text, value))
    }

    pub(crate) fn clauses(&self) -> Clauses {
        Clauses::any_of(self.texts.iter().map(|text| text.to_ascii_lowercase()).collect())
    }
}
