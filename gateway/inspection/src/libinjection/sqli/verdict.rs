//! From a fingerprint to a verdict: known fingerprints are attacks, except where short ones are also what people write.

use memchr::memmem;

use super::fold::Folded;
use super::token::{Kind, Token};
use super::words;

/// Whether a value that was folded so is an attack.
pub(crate) fn is_attack(fingerprint: &[u8], folded: &Folded<'_>, input: &[u8]) -> bool {
    if !words::is_attack(fingerprint) {
        return false;
    }
    // SQL Server leaves statements with `sp_password` out of its log, so attackers put it into a comment.
    if let [_, .., b'c'] = fingerprint
        && memmem::find(input, b"sp_password").is_some()
    {
        return true;
    }
    match (fingerprint, folded.tokens()) {
        ([_, _], [first, second]) => is_attack_of_two(first, second, folded.count, input),
        ([_, _, _], [first, second, third]) => is_attack_of_three(fingerprint, [first, second, third], folded.count),
        _ => true,
    }
}

fn is_attack_of_two(first: &Token<'_>, second: &Token<'_>, count: u32, input: &[u8]) -> bool {
    // `1 union` is text when there was nothing else to fold.
    if second.kind == Kind::Union {
        return count != 2;
    }
    // A hash is more often text than a comment.
    if second.first() == b'#' {
        return false;
    }
    if second.kind == Kind::Comment {
        match first.kind {
            Kind::Bareword if second.first() != b'/' => return false,
            // `1*1--` was folded: text is not.
            Kind::Number => return second.first() == b'/' || count > 2 || ends_after(first, input),
            _ => {}
        }
    }
    // People write `--` within text; an attack ends with it.
    !(second.text.len() > 2 && second.first() == b'-')
}

/// Whether white space or a comment follows the number that the value begins with, as in `1234--`.
///
/// As in the C library bytes from 128 on and the end of the value count as white space, and a number that does not stand
/// at the very beginning is looked for there all the same (so that a space before it hides it).
fn ends_after(number: &Token<'_>, input: &[u8]) -> bool {
    match input.get(number.text.len()..) {
        None | Some([]) => true,
        Some([next, ..]) if *next <= b' ' || *next >= 0x80 => true,
        Some(tail) => tail.starts_with(b"/*") || tail.starts_with(b"--"),
    }
}

fn is_attack_of_three(fingerprint: &[u8], tokens: [&Token<'_>; 3], count: u32) -> bool {
    let [first, second, third] = tokens;
    match fingerprint {
        // `foo' + 'bar`: strings that the value neither opens nor closes, with the same quote between them.
        b"sos" | b"s&s" => first.open == 0 && third.close == 0 && first.close == third.open,
        // `sexy and 17` is text, `sexy and 17<18` is not.
        b"s&n" | b"n&1" | b"1&1" | b"1&v" | b"1&s" => count != 3,
        // Of keywords only `INTO OUTFILE` and `INTO DUMPFILE` attack.
        _ if second.kind == Kind::Keyword => {
            second.text.len() > 4 && second.text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"INTO"))
        }
        _ => true,
    }
}
