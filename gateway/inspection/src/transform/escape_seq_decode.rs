//! `escapeSeqDecode`: ANSI C escapes. Where none is valid the backslash goes and the byte after it stays.

use super::hex_pair;
use super::js_decode::{letter_escape, octal};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let (byte, length) = one(escape.get(1..).unwrap_or_default());
        out.push(byte);
        changed |= length > 1;
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

/// The byte that `rest` (what follows a backslash) stands for, and the length with the backslash.
fn one(rest: &[u8]) -> (u8, usize) {
    match rest {
        [] => (b'\\', 1),
        [x @ (b'x' | b'X'), digits @ ..] => hex_pair(digits).map_or((*x, 2), |byte| (byte, 4)),
        [b'0'..=b'7', ..] => three_octal(rest),
        [letter, ..] => (letter_escape(*letter).unwrap_or(*letter), 2),
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
