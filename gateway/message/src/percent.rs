//! Percent-decoding (RFC 3986 section 2.1), the only decoding that paths, queries, forms and cookies share.

use std::borrow::Cow;

/// What a `+` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// Itself.
    Literal,
    /// A space (forms and queries).
    Space,
}

/// Decoded bytes, and whether a `%` started no escape (it was kept as it is).
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The bytes that the escapes stand for.
    pub bytes: Cow<'a, [u8]>,
    /// Whether a `%` started no escape.
    pub invalid: bool,
}

/// RFC 3986 `unreserved`.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The byte that the two digits at the start of `after_percent` make, and what follows them.
pub(crate) fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = after_percent else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, rest))
}

/// The value of a hexadecimal digit.
pub(crate) const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Writes `byte` as an escape with digits in upper case.
pub(crate) fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
}

/// Whether a decoder would find an escape in `bytes`: `%41`, or the `%u0041` that some servers take.
pub fn has_escape(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'%', bytes).any(|at| match bytes.get(at + 1..).unwrap_or_default() {
        [b'u' | b'U', a, b, c, d, ..] => [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit),
        rest => escape(rest).is_some(),
    })
}

/// Decodes every escape once; a `%` that starts none stays. Borrows where there is nothing to decode.
pub fn decode(bytes: &[u8], plus: Plus) -> Decoded<'_> {
    let first = match plus {
        Plus::Literal => memchr::memchr(b'%', bytes),
        Plus::Space => memchr::memchr2(b'%', b'+', bytes),
    };
    match first.and_then(|at| bytes.split_at_checked(at)) {
        Some((before, rest)) => decode_from(before, rest, plus, bytes.len()),
        None => Decoded { bytes: Cow::Borrowed(bytes), invalid: false },
    }
}

fn decode_from<'a>(before: &[u8], mut rest: &[u8], plus: Plus, capacity: usize) -> Decoded<'a> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(before);
    let mut invalid = false;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let found = escape(tail);
                invalid |= found.is_none();
                let (value, after) = found.unwrap_or((b'%', tail));
                out.push(value);
                rest = after;
            }
            b'+' if plus == Plus::Space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    Decoded { bytes: Cow::Owned(out), invalid }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, plus: Plus, expect: &[u8], invalid: bool) {
        let got = decode(input.as_bytes(), plus);
        assert_eq!((&*got.bytes, got.invalid), (expect, invalid), "{input}");
    }

    #[test]
    fn decodes_once() {
        check("plain", Plus::Space, b"plain", false);
        check("a+b", Plus::Space, b"a b", false);
        check("a+b", Plus::Literal, b"a+b", false);
        check("%41%6a%6A", Plus::Literal, b"Ajj", false);
        check("%2541", Plus::Literal, b"%41", false);
        check("%", Plus::Literal, b"%", true);
        check("%4", Plus::Literal, b"%4", true);
        check("%zz%41", Plus::Literal, b"%zzA", true);
        check("%%41", Plus::Literal, b"%A", true);
        check("%00%ff", Plus::Literal, b"\x00\xff", false);
    }

    #[test]
    fn borrows_when_nothing_is_encoded() {
        assert!(matches!(decode(b"abc", Plus::Space).bytes, Cow::Borrowed(_)));
        assert!(matches!(decode(b"a+c", Plus::Literal).bytes, Cow::Borrowed(_)));
    }

    #[test]
    fn escapes_are_found() {
        assert!(has_escape(b"a%41"));
        assert!(has_escape(b"%%41"));
        assert!(has_escape(b"%u0041"));
        assert!(!has_escape(b"100% of%zz%u00"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_comes_back(bytes: Vec<u8>) {
            let mut encoded = Vec::new();
            for &byte in &bytes { push_escape(&mut encoded, byte); }
            proptest::prop_assert_eq!(decode(&encoded, Plus::Space).bytes.into_owned(), bytes);
        }
    }
}
