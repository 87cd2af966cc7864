//! `utf8toUnicode`: every multi-byte UTF-8 sequence to `%uHHHH` (at least four digits), so that rules for Unicode
//! evasions need one form only.
//!
//! Lenient decoders are what attackers write for, so this is one, as ModSecurity's is: overlong forms and surrogates are
//! converted too (`C0 AF` is `%u002f`, and its first byte follows as a mark), a first byte whose continuation is missing
//! is dropped (`etc\xC0/passwd` is `etc/passwd`), and only bytes that begin nothing stay.

use std::io::Write as _;

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    if input.is_ascii() {
        return false;
    }
    let mut rest = input;
    while let Some((&first, after)) = rest.split_first() {
        let length = match first {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            // ASCII, a continuation without a beginning, or a byte of no form.
            _ => {
                out.push(first);
                rest = after;
                continue;
            }
        };
        if first >= 0xF5 {
            out.push(first);
        }
        let Some(point) = decode(first, after.get(..length - 1)) else {
            rest = after;
            continue;
        };
        // Writing to a vector cannot fail.
        let _ = write!(out, "%u{point:04x}");
        if matches!(point, 0xD800..=0xDFFF) {
            out.push(first);
        }
        let least = match length {
            2 => 0x80,
            3 => 0x800,
            _ => 0x1_0000,
        };
        if point < least {
            out.push(first);
        }
        rest = after.get(length - 1..).unwrap_or_default();
    }
    out != input
}

/// The number that the bytes stand for; `None` where one of them continues nothing.
fn decode(first: u8, continuation: Option<&[u8]>) -> Option<u32> {
    let continuation = continuation?;
    let bits = u32::from(first) & (0x3F >> continuation.len());
    continuation.iter().try_fold(bits, |point, byte| (byte & 0xC0 == 0x80).then(|| point << 6 | u32::from(byte & 0x3F)))
}
