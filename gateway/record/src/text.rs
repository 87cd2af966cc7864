//! Bytes from the network as text that is safe to write, to read in a terminal and to search.
//!
//! One escape for every record: control bytes (C0, DEL, C1), bytes that are not UTF-8, and the characters that end a
//! line or turn the reading direction (U+2028, U+2029, U+202A..U+202E, U+2066..U+2069: "Trojan Source", CVE-2021-42574)
//! become `\xHH` byte by byte; a backslash becomes `\\`. So the original bytes can be had back, and a value cannot pass
//! for another. It never decides what may be shown: that is `redact`.

use std::fmt::Write as _;

/// Appends `bytes` escaped, at most `max_bytes` of them; what was left out is counted at the end: `…[+12 bytes]`.
pub fn escape_into(out: &mut String, bytes: &[u8], max_bytes: usize) {
    let shown = cut(bytes, max_bytes);
    out.reserve(shown.len());
    for chunk in shown.utf8_chunks() {
        escape_str(out, chunk.valid());
        escape_bytes(out, chunk.invalid());
    }
    count_left_out(out, bytes.len() - shown.len());
}

/// The escaped form of at most `max_bytes` of `bytes`, as [`escape_into`] writes it.
pub fn escape(bytes: &[u8], max_bytes: usize) -> String {
    let mut out = String::new();
    escape_into(&mut out, bytes, max_bytes);
    out
}

/// Makes a field safe that already is text: cuts it and escapes what must not be written, but leaves backslashes as they
/// are, so that a field which has been through [`escape`] is not escaped twice. Does nothing to most fields.
pub(crate) fn tame(field: &mut String, max_bytes: usize) {
    if !needs_taming(field, max_bytes) {
        return;
    }
    let shown = cut(field.as_bytes(), max_bytes).len();
    let mut out = String::with_capacity(shown);
    for c in field.get(..shown).unwrap_or(field).chars() {
        if is_odd(c) { escape_bytes(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()) } else { out.push(c) }
    }
    count_left_out(&mut out, field.len() - shown);
    *field = out;
}

/// Whether [`tame`] would change the field.
pub(crate) fn needs_taming(field: &str, max_bytes: usize) -> bool {
    field.len() > max_bytes || field.contains(is_odd)
}

/// The first `max_bytes`, or up to three fewer where that would cut a character in two.
fn cut(bytes: &[u8], max_bytes: usize) -> &[u8] {
    let Some(head) = bytes.get(..max_bytes) else { return bytes };
    let continues = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    if !continues(max_bytes) {
        return head;
    }
    let start = (1..=3.min(max_bytes)).map(|back| max_bytes - back).find(|&at| !continues(at));
    match start {
        Some(at) if at + first_character(bytes, at) > max_bytes => bytes.get(..at).unwrap_or(head),
        _ => head,
    }
}

/// The length in bytes of the character that begins at `at`; zero where none does.
fn first_character(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let first = rest.get(..4).unwrap_or(rest).utf8_chunks().next();
    first.and_then(|chunk| chunk.valid().chars().next()).map_or(0, char::len_utf8)
}

fn count_left_out(out: &mut String, bytes: usize) {
    if bytes > 0 {
        let _ = write!(out, "…[+{bytes} bytes]");
    }
}

fn escape_str(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|c| c == '\\' || is_odd(c)) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = from.chars();
        match chars.next() {
            Some('\\') => out.push_str("\\\\"),
            Some(odd) => escape_bytes(out, odd.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// What must not be written as it is: it would end a line, move a cursor or turn the reading direction.
pub(crate) fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn escape_bytes(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_odd_is_written_byte_by_byte() {
        fn check(bytes: &[u8], expect: &str) {
            assert_eq!(escape(bytes, 64), expect, "{bytes:?}");
        }
        check(b"1 UNION SELECT", "1 UNION SELECT");
        check("Zürich 東京".as_bytes(), "Zürich 東京");
        check(b"a\r\nb\x00\x1b[31m\x7f", r"a\x0D\x0Ab\x00\x1B[31m\x7F");
        check(br"..\..\etc", r"..\\..\\etc");
        check(br"\x00", r"\\x00");
        check(b"\xc0\xafetc\xff", r"\xC0\xAFetc\xFF");
        check("\u{9b}\u{202e}\u{2028}x".as_bytes(), r"\xC2\x9B\xE2\x80\xAE\xE2\x80\xA8x");
        check(b"", "");
    }

    #[test]
    fn a_cut_is_counted_and_keeps_characters_whole() {
        fn check(text: &str, max_bytes: usize, expect: &str) {
            assert_eq!(escape(text.as_bytes(), max_bytes), expect, "{text} at {max_bytes}");
        }
        check("abcdef", 6, "abcdef");
        check("abcdef", 4, "abcd…[+2 bytes]");
        check("abcdef", 0, "…[+6 bytes]");
        check("ab東京", 4, "ab…[+6 bytes]");
        check("ab東京", 5, "ab東…[+3 bytes]");
        check("a😀", 3, "a…[+4 bytes]");
    }

    #[test]
    fn a_cut_in_bytes_that_are_no_text_does_not_look_for_characters() {
        assert_eq!(escape(b"\x80\x80\x80\x80\x80\x80", 4), r"\x80\x80\x80\x80…[+2 bytes]");
        assert_eq!(escape(b"a\xe2\x80\x80\x80\x80", 4), "a\u{2000}…[+2 bytes]");
    }

    #[test]
    fn a_tamed_field_keeps_its_backslashes() {
        fn check(text: &str, expect: &str) {
            let mut field = text.to_owned();
            tame(&mut field, 8);
            assert_eq!(field, expect);
        }
        check(r"\x00", r"\x00");
        check("a\\\n", r"a\\x0A");
        check("ab\u{85}", r"ab\xC2\x85");
        check("123456東", "123456…[+3 bytes]");
    }

    fn unescape(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            (rest, ()) = match (first, tail.first()) {
                (b'\\', Some(b'\\')) => (&tail[1..], bytes.push(b'\\')),
                (b'\\', Some(b'x')) => {
                    let byte = u8::from_str_radix(std::str::from_utf8(&tail[1..3]).unwrap(), 16).unwrap();
                    (&tail[3..], bytes.push(byte))
                }
                _ => (tail, bytes.push(first)),
            };
        }
        bytes
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_odd_is_left(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = escape(&bytes, usize::MAX);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(unescape(&text), bytes);
        }

        #[test]
        fn a_cut_shows_a_beginning(text in "\\PC{0,40}", max_bytes in 0_usize..60) {
            let cut = escape(text.as_bytes(), max_bytes);
            let shown = cut.split("…[+").next().unwrap();
            prop_assert!(escape(text.as_bytes(), usize::MAX).starts_with(shown));
        }
    }
}
