//! `jsDecode`: escapes of ECMAScript strings. `\uHHHH` gives its low byte (full-width forms their ASCII character).

use super::{hex_pair, hex_quad};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let (byte, length) = one(escape);
        out.push(byte);
        changed |= length > 1;
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

/// The byte that the escape at the start stands for, and the escape's length. A lone backslash at the end stays.
fn one(escape: &[u8]) -> (u8, usize) {
    let rest = escape.get(1..).unwrap_or_default();
    match rest {
        [] => (b'\\', 1),
        [b'u', digits @ ..] => hex_quad(digits).map_or((b'u', 2), |byte| (byte, 6)),
        [b'x', digits @ ..] => hex_pair(digits).map_or((b'x', 2), |byte| (byte, 4)),
        [b'0'..=b'7', ..] => octal(rest),
        [letter, ..] => (letter_escape(*letter).unwrap_or(*letter), 2),
    }
}

/// One to three octal digits; three only where they fit a byte.
pub(super) fn octal(digits: &[u8]) -> (u8, usize) {
    let longest = if matches!(digits.first(), Some(b'0'..=b'3')) { 3 } else { 2 };
    let mut value: u8 = 0;
    let mut length = 0;
    for digit in digits.iter().take(longest).take_while(|digit| matches!(digit, b'0'..=b'7')) {
        value = value << 3 | (digit - b'0');
        length += 1;
    }
    (value, length + 1)
}

/// The control character of a one-letter escape.
pub(super) const fn letter_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        _ => return None,
    })
}
