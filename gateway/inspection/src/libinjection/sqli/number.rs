//! Numbers in the forms of all servers, and what starts with a dollar sign.

use super::token::{Kind, Token};
use super::tokeniser::{Read, is_white};
use super::{operator, string, word};

/// An integer, decimal, float, hexadecimal (`0x1f`) or binary (`0b01`) number, or a dot.
pub(crate) fn read(rest: &[u8]) -> Read<'_> {
    let radix = match rest {
        [b'0', b'x' | b'X', digits @ ..] => Some(spanned(digits, |byte| byte.is_ascii_hexdigit())),
        [b'0', b'b' | b'B', digits @ ..] => Some(spanned(digits, |byte| matches!(byte, b'0' | b'1'))),
        _ => None,
    };
    if let Some(digits) = radix {
        let kind = if digits == 0 { Kind::Bareword } else { Kind::Number };
        return token(kind, rest, 2 + digits);
    }
    let mut len = decimal_digits(rest, 0);
    if rest.get(len) == Some(&b'.') {
        len = decimal_digits(rest, len + 1);
        if len == 1 {
            return operator::read_mark(Kind::Dot, rest);
        }
    }
    let (len, lacks_exponent) = exponent(rest, len);
    let len = if has_suffix(rest.get(len..).unwrap_or_default()) { len + 1 } else { len };
    // `1e` is a name, not a number.
    token(if lacks_exponent { Kind::Bareword } else { Kind::Number }, rest, len)
}

/// Past `e+10`; and whether there was an `e` without digits.
fn exponent(rest: &[u8], len: usize) -> (usize, bool) {
    if !matches!(rest.get(len), Some(b'e' | b'E')) {
        return (len, false);
    }
    let digits = len + 1 + usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
    let end = decimal_digits(rest, digits);
    (end, end == digits)
}

/// Oracle's `1.5d` and `1.5f`, where something follows that ends a number (or `UNION`, so that `1fUNION` is caught).
fn has_suffix(tail: &[u8]) -> bool {
    match tail {
        [b'd' | b'D' | b'f' | b'F'] => true,
        [b'd' | b'D' | b'f' | b'F', next, ..] => is_white(*next) || matches!(next, b';' | b'u' | b'U'),
        _ => false,
    }
}

/// `$1,000.00`, PostgreSQL's strings `$$..$$` and `$tag$..$tag$`, or a dollar sign.
pub(crate) fn read_money(rest: &[u8]) -> Read<'_> {
    let body = rest.get(1..).unwrap_or_default();
    match spanned(body, |byte| matches!(byte, b'0'..=b'9' | b'.' | b',')) {
        0 => read_dollar_string(rest, body),
        1 if body.first() == Some(&b'.') => word::read(rest),
        digits => token(Kind::Number, rest, 1 + digits),
    }
}

fn read_dollar_string<'a>(rest: &'a [u8], body: &[u8]) -> Read<'a> {
    let delimiter_len = spanned(body, |byte| byte.is_ascii_alphabetic()) + 2;
    match rest.get(..delimiter_len) {
        Some(delimiter @ [.., b'$']) => string::delimited(rest, delimiter_len, delimiter, b'$'),
        _ => operator::read_mark(Kind::Bareword, rest),
    }
}

/// How many bytes are of a set; NUL is of every set, as in the C library.
fn spanned(bytes: &[u8], of_set: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| byte == 0 || of_set(byte)).count()
}

/// Where the digits that begin at `from` end.
fn decimal_digits(rest: &[u8], from: usize) -> usize {
    from + rest.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count()
}

fn token(kind: Kind, rest: &[u8], len: usize) -> Read<'_> {
    (Token::new(kind, rest.get(..len).unwrap_or(rest)), len)
}
