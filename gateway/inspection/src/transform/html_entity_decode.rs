//! `htmlEntityDecode`: `&#60;`, `&#x3c;` and the named references that matter. The semicolon may be missing.
//!
//! Numeric references give their low byte. Besides ModSecurity's five names (`quot`, `amp`, `lt`, `gt`, `nbsp`) those
//! are known that browsers turn into the punctuation of a script (`&colon;`, `&lpar;`, `&Tab;` ...); these need their
//! semicolon, as in HTML.

use super::hex_value;

/// Names that browsers accept without a semicolon too.
const LEGACY: [(&[u8], u8); 5] = [(b"quot", b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xA0)];

/// Names that need it.
const NAMED: [(&[u8], u8); 24] = [
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
    (b"excl", b'!'),
    (b"num", b'#'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"apos", b'\''),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"ast", b'*'),
    (b"plus", b'+'),
    (b"comma", b','),
    (b"period", b'.'),
    (b"sol", b'/'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"equals", b'='),
    (b"quest", b'?'),
    (b"lsqb", b'['),
    (b"lbrack", b'['),
    (b"bsol", b'\\'),
    (b"rsqb", b']'),
    (b"lbrace", b'{'),
    (b"rbrace", b'}'),
];

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (before, reference) = rest.split_at(at);
        out.extend_from_slice(before);
        let inside = reference.get(1..).unwrap_or_default();
        let (byte, length) = numeric(inside).or_else(|| named(inside)).map_or((b'&', 1), |(byte, n)| (byte, n + 1));
        out.push(byte);
        changed |= length > 1;
        rest = reference.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    changed
}

fn numeric(inside: &[u8]) -> Option<(u8, usize)> {
    let (digits, base, prefix) = match inside {
        [b'#', b'x' | b'X', digits @ ..] => (digits, 16, 2),
        [b'#', digits @ ..] => (digits, 10, 1),
        _ => return None,
    };
    let mut value: u32 = 0;
    let mut count = 0;
    for digit in digits {
        match hex_value(*digit) {
            Some(digit) if u32::from(digit) < base => value = value.wrapping_mul(base).wrapping_add(u32::from(digit)),
            _ => break,
        }
        count += 1;
    }
    if count == 0 {
        return None;
    }
    let [.., low] = value.to_be_bytes();
    let semicolon = usize::from(digits.get(count) == Some(&b';'));
    Some((low, prefix + count + semicolon))
}

fn named(inside: &[u8]) -> Option<(u8, usize)> {
    let length = inside.iter().take(8).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let name = inside.get(..length)?;
    let closed = inside.get(length) == Some(&b';');
    if let Some((_, byte)) = LEGACY.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
        return Some((*byte, length + usize::from(closed)));
    }
    if !closed {
        return None;
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, byte)| (*byte, length + 1))
}
