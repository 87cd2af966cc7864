//! `cssDecode`: CSS 2.1 escapes (section 4.1.3). One to six hexadecimal digits give their low byte (full-width forms
//! their ASCII character) and swallow one white space; before a line feed the backslash goes with it; before anything
//! else it only goes.

use super::{hex_value, is_space, narrow};

/// Digits of one escape.
const MAX_DIGITS: usize = 6;

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        changed = true;
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let (byte, length) = one(escape.get(1..).unwrap_or_default());
        out.extend(byte);
        rest = escape.get(length + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

/// What follows a backslash: the byte, if any, and how much of it the escape takes.
fn one(rest: &[u8]) -> (Option<u8>, usize) {
    let digits = rest.iter().take(MAX_DIGITS).take_while(|byte| hex_value(**byte).is_some()).count();
    if digits == 0 {
        return match rest.first() {
            None => (None, 0),
            Some(b'\n') => (None, 1),
            Some(byte) => (Some(*byte), 1),
        };
    }
    let code = rest.iter().take(digits).fold(0u32, |code, byte| code << 4 | u32::from(hex_value(*byte).unwrap_or(0)));
    let space = usize::from(rest.get(digits).is_some_and(|byte| is_space(*byte)));
    (Some(code_to_byte(code)), digits + space)
}

const fn code_to_byte(code: u32) -> u8 {
    let [_, plane, high, low] = code.to_be_bytes();
    if plane == 0 { narrow(high, low) } else { low }
}
