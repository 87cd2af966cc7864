//! Cookies of a `Cookie` field (RFC 6265 section 4.2.1, read as leniently as servers read it).
//!
//! Pieces stand between `;`; spaces and tabs around names and values are dropped. A piece without `=` is a value
//! without a name (what browsers send for such a cookie) and is noted. Quotes around a whole value are dropped. Escapes are
//! decoded once, because most frameworks do; `+` is itself. Several `Cookie` fields (HTTP/2 splits them, RFC 9113
//! section 8.2.3) are one after another.

use crate::collector::{Collector, Full};
use crate::percent::{Plus, decode};
use crate::{Kind, Problem, ProblemCode};

/// Every cookie of `field` as `(name, value)`, trimmed but not decoded; the name is `None` where there is no `=`.
pub fn split(field: &[u8]) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> {
    field.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty()).map(|piece| {
        let halves = memchr::memchr(b'=', piece).and_then(|at| Some((piece.get(..at)?, piece.get(at + 1..)?)));
        halves.map_or((None, piece), |(name, value)| (Some(name.trim_ascii_end()), value.trim_ascii_start()))
    })
}

/// Adds every cookie of `field` and gives their number.
pub(crate) fn parse<'a>(field: &'a [u8], out: &mut Collector<'_, 'a>) -> Result<usize, Full> {
    let mut count = 0;
    for (name, value) in split(field) {
        count += 1;
        let at = out.next_value();
        if name.is_none() {
            out.note(Problem::new(ProblemCode::BadCookie, at));
        }
        let name = decode(name.unwrap_or_default(), Plus::Literal);
        let value = decode(unquote(value), Plus::Literal);
        if memchr::memchr(0, &name.bytes).or_else(|| memchr::memchr(0, &value.bytes)).is_some() {
            out.note(Problem::new(ProblemCode::NulByte, at));
        }
        out.push_flat(Kind::Cookie, name.bytes, value.bytes)?;
    }
    Ok(count)
}

fn unquote(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::flat;

    fn check(input: &str, expect: &[(&str, &str)], codes: &[ProblemCode]) {
        let found = flat(input.as_bytes(), |bytes, out| parse(bytes, out).map(|_| ()));
        let expect: Vec<_> = expect.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        assert_eq!((found.pairs, &found.codes[..]), (expect, codes), "{input}");
    }

    #[test]
    fn cookies() {
        check("", &[], &[]);
        check(" ; ;", &[], &[]);
        check("sid=abc; theme=dark", &[("sid", "abc"), ("theme", "dark")], &[]);
        check("sid=abc;theme=dark;", &[("sid", "abc"), ("theme", "dark")], &[]);
        check("a = b c ;\td=e", &[("a", "b c"), ("d", "e")], &[]);
        check("a=b=c", &[("a", "b=c")], &[]);
        check("a=\"b; c\"", &[("a", "\"b"), ("", "c\"")], &[ProblemCode::BadCookie]);
        check("a=\"b\"", &[("a", "b")], &[]);
        check("a=\"", &[("a", "\"")], &[]);
        check("a=%27%20OR+1", &[("a", "' OR+1")], &[]);
        check("a=%2527", &[("a", "%27")], &[]);
        check("a=100%", &[("a", "100%")], &[]);
        check("naked", &[("", "naked")], &[ProblemCode::BadCookie]);
        check("=v", &[("", "v")], &[]);
        check("a=%00", &[("a", "\0")], &[ProblemCode::NulByte]);
        check("a=1; a=2", &[("a", "1"), ("a", "2")], &[]);
    }

    proptest::proptest! {
        #[test]
        fn every_byte_but_separators_survives(field in "[a-z=; \"]{0,40}") {
            let letters = |bytes: &[u8]| bytes.iter().copied().filter(u8::is_ascii_lowercase).collect::<Vec<_>>();
            let found = flat(field.as_bytes(), |bytes, out| parse(bytes, out).map(|_| ()));
            let seen: Vec<u8> = found.pairs.iter().flat_map(|(n, v)| [letters(n), letters(v)].concat()).collect();
            proptest::prop_assert_eq!(seen, letters(field.as_bytes()));
        }
    }
}
