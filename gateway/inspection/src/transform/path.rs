//! `normalizePath` and `normalizePathWin`: repeated slashes, `/./` and `/x/../` resolved, as ModSecurity has it.
//!
//! Unlike RFC 3986 a relative path stays relative (`..` at its start is kept), and a slash at the end stays.

pub(super) fn unix(input: &[u8], out: &mut Vec<u8>) -> bool {
    normalize(input, out);
    out.as_slice() != input
}

pub(super) fn windows(input: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr(b'\\', input).is_none() {
        return unix(input, out);
    }
    let slashes: Vec<u8> = input.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    normalize(&slashes, out);
    true
}

fn normalize(input: &[u8], out: &mut Vec<u8>) {
    let absolute = input.first() == Some(&b'/');
    if absolute {
        out.push(b'/');
    }
    // Start of each kept segment that a later `..` may take back.
    let mut starts: Vec<usize> = Vec::new();
    for segment in input.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => up(&mut starts, absolute, out),
            name => {
                starts.push(out.len());
                push(name, out);
            }
        }
    }
    if input.ends_with(b"/") && !out.is_empty() && out.last() != Some(&b'/') {
        out.push(b'/');
    }
}

fn up(starts: &mut Vec<usize>, absolute: bool, out: &mut Vec<u8>) {
    if let Some(start) = starts.pop() {
        out.truncate(start);
    } else if !absolute {
        push(b"..", out);
    }
}

fn push(name: &[u8], out: &mut Vec<u8>) {
    if !out.is_empty() && out.last() != Some(&b'/') {
        out.push(b'/');
    }
    out.extend_from_slice(name);
}
