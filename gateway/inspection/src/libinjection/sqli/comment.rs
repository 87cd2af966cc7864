//! Comments: `--`, `#` and `/* */`, and the operators `-`, `#` and `/` that start like them.

use memchr::{memchr, memmem};

use super::operator;
use super::token::{Kind, Token};
use super::tokeniser::{Dialect, Read, is_white};

/// `-`, or a comment that begins with `--`.
///
/// With white space or nothing behind it, `--` is a comment everywhere; otherwise it is two operators in MySQL.
pub(crate) fn read_dash(rest: &[u8], dialect: Dialect) -> Read<'_> {
    match rest {
        [_, b'-'] => to_line_end(rest),
        [_, b'-', next, ..] if is_white(*next) || dialect == Dialect::Ansi => to_line_end(rest),
        _ => operator::read_mark(Kind::Operator, rest),
    }
}

/// Whether [`read_dash`] found a comment that is none in MySQL.
pub(crate) fn differs_in_mysql(rest: &[u8], dialect: Dialect) -> bool {
    dialect == Dialect::Ansi && matches!(rest, [_, b'-', next, ..] if !is_white(*next))
}

/// `#`: a comment in MySQL, an operator elsewhere.
pub(crate) fn read_hash(rest: &[u8], dialect: Dialect) -> Read<'_> {
    match dialect {
        Dialect::MySql => to_line_end(rest),
        Dialect::Ansi => operator::read_mark(Kind::Operator, rest),
    }
}

/// `/`, or a comment `/* */`.
///
/// PostgreSQL nests such comments and MySQL runs what stands in `/*! */`. What follows cannot be read for all servers at
/// once, and nobody writes them by accident, so these are evil.
pub(crate) fn read_slash(rest: &[u8]) -> Read<'_> {
    let [_, b'*', body @ ..] = rest else { return operator::read_mark(Kind::Operator, rest) };
    let end = memmem::find(body, b"*/");
    // Up to and with the star that closes: `/* /*/` nests.
    let nests = end.and_then(|end| body.get(..=end)).is_some_and(|inside| memmem::find(inside, b"/*").is_some());
    let kind = if nests || body.first() == Some(&b'!') { Kind::Evil } else { Kind::Comment };
    let len = end.map_or(rest.len(), |end| end + 4);
    (Token::new(kind, rest.get(..len).unwrap_or(rest)), len)
}

/// A comment to the end of the line, which is no part of it.
fn to_line_end(rest: &[u8]) -> Read<'_> {
    let end = memchr(b'\n', rest);
    let text = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    (Token::new(Kind::Comment, text), end.map_or(rest.len(), |end| end + 1))
}
