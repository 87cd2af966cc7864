//! Strings: quoted, and the forms that start with a letter (`N'..'`, `E'..'`, `U&'..'`, `q'(..)'`, `B'01'`, `X'ff'`).
//!
//! A letter that starts none of these starts a word.

use memchr::{memchr, memchr_iter};

use super::token::{Kind, Token};
use super::tokeniser::Read;
use super::word;

/// A string whose text begins at `skip`; with 0, the quote was opened before the value.
///
/// A backslash before the closing quote escapes it, as do two quotes (PostgreSQL, MySQL, standard SQL: all at once).
pub(crate) fn read(rest: &[u8], quote: u8, skip: usize) -> Read<'_> {
    let body = rest.get(skip..).unwrap_or_default();
    let end = closing_quote(body, quote);
    let mut token = Token::new(Kind::String, end.and_then(|end| body.get(..end)).unwrap_or(body));
    token.open = if skip > 0 { quote } else { 0 };
    token.close = if end.is_some() { quote } else { 0 };
    (token, end.map_or(rest.len(), |end| skip + end + 1))
}

/// Where the string ends.
fn closing_quote(body: &[u8], quote: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(quote, body.get(from..)?)?;
        let backslashes = body.get(..at)?.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if backslashes % 2 == 1 {
            from = at + 1;
        } else if body.get(at + 1) == Some(&quote) {
            from = at + 2;
        } else {
            return Some(at);
        }
    }
}

/// `E'..'`: PostgreSQL's string with escapes.
pub(crate) fn read_escaped(rest: &[u8]) -> Read<'_> {
    match rest {
        [_, b'\'', _, ..] => read(rest, b'\'', 2),
        _ => word::read(rest),
    }
}

/// `N'..'`, a string in the national character set, or Oracle's `nq'(..)'`.
pub(crate) fn read_national(rest: &[u8]) -> Read<'_> {
    match rest {
        [_, b'\'', _, ..] => read(rest, b'\'', 2),
        _ => read_oracle(rest, 1),
    }
}

/// `U&'..'`: a string with Unicode escapes.
pub(crate) fn read_unicode(rest: &[u8]) -> Read<'_> {
    if !matches!(rest, [_, b'&', b'\'', ..]) {
        return word::read(rest);
    }
    let (mut token, len) = read(rest, b'\'', 3);
    token.open = b'u';
    if token.close == b'\'' {
        token.close = b'u';
    }
    (token, len)
}

/// `q'(..)'`, where any byte may take the place of the parentheses; the `q` stands at `at`.
pub(crate) fn read_oracle(rest: &[u8], at: usize) -> Read<'_> {
    let Some([b'q' | b'Q', b'\'', opening @ b'!'..=0x7f, ..]) = rest.get(at..) else { return word::read(rest) };
    let closing = match opening {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        same => *same,
    };
    delimited(rest, at + 3, &[closing, b'\''], b'q')
}

/// A string without escapes, whose text begins at `skip`, up to a delimiter.
pub(crate) fn delimited<'a>(rest: &'a [u8], skip: usize, delimiter: &[u8], shown: u8) -> Read<'a> {
    let body = rest.get(skip..).unwrap_or_default();
    let end = delimiter.first().and_then(|&first| {
        memchr_iter(first, body).find(|&at| body.get(at..).is_some_and(|tail| tail.starts_with(delimiter)))
    });
    let mut token = Token::new(Kind::String, end.and_then(|end| body.get(..end)).unwrap_or(body));
    token.open = shown;
    token.close = if end.is_some() { shown } else { 0 };
    (token, end.map_or(rest.len(), |end| skip + end + delimiter.len()))
}

/// `B'0101'`: a number in bits.
pub(crate) fn read_bits(rest: &[u8]) -> Read<'_> {
    read_digits(rest, |byte| matches!(byte, b'0' | b'1'))
}

/// `X'ff'`: a number in hexadecimal.
pub(crate) fn read_hex(rest: &[u8]) -> Read<'_> {
    read_digits(rest, |byte| byte.is_ascii_hexdigit())
}

/// A quoted number; NUL passes for a digit, as in the C library.
fn read_digits(rest: &[u8], is_digit: impl Fn(u8) -> bool) -> Read<'_> {
    let [_, b'\'', body @ ..] = rest else { return word::read(rest) };
    let digits = body.iter().take_while(|&&byte| byte == 0 || is_digit(byte)).count();
    if body.get(digits) != Some(&b'\'') {
        return word::read(rest);
    }
    let len = digits + 3;
    (Token::new(Kind::Number, rest.get(..len).unwrap_or(rest)), len)
}
