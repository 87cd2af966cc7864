//! `removeNulls` and `replaceNulls`: NUL bytes taken out, or turned to spaces.

pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr(0, input).is_none() {
        return false;
    }
    out.extend(input.iter().filter(|byte| **byte != 0));
    true
}

pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr(0, input).is_none() {
        return false;
    }
    out.extend(input.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
    true
}
