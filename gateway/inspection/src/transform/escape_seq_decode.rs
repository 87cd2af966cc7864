//! `escapeSeqDecode`: ANSI C escapes. What is no valid escape stays as it is, backslash and all.

use super::hex_pair;
use super::js_decode::{letter_escape, octal};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let length = match one(escape.get(1..).unwrap_or_default()) {
            Some((byte, length)) => {
                out.push(byte);
                changed = true;
                length
            }
            None => {
                out.push(b'\\');
                1
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

/// The byte that `rest` (what follows a backslash) stands for, and the length with the backslash.
fn one(rest: &[u8]) -> Option<(u8, usize)> {
    match rest {
        [b'x' | b'X', digits @ ..] => hex_pair(digits).map(|byte| (byte, 4)),
        [b'0'..=b'7', ..] => Some(three_octal(rest)),
        [same @ (b'\\' | b'?' | b'\'' | b'"'), ..] => Some((*same, 2)),
        [letter, ..] => letter_escape(*letter).map(|byte| (byte, 2)),
        [] => None,
    }
}

/// Up to three octal digits; the value is cut to a byte as C compilers' run time does.
fn three_octal(digits: &[u8]) -> (u8, usize) {
    if !matches!(digits, [b'4'..=b'7', b'0'..=b'7', b'0'..=b'7', ..]) {
        return octal(digits);
    }
    let value = digits.iter().take(3).fold(0u32, |value, digit| value << 3 | u32::from(digit - b'0'));
    ((value & 0xFF) as u8, 4)
}
