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
///
/// ModSecurity copies the byte after a comment without looking at it, the C string's NUL at the end of the value too,
/// and leaves a space for a comment that does not end; rule sets were written against that, so it is kept.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = input;
    loop {
        let inside = match rest {
            [] | [b'-', b'-', ..] | [b'#', ..] => break,
            [b'/', b'*', inside @ ..] | [b'<', b'!', b'-', b'-', inside @ ..] => inside,
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
                continue;
            }
        };
        let Some(after) = after_comment(inside) else {
            out.push(b' ');
            break;
        };
        out.push(after.first().copied().unwrap_or(0));
        rest = after.get(1..).unwrap_or_default();
    }
    out.as_slice() != input
}

/// What follows the first `*/` or `-->`: either ends either kind of comment.
fn after_comment(inside: &[u8]) -> Option<&[u8]> {
    let ends = [b"*/".as_slice(), b"-->"].map(|end| memchr::memmem::find(inside, end).map(|at| at + end.len()));
    inside.get(ends.into_iter().flatten().min()?..)
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
