//! Operators and punctuation.

use super::token::{Kind, Token};
use super::tokeniser::Read;
use super::words;

/// A token of one byte.
pub(crate) fn read_mark(kind: Kind, rest: &[u8]) -> Read<'_> {
    (Token::new(kind, rest.get(..1).unwrap_or_default()), 1)
}

/// An operator of up to three bytes. A colon that is none stays a colon.
pub(crate) fn read(rest: &[u8]) -> Read<'_> {
    if rest.len() > 1 {
        let len = if rest.starts_with(b"<=>") { 3 } else { 2 };
        let text = rest.get(..len).unwrap_or_default();
        let kind = if len == 3 { Some(Kind::Operator) } else { words::kind_of(text) };
        if let Some(kind) = kind {
            return (Token::new(kind, text), len);
        }
        if rest.first() == Some(&b':') {
            return read_mark(Kind::Colon, rest);
        }
    }
    read_mark(Kind::Operator, rest)
}

/// `\N`, by which MySQL means NULL; else a backslash.
pub(crate) fn read_backslash(rest: &[u8]) -> Read<'_> {
    match rest.get(..2) {
        Some(null @ b"\\N") => (Token::new(Kind::Number, null), 2),
        _ => read_mark(Kind::Backslash, rest),
    }
}
