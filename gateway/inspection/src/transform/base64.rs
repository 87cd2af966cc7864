//! `base64Decode`, `base64DecodeExt` and `base64Encode` (RFC 4648, section 4).
//!
//! Attackers send base64 that strict decoders refuse, so these never refuse: the plain form decodes up to the first
//! byte that is none, the extended one (RFC 2045, section 6.8) steps over such bytes. Padding ends both.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(STANDARD.encode(input).as_bytes());
    !input.is_empty()
}

pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = input.iter().map_while(|byte| sextet(*byte));
    collect(digits, out);
    !input.is_empty()
}

pub(super) fn decode_ext(input: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = input.iter().take_while(|byte| **byte != b'=').filter_map(|byte| sextet(*byte));
    collect(digits, out);
    !input.is_empty()
}

fn collect(digits: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let (mut bits, mut held) = (0u32, 0u32);
    for digit in digits {
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            // The mask makes the cut to a byte exact.
            out.push((bits >> held & 0xFF) as u8);
            bits &= (1 << held) - 1;
        }
    }
}

const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
