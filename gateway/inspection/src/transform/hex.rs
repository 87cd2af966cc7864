//! `hexEncode` and `hexDecode`.

use super::hex_value;

pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    for byte in input {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0F));
    }
    !input.is_empty()
}

const fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Pairs of digits; an odd last one is dropped, and a value with anything else in it stays as it is.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    for pair in input.chunks_exact(2) {
        let [high, low] = pair else { return false };
        let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else { return false };
        out.push(high << 4 | low);
    }
    !input.is_empty()
}
