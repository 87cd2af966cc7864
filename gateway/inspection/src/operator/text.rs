//! `contains`, `equals`, `one_of`, `begins_with`, `ends_with`: plain texts, compared byte for byte.

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

impl Text {
    pub(crate) fn compile(kind: TextKind, texts: &[String], place: &Place<'_>) -> Option<Self> {
        if texts.is_empty() || texts.iter().any(String::is_empty) && kind != TextKind::Equals {
            place.error("an empty text matches every value or none");
            return None;
        }
        Some(Self { kind, texts: texts.iter().map(|text| text.as_bytes().into()).collect() })
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.texts.iter().find_map(|text| match self.kind {
            TextKind::Contains => memchr::memmem::find(value, text).map(|at| at..at + text.len()),
            TextKind::Equals => (value == text.as_ref()).then_some(0..value.len()),
            TextKind::BeginsWith => value.starts_with(text).then_some(0..text.len()),
            TextKind::EndsWith => value.ends_with(text).then(|| value.len() - text.len()..value.len()),
        })
    }

    pub(crate) fn clauses(&self) -> Clauses {
        Clauses::any_of(self.texts.iter().map(|text| text.to_ascii_lowercase()).collect())
    }
}
