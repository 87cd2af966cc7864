//! Charsets: a body is made UTF-8 where that is certain, and said to be unreadable where it is not.
//!
//! UTF-8, US-ASCII, ISO-8859-1 and windows-1252 (read as ISO-8859-1 above 0x9f), UTF-16 and UTF-32 in both byte orders
//! are understood. UTF-7, EBCDIC and everything else is not guessed at: such charsets are known for hiding text from
//! inspection, and a backend that takes them needs a profile that says so. JSON without a charset that starts like UTF-16
//! or UTF-32 is read as such (RFC 4627 section 3; RFC 8259 knows UTF-8 alone).

use std::borrow::Cow;

/// A charset as declared or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    Latin1,
    Utf16Be,
    Utf16Le,
    Utf32Be,
    Utf32Le,
    Unknown,
}

impl Charset {
    /// The charset of this label, without case. `utf-16` and `utf-32` without an order are big-endian (RFC 2781 section
    /// 4.3) unless a byte order mark says else.
    pub(crate) fn of(label: &[u8]) -> Self {
        match label.trim_ascii().to_ascii_lowercase().as_slice() {
            b"utf-8" | b"utf8" | b"us-ascii" | b"ascii" => Self::Utf8,
            b"iso-8859-1" | b"iso8859-1" | b"latin1" | b"l1" | b"windows-1252" | b"cp1252" => Self::Latin1,
            b"utf-16" | b"utf16" | b"utf-16be" => Self::Utf16Be,
            b"utf-16le" => Self::Utf16Le,
            b"utf-32" | b"utf32" | b"utf-32be" => Self::Utf32Be,
            b"utf-32le" => Self::Utf32Le,
            _ => Self::Unknown,
        }
    }

    /// The charset that a byte order mark names, and the mark's length.
    pub(crate) fn of_mark(bytes: &[u8]) -> Option<(Self, usize)> {
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => Some((Self::Utf8, 3)),
            [0xff, 0xfe, 0, 0, ..] => Some((Self::Utf32Le, 4)),
            [0, 0, 0xfe, 0xff, ..] => Some((Self::Utf32Be, 4)),
            [0xff, 0xfe, ..] => Some((Self::Utf16Le, 2)),
            [0xfe, 0xff, ..] => Some((Self::Utf16Be, 2)),
            _ => None,
        }
    }

    /// The charset that the zero bytes of a text of ASCII letters give away (RFC 4627 section 3).
    pub(crate) fn of_zeros(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0, 0, 0, 1..=255, ..] => Some(Self::Utf32Be),
            [1..=255, 0, 0, 0, ..] => Some(Self::Utf32Le),
            [0, 1..=255, 0, 1..=255, ..] | [0, 1..=255] => Some(Self::Utf16Be),
            [1..=255, 0, 1..=255, 0, ..] | [1..=255, 0] => Some(Self::Utf16Le),
            _ => None,
        }
    }
}

/// `bytes` in UTF-8, and whether they were valid; what does not fit becomes U+FFFD. UTF-8 itself is only checked,
/// and an unknown charset is left alone.
pub(crate) fn to_utf8(charset: Charset, bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    match charset {
        Charset::Unknown => (Cow::Borrowed(bytes), true),
        Charset::Utf8 => (Cow::Borrowed(bytes), std::str::from_utf8(bytes).is_ok()),
        Charset::Latin1 if bytes.is_ascii() => (Cow::Borrowed(bytes), true),
        Charset::Latin1 => {
            let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
            (Cow::Owned(text.into_bytes()), true)
        }
        Charset::Utf16Be => utf16(bytes, u16::from_be_bytes),
        Charset::Utf16Le => utf16(bytes, u16::from_le_bytes),
        Charset::Utf32Be => utf32(bytes, u32::from_be_bytes),
        Charset::Utf32Le => utf32(bytes, u32::from_le_bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (Cow<'_, [u8]>, bool) {
    let (units, rest) = bytes.as_chunks::<2>();
    let letters = char::decode_utf16(units.iter().map(|&pair| unit(pair))).map(Result::ok);
    collect(letters, rest.is_empty(), bytes.len())
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> (Cow<'_, [u8]>, bool) {
    let (units, rest) = bytes.as_chunks::<4>();
    collect(units.iter().map(|&four| char::from_u32(unit(four))), rest.is_empty(), bytes.len())
}

fn collect<'a>(letters: impl Iterator<Item = Option<char>>, mut valid: bool, len: usize) -> (Cow<'a, [u8]>, bool) {
    let mut text = String::with_capacity(len);
    for letter in letters {
        valid &= letter.is_some();
        text.push(letter.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    (Cow::Owned(text.into_bytes()), valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(charset: Charset, bytes: &[u8], expect: &str, valid: bool) {
        let (text, fits) = to_utf8(charset, bytes);
        assert_eq!((String::from_utf8_lossy(&text).as_ref(), fits), (expect, valid), "{charset:?} {bytes:?}");
    }

    #[test]
    fn conversions() {
        check(Charset::Utf8, b"a\xc3\xa9", "aé", true);
        check(Charset::Latin1, b"a\xe9", "aé", true);
        check(Charset::Utf16Be, b"\0a\x00\xe9\xd8\x3d\xde\x00", "aé😀", true);
        check(Charset::Utf16Le, b"a\0\xe9\0", "aé", true);
        check(Charset::Utf16Le, b"a\0b", "a", false);
        check(Charset::Utf16Be, b"\xd8\x00\0a", "\u{fffd}a", false);
        check(Charset::Utf32Be, b"\0\0\0a", "a", true);
        check(Charset::Utf32Le, b"\0\xd8\0\0", "\u{fffd}", false);
        assert!(!to_utf8(Charset::Utf8, b"\xc0\xae").1);
    }

    #[test]
    fn labels() {
        assert_eq!(Charset::of(b" UTF-8 "), Charset::Utf8);
        assert_eq!(Charset::of(b"utf-7"), Charset::Unknown);
        assert_eq!(Charset::of(b"ibm037"), Charset::Unknown);
        assert_eq!(Charset::of(b""), Charset::Unknown);
    }

    proptest::proptest! {
        #[test]
        fn every_text_comes_back(text: String) {
            let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let be: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
            proptest::prop_assert_eq!(to_utf8(Charset::Utf16Le, &le), (Cow::Owned(text.clone().into_bytes()), true));
            proptest::prop_assert_eq!(to_utf8(Charset::Utf32Be, &be), (Cow::Owned(text.into_bytes()), true));
        }
    }
}
