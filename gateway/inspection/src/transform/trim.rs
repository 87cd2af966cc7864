//! `trim`, `trimLeft`, `trimRight`: white space (C's) off the ends.

use super::is_space;

pub(super) fn left(input: &[u8], out: &mut Vec<u8>) -> bool {
    keep(input, start(input), input.len(), out)
}

pub(super) fn right(input: &[u8], out: &mut Vec<u8>) -> bool {
    keep(input, 0, end(input), out)
}

pub(super) fn both(input: &[u8], out: &mut Vec<u8>) -> bool {
    keep(input, start(input), end(input), out)
}

fn start(input: &[u8]) -> usize {
    input.iter().position(|byte| !is_space(*byte)).unwrap_or(input.len())
}

fn end(input: &[u8]) -> usize {
    input.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1)
}

fn keep(input: &[u8], start: usize, end: usize, out: &mut Vec<u8>) -> bool {
    let kept = input.get(start..end).unwrap_or_default();
    if kept.len() == input.len() {
        return false;
    }
    out.extend_from_slice(kept);
    true
}
