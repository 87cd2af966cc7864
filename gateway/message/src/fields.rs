//! Header fields: each is a value, each is checked (RFC 9110 section 5).
//!
//! A `Cookie` field is not a value of its own: its cookies are. What a server in front of us should have refused
//! already (control bytes, names that are no tokens, framing that has two meanings) is looked for again, because heads
//! also come from replays and from HTTP/2.

use std::borrow::Cow;

use crate::collector::{Collector, Full};
use crate::{Aspect, At, Headers, Kind, Name, Problem, ProblemCode, Value, cookies};

/// The fields that may occur once, by their bit in [`Seen`].
const ONCE: [&str; 10] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "authorization",
    "content-encoding",
    "user-agent",
    "referer",
    "origin",
    "content-location",
];
const CONTENT_LENGTH: usize = 1;
const TRANSFER_ENCODING: usize = 3;

/// Which of [`ONCE`] have occurred.
#[derive(Default)]
struct Seen(u16);

impl Seen {
    /// Whether the field at `at` of [`ONCE`] had occurred before; now it has.
    fn again(&mut self, at: usize) -> bool {
        let before = self.has(at);
        self.0 |= 1 << at;
        before
    }

    fn has(&self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }
}

/// Adds every field of `headers`.
pub(crate) fn parse<'a>(headers: &Headers<'a>, out: &mut Collector<'_, 'a>) -> Result<(), Full> {
    let (mut seen, mut total, mut cookies) = (Seen::default(), 0, 0);
    for ((name, value), at) in headers.iter().zip(0..) {
        total += name.len() + value.len();
        check(name, value, At::Header(at), out);
        if let Some(once) = once(name)
            && seen.again(once)
        {
            out.note(Problem::new(ProblemCode::DuplicateHeader, At::Header(at)));
        }
        if name.eq_ignore_ascii_case(b"cookie") {
            cookies += cookies::parse(value, out)?;
            continue;
        }
        let (name, bytes) = (Name::Text(Cow::Borrowed(name)), Cow::Borrowed(value));
        out.push(Value { kind: Kind::Header, aspect: Aspect::Text, name, bytes })?;
    }
    if seen.has(CONTENT_LENGTH) && seen.has(TRANSFER_ENCODING) {
        out.note(Problem::new(ProblemCode::AmbiguousFraming, At::Headers));
    }
    out.bound("header_count", At::Headers, headers.len(), out.limits.header_count);
    out.bound("header_bytes", At::Headers, total, out.limits.header_bytes);
    out.bound("cookies", At::Cookies, cookies, out.limits.cookies);
    Ok(())
}

fn once(name: &[u8]) -> Option<usize> {
    let worth = matches!(name.len(), 4 | 6 | 7 | 10 | 12 | 13 | 14 | 16 | 17);
    if !worth {
        return None;
    }
    ONCE.iter().position(|known| known.len() == name.len() && name.eq_ignore_ascii_case(known.as_bytes()))
}

fn check(name: &[u8], value: &[u8], at: At, out: &mut Collector<'_, '_>) {
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        out.note(Problem::new(ProblemCode::BadHeaderName, at));
    }
    // Two passes without branches: the compiler makes vectors of them.
    let flag = |byte: u8| u8::from(byte < 0x20) & u8::from(byte != b'\t') | u8::from(byte == 0x7f);
    if value.iter().fold(0, |found, &byte| found | flag(byte)) != 0 {
        out.note(Problem::new(ProblemCode::BadHeaderValue, at));
    }
    if !value.is_ascii() {
        out.note(Problem::new(ProblemCode::HeaderObsText, at));
    }
    out.bound("header_length", at, name.len() + value.len(), out.limits.header_length);
}

/// RFC 9110 section 5.6.2 `tchar`.
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or_default()
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut byte = 0;
    while let Some((first, others)) = rest.split_first_mut() {
        *first = is_tchar(byte);
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Found, flat};

    fn parsed(fields: &[(&str, &[u8])]) -> Found {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        flat(b"", |_, out| parse(&Headers::new(&fields), out))
    }

    fn check(fields: &[(&str, &[u8])], expect: &[ProblemCode]) {
        assert_eq!(parsed(fields).codes, expect, "{fields:?}");
    }

    #[test]
    fn oddities() {
        use ProblemCode::*;
        check(&[("Host", b"a"), ("Accept", b"*/*"), ("X", b"\ta b")], &[]);
        check(&[("Host", b"a"), ("host", b"a")], &[DuplicateHeader]);
        check(&[("Accept", b"a"), ("accept", b"b")], &[]);
        check(&[("Content-Length", b"1"), ("Transfer-Encoding", b"chunked")], &[AmbiguousFraming]);
        check(&[("bad name", b"")], &[BadHeaderName]);
        check(&[("", b"x")], &[BadHeaderName]);
        check(&[("Xé", b"x")], &[BadHeaderName]);
        check(&[("X", b"a\r\n b")], &[BadHeaderValue]);
        check(&[("X", b"a\0b")], &[BadHeaderValue]);
        check(&[("X", b"a\x7f")], &[BadHeaderValue]);
        check(&[("X", b"caf\xe9")], &[HeaderObsText]);
    }

    #[test]
    fn cookies_stand_for_their_field() {
        let found = parsed(&[("Cookie", b"a=1; b=2"), ("X", b"y"), ("cookie", b"c=3")]);
        let names: Vec<_> = found.pairs.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        assert_eq!(names, ["a", "b", "X", "c"]);
    }

    #[test]
    fn limits() {
        let long = vec![b'x'; 17 << 10];
        assert_eq!(parsed(&[("X", &long)]).limits, [("header_length", (17 << 10) + 1, 16 << 10)]);
        let many: Vec<(&str, &[u8])> = vec![("X", b"y"); 101];
        assert_eq!(parsed(&many).limits, [("header_count", 101, 100)]);
        let cookies = "a=1;".repeat(129);
        assert_eq!(parsed(&[("Cookie", cookies.as_bytes())]).limits, [("cookies", 129, 128)]);
        let big = vec![b'x'; 15 << 10];
        assert_eq!(parsed(&[("X", &big[..]); 5]).limits, [("header_bytes", 5 * (1 + (15 << 10)), 64 << 10)]);
    }
}
