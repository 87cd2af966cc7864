//! Query strings and urlencoded forms (WHATWG URL section 5.1): `name=value` pairs between `&`.
//!
//! `+` is a space and every escape is decoded once. A `%` that starts no escape stays and is noted. Empty pieces
//! (`a&&b`) are skipped. A piece without `=` is a name with an empty value. Repeated names are all kept. `;` does not
//! separate here, so where a backend splits at it, both halves are still within the one value that rules see.

use crate::collector::{Collector, Full};
use crate::percent::{Plus, decode};
use crate::{At, Kind, Problem, ProblemCode};

/// Adds every pair of `bytes` as a value of `kind` ([`Kind::Query`] or [`Kind::Form`]).
pub(crate) fn parse<'a>(bytes: &'a [u8], kind: Kind, out: &mut Collector<'_, 'a>) -> Result<(), Full> {
    let (limit, at, allowed) = match kind {
        Kind::Query => ("query_parameters", At::Query, out.limits.query_parameters),
        _ => ("form_fields", At::Body, out.limits.form_fields),
    };
    let mut count = 0;
    let mut outcome = Ok(());
    let mut start = 0;
    while start < bytes.len() && outcome.is_ok() {
        let rest = bytes.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let piece = rest.get(..end).unwrap_or_default();
        start += end + 1;
        if !piece.is_empty() {
            count += 1;
            outcome = pair(piece, kind, out);
        }
    }
    out.bound(limit, at, count, allowed);
    outcome
}

fn pair<'a>(piece: &'a [u8], kind: Kind, out: &mut Collector<'_, 'a>) -> Result<(), Full> {
    let split = memchr::memchr(b'=', piece).and_then(|at| Some((piece.get(..at)?, piece.get(at + 1..)?)));
    let (name, value) = split.unwrap_or((piece, b""));
    let (name, value) = (decode(name, Plus::Space), decode(value, Plus::Space));
    let at = out.next_value();
    if name.invalid || value.invalid {
        out.note(Problem::new(ProblemCode::InvalidPercent, at));
    }
    if memchr::memchr(0, &name.bytes).or_else(|| memchr::memchr(0, &value.bytes)).is_some() {
        out.note(Problem::new(ProblemCode::NulByte, at));
    }
    if std::str::from_utf8(&name.bytes).is_err() || std::str::from_utf8(&value.bytes).is_err() {
        out.note(Problem::new(ProblemCode::InvalidCharset, at));
    }
    out.push_flat(kind, name.bytes, value.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Found, flat};

    fn parsed(input: &[u8], kind: Kind) -> Found {
        flat(input, |bytes, out| parse(bytes, kind, out))
    }

    fn check(input: &str, expect: &[(&str, &str)]) {
        let found = parsed(input.as_bytes(), Kind::Query);
        let expect: Vec<_> = expect.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        assert_eq!(found.pairs, expect, "{input}");
    }

    #[test]
    fn pairs() {
        check("", &[]);
        check("&&", &[]);
        check("a=1&b=2", &[("a", "1"), ("b", "2")]);
        check("a", &[("a", "")]);
        check("=", &[("", "")]);
        check("=x", &[("", "x")]);
        check("a=b=c", &[("a", "b=c")]);
        check("a=1&a=2", &[("a", "1"), ("a", "2")]);
        check("a+b=c+d", &[("a b", "c d")]);
        check("%61=%27+OR+1%3D1", &[("a", "' OR 1=1")]);
        check("a=%2527", &[("a", "%27")]);
        check("a=1;b=2", &[("a", "1;b=2")]);
        check("a=1&", &[("a", "1")]);
    }

    #[test]
    fn oddities_are_noted() {
        let codes = |input: &[u8]| parsed(input, Kind::Form).codes;
        assert_eq!(codes(b"a=%zz"), [ProblemCode::InvalidPercent]);
        assert_eq!(codes(b"a%=1"), [ProblemCode::InvalidPercent]);
        assert_eq!(codes(b"a=%00"), [ProblemCode::NulByte]);
        assert_eq!(codes(b"a=%c0%ae"), [ProblemCode::InvalidCharset]);
        assert_eq!(codes(b"a=%c3%bc"), []);
    }

    #[test]
    fn limits_are_noted_and_the_rest_is_still_read() {
        let many = vec!["a=1"; 300].join("&");
        let found = parsed(many.as_bytes(), Kind::Query);
        assert_eq!(found.pairs.len(), 300);
        assert_eq!(found.limits, [("query_parameters", 300, 256)]);
        let long = format!("{}={}", "n".repeat(257), "v".repeat(10_001));
        let found = parsed(long.as_bytes(), Kind::Query);
        assert_eq!(found.limits, [("argument_name_length", 257, 256), ("string_length", 10_001, 10_000)]);
    }

    #[test]
    fn reading_stops_at_the_bound_of_all_values() {
        let many = vec!["a"; 30_000].join("&");
        let found = parsed(many.as_bytes(), Kind::Form);
        assert_eq!(found.pairs.len(), 20_000);
        assert!(found.limits.contains(&("arguments", 20_001, 20_000)));
    }

    /// The obvious decoder: byte by byte, no shortcuts.
    fn oracle(input: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let text = |bytes: &[u8]| {
            let mut out = Vec::new();
            let mut at = 0;
            while at < bytes.len() {
                let digits = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
                let escape = digits.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
                match (bytes[at], escape) {
                    (b'%', Some(two)) => {
                        out.push(u8::from_str_radix(two, 16).unwrap());
                        at += 2;
                    }
                    (b'+', _) => out.push(b' '),
                    (byte, _) => out.push(byte),
                }
                at += 1;
            }
            out
        };
        let pieces = input.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
        pieces
            .map(|piece| {
                let mut halves = piece.splitn(2, |&byte| byte == b'=');
                (text(halves.next().unwrap_or_default()), text(halves.next().unwrap_or_default()))
            })
            .collect()
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_oracle(input in "[a-c%&=+0-9;\\x00é]{0,64}") {
            proptest::prop_assert_eq!(parsed(input.as_bytes(), Kind::Form).pairs, oracle(input.as_bytes()));
        }

        #[test]
        fn any_bytes(input: Vec<u8>) {
            proptest::prop_assert_eq!(parsed(&input, Kind::Query).pairs, oracle(&input));
        }
    }
}
