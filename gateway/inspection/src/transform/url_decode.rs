//! `urlDecode` and `urlDecodeUni`: percent decoding as ModSecurity has it. An escape that is none stays as it is. A
//! `%uHHHH` becomes the ASCII character that Windows takes for the best fit of code page 20127 (that is how `%u2019`
//! reaches a database as a quote), otherwise its low byte.
//!
//! Example: `SecRule ARGS "@rx select" "id:1,phase:2,t:urlDecodeUni"` sees `select` in `%73elect` and `%u0073elect`.

use super::best_fit::best_fit;
use super::hex_pair;

/// `%HH` and `+`.
pub(super) fn plain(input: &[u8], out: &mut Vec<u8>) -> bool {
    decode(input, out, false)
}

/// `%HH`, `%uHHHH` and `+`.
pub(super) fn unicode(input: &[u8], out: &mut Vec<u8>) -> bool {
    decode(input, out, true)
}

fn decode(input: &[u8], out: &mut Vec<u8>, unicode: bool) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr2(b'%', b'+', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let (byte, length) = one(escape, unicode);
        out.push(byte);
        changed |= length > 1 || byte == b' ';
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

/// The byte that `escape` begins with, and how many bytes stood for it.
fn one(escape: &[u8], unicode: bool) -> (u8, usize) {
    match escape {
        [b'+', ..] => (b' ', 1),
        [b'%', b'u' | b'U', digits @ ..] if unicode => code_point(digits).map_or((b'%', 1), |byte| (byte, 6)),
        [b'%', digits @ ..] => hex_pair(digits).map_or((b'%', 1), |byte| (byte, 3)),
        _ => (b'%', 1),
    }
}

/// The byte for four hexadecimal digits.
fn code_point(digits: &[u8]) -> Option<u8> {
    let (high, low) = (hex_pair(digits)?, hex_pair(digits.get(2..)?)?);
    Some(best_fit(u16::from_be_bytes([high, low])).unwrap_or(low))
}
