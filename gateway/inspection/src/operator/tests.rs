//! Operators one by one: what they match, and what they refuse to compile.

use rampart_settings::{Place, Report};

use super::Operator;
use crate::raw::{RawComparison, RawMatch};

fn compile(raw: &RawMatch) -> Result<Operator, String> {
    let report = Report::default();
    let operator = Operator::compile(raw, &Place::nowhere("test", &report));
    let errors: Vec<String> = report.into_sorted().iter().map(|d| d.message.clone()).collect();
    if errors.is_empty() { Ok(operator.expect("no error, so an operator")) } else { Err(errors.join("; ")) }
}

fn check(raw: &RawMatch, cases: &[(&[u8], Option<&[u8]>)]) {
    let operator = compile(raw).unwrap();
    for (value, expect) in cases {
        let found = operator.find(value).map(|range| &value[range]);
        assert_eq!(found, *expect, "{raw:?} on {}", value.escape_ascii());
        assert_eq!(operator.is_match(value), expect.is_some());
    }
}

fn regex(text: &str) -> RawMatch {
    RawMatch { regex: Some(text.to_owned()), ..RawMatch::default() }
}

fn phrases(words: bool) -> RawMatch {
    RawMatch { phrases: Some(vec!["cat".to_owned(), "cat food".to_owned()]), words, ..RawMatch::default() }
}

#[test]
fn regexes_are_on_bytes() {
    check(&regex(r"\xbc"), &[(b"a\xbcb", Some(b"\xbc")), ("\u{bc}".as_bytes(), Some(b"\xbc")), (b"a", None)]);
    check(&regex("a.b"), &[(b"a\nb", Some(b"a\nb")), (b"a\xffb", Some(b"a\xffb"))]);
    check(&regex("^b"), &[(b"a\nb", None)]);
    check(&regex("(?i)SELECT"), &[(b"select", Some(b"select")), ("\u{17f}elect".as_bytes(), None)]);
    check(&regex("^$"), &[(b"", Some(b"")), (b"a", None)]);
}

#[test]
fn phrases_match_any_case_and_whole_words_where_asked() {
    check(&phrases(false), &[(b"conCATenate", Some(b"CAT")), (b"dog", None)]);
    check(
        &phrases(true),
        &[(b"concatenate cat", Some(b"cat")), (b"cats", None), (b"a cat_", None), (b"(cat)", Some(b"cat"))],
    );
}

#[test]
fn texts_match_byte_for_byte() {
    let text = || Some("ab".to_owned());
    check(&RawMatch { contains: text(), ..RawMatch::default() }, &[(b"xabx", Some(b"ab")), (b"AB", None)]);
    check(&RawMatch { equals: text(), ..RawMatch::default() }, &[(b"ab", Some(b"ab")), (b"abc", None)]);
    check(&RawMatch { begins_with: text(), ..RawMatch::default() }, &[(b"abc", Some(b"ab")), (b"cab", None)]);
    check(&RawMatch { ends_with: text(), ..RawMatch::default() }, &[(b"cab", Some(b"ab")), (b"abc", None)]);
    let one_of = RawMatch { one_of: Some(vec!["a".into(), "b".into()]), ..RawMatch::default() };
    check(&one_of, &[(b"b", Some(b"b")), (b"ab", None)]);
}

#[test]
fn comparisons_know_their_bounds() {
    let length = |bound| RawMatch { length: Some(bound), ..RawMatch::default() };
    let number = |bound| RawMatch { number: Some(bound), ..RawMatch::default() };
    check(&length(RawComparison { gt: Some(2), ..Default::default() }), &[(b"abc", Some(b"abc")), (b"ab", None)]);
    check(&length(RawComparison { le: Some(2), ..Default::default() }), &[(b"ab", Some(b"ab")), (b"abc", None)]);
    let ge = number(RawComparison { ge: Some(10), ..Default::default() });
    check(&ge, &[(b"10", Some(b"10")), (b" +11x", Some(b" +11x")), (b"9", None), (b"-50", None), (b"ten", None)]);
    check(&ge, &[(b"99999999999999999999999", Some(b"99999999999999999999999"))]);
    check(&number(RawComparison { lt: Some(0), ..Default::default() }), &[(b"-1", Some(b"-1")), (b"0", None)]);
    check(&number(RawComparison { eq: Some(7), ..Default::default() }), &[(b"007", Some(b"007")), (b"70", None)]);
}

#[test]
fn bytes_outside_a_list_match() {
    let raw = RawMatch { outside_bytes: Some("9, 10,13,32-126".to_owned()), ..RawMatch::default() };
    check(&raw, &[(b"plain\ttext\r\n", None), (b"a\x00b", Some(b"\x00")), (b"\xff", Some(b"\xff")), (b"", None)]);
}

#[test]
fn injections_match_as_a_whole() {
    let sqli: RawMatch = toml::from_str("detect_sqli = true").unwrap();
    check(&sqli, &[(b"1' OR '1'='1", Some(b"1' OR '1'='1")), (b"it's one or the other", None), (b"", None)]);
    let xss = RawMatch { detect_xss: true, ..RawMatch::default() };
    check(&xss, &[(b"<svg/onload=x>", Some(b"<svg/onload=x>")), (b"1 < 2, <b>sure</b>", None), (b"", None)]);
}

#[test]
fn what_does_not_compile_says_why() {
    let twice = RawMatch { contains: Some("a".into()), ..regex("b") };
    let words = RawMatch { words: true, ..regex("b") };
    let bytes = |text: &str| RawMatch { outside_bytes: Some(text.into()), ..RawMatch::default() };
    let length = RawMatch { length: Some(RawComparison::default()), ..RawMatch::default() };
    for (raw, expect) in [
        (RawMatch::default(), "no operator is named"),
        (RawMatch { detect_sqli: true, detect_xss: true, ..RawMatch::default() }, "more than one operator is named"),
        (twice, "more than one operator is named"),
        (words, "`words` belongs to `phrases`"),
        (regex("a(?=b)"), "the pattern does not compile: look-around"),
        (regex(r"(a)\1"), "the pattern does not compile: backreferences are not supported"),
        (regex("(a|b)*"), "the pattern matches every value"),
        (regex("(?:a{1000}){1000}"), "the pattern does not compile: "),
        (RawMatch { phrases: Some(vec![]), ..RawMatch::default() }, "a list of phrases has 1 to 20000 entries, not 0"),
        (RawMatch { phrases: Some(vec![String::new()]), ..RawMatch::default() }, "an empty phrase matches every value"),
        (
            RawMatch { contains: Some(String::new()), ..RawMatch::default() },
            "an empty text matches every value or none",
        ),
        (bytes("1-300"), "\"1-300\" is no byte and no range of bytes"),
        (bytes("9-1"), "the range \"9-1\" is empty"),
        (length, "a comparison has exactly one bound"),
    ] {
        let error = compile(&raw).expect_err("an error");
        assert!(error.starts_with(expect), "{raw:?}: {error}");
    }
}
