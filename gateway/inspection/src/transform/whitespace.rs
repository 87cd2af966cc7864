//! `removeWhitespace` and `compressWhitespace`. White space is C's, and byte 0xA0 (the no-break space of Latin-1).

use super::is_space;

const fn is_break(byte: u8) -> bool {
    is_space(byte) || byte == 0xA0
}

pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend(input.iter().filter(|byte| !is_break(**byte)));
    out.len() != input.len()
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut in_run = false;
    for byte in input {
        let space = is_break(*byte);
        if !(space && in_run) {
            out.push(if space { b' ' } else { *byte });
        }
        in_run = space;
    }
    out.as_slice() != input
}
