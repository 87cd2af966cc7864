//! `cssDecode`: CSS escapes (CSS Syntax Level 3, section 4.3.7). One to six hexadecimal digits give their code point in
//! UTF-8 (full-width forms their ASCII character; zero, surrogates and what is beyond Unicode U+FFFD) and swallow one
//! white space; before a line end the backslash goes with it; before anything else only the backslash goes.

use super::{hex_value, is_space};

/// Digits of one escape.
const MAX_DIGITS: usize = 6;

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        changed = true;
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let length = one(escape.get(1..).unwrap_or_default(), out);
        rest = escape.get(length + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

/// Writes what the escape stands for; how many bytes after the backslash it takes.
fn one(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let digits = rest.iter().take(MAX_DIGITS).take_while(|byte| hex_value(**byte).is_some()).count();
    if digits == 0 {
        return match rest {
            [] => 0,
            [b'\r', b'\n', ..] => 2,
            [b'\n' | 0x0C | b'\r', ..] => 1,
            [byte, ..] => {
                out.push(*byte);
                1
            }
        };
    }
    let code = rest.iter().take(digits).fold(0u32, |code, byte| code << 4 | u32::from(hex_value(*byte).unwrap_or(0)));
    let mut buffer = [0; 4];
    out.extend_from_slice(character(code).encode_utf8(&mut buffer).as_bytes());
    digits + usize::from(rest.get(digits).is_some_and(|byte| is_space(*byte)))
}

fn character(code: u32) -> char {
    let narrow = if (0xFF01..=0xFF5E).contains(&code) { code - 0xFEE0 } else { code };
    char::from_u32(narrow).filter(|character| *character != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
}
