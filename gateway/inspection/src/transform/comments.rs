//! `replaceComments`, `removeComments`, `removeCommentsChar`: comments of SQL, C, HTML and shells.

/// Each `/* ... */` becomes one space; one that does not end becomes a space and takes the rest. A lone `*/` stays.
pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memmem::find(rest, b"/*") {
        changed = true;
        let (before, comment) = rest.split_at(at);
        out.extend_from_slice(before);
        out.push(b' ');
        let inside = comment.get(2..).unwrap_or_default();
        rest = match memchr::memmem::find(inside, b"*/") {
            Some(end) => inside.get(end + 2..).unwrap_or_default(),
            None => &[],
        };
    }
    out.extend_from_slice(rest);
    changed
}

/// Takes `/* ... */` and `<!-- ... -->` out, and `--` or `#` with all that follows.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = input;
    loop {
        let (close, skip): (&[u8], usize) = match rest {
            [] => break,
            [b'/', b'*', ..] => (b"*/", 2),
            [b'<', b'!', b'-', b'-', ..] => (b"-->", 4),
            [b'-', b'-', ..] | [b'#', ..] => break,
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
                continue;
            }
        };
        let inside = rest.get(skip..).unwrap_or_default();
        let Some(end) = memchr::memmem::find(inside, close) else {
            // ModSecurity: an unfinished comment leaves a space and takes the rest.
            out.push(b' ');
            break;
        };
        rest = inside.get(end + close.len()..).unwrap_or_default();
    }
    out.as_slice() != input
}

/// Takes only the characters out that open and close comments.
pub(super) fn remove_char(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = input;
    loop {
        rest = match rest {
            [] => break,
            [b'<', b'!', b'-', b'-', after @ ..]
            | [b'-', b'-', b'>', after @ ..]
            | [b'/', b'*', after @ ..]
            | [b'*', b'/', after @ ..]
            | [b'-', b'-', after @ ..]
            | [b'#', after @ ..] => after,
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
    out.len() != input.len()
}
