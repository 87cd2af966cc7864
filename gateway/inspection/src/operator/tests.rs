//! Operators one by one: what they match, and what they refuse to compile.

use rampart_settings::{Place, Report};

use super::{Captures, Dynamic, Operator, OperatorError};
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

/// Values that match, with what is captured as `TX.0`, and values that do not.
fn seclang(name: &str, parameter: &[u8], matches: &[(&[u8], Option<&[u8]>)], others: &[&[u8]]) {
    let operator = Operator::seclang(name, parameter, Some(parameter)).unwrap_or_else(|e| panic!("@{name}: {e}"));
    let mut captures = Captures::default();
    for (value, expect) in matches {
        assert!(operator.captures(value, &mut captures), "@{name} on {}", value.escape_ascii());
        assert_eq!(captures.get(0, value), *expect, "@{name} on {}", value.escape_ascii());
        assert!(operator.is_match(value));
    }
    for value in others {
        assert!(!operator.captures(value, &mut captures), "@{name} on {}", value.escape_ascii());
        assert_eq!(captures.iter(value).count(), 0);
        assert!(!operator.is_match(value));
    }
}

#[test]
fn operators_have_the_semantics_of_modsecurity() {
    seclang("STREQ", b"a", &[(b"a", None)], &[b"A", b""]);
    seclang("within", b"GET POST", &[(b"POST", None), (b"T P", None), (b"", None)], &[b"POSTS", b"get"]);
    seclang("containsWord", b"ab", &[(b"1ab2", None), (b"xab ab_", None), (b"ab", None)], &[b"abc", b"xab"]);
    seclang("gt", b"10", &[(b" 11", None), (b"\x0b99999999999999999999", None)], &[b"10", b"x", b""]);
    seclang("rx", b"(?i)B(c)?", &[(b"ab", Some(b"b"))], &[b"a"]);
    seclang("rx", b"", &[(b"a", None), (b"", None)], &[]);
    seclang("noMatch", b"", &[], &[b"", b"a"]);
    seclang("unconditionalMatch", b"", &[(b"", None)], &[]);
    seclang("detectSQLi", b"", &[(b"1' OR '1'='1", Some(b"s&sos"))], &[b"plain"]);
    seclang("detectXSS", b"", &[(b"<svg/onload=x>", Some(b"<svg/onload=x>"))], &[b"plain"]);
    seclang("validateUtf8Encoding", b"", &[(b"a\xc0\xaf", None), (b"\xed\xa0\x80", None)], &["\u{10ffff}".as_bytes()]);
    seclang("validateUrlEncoding", b"", &[(b"%2", None), (b"%25%", None)], &[b"%25%41", b""]);
    seclang("validateByteRange", b"1-9, 65", &[(b"A0", None)], &[b"A\x09", b""]);
}

#[test]
fn phrases_are_written_as_snort_writes_them() {
    seclang(
        "pm",
        b"Foo  b\\;r |41 20 42|",
        &[(b"xfOOx", Some(b"fOO")), (b"B;R", Some(b"B;R")), (b"xa b", Some(b"a b"))],
        &[b"ab", b"br"],
    );
    // A backslash before what it does not escape: the parameter stands as it is.
    seclang("pm", b"\\foo |41|", &[(b"\\FOO", Some(b"\\FOO")), (b"|41|", Some(b"|41|"))], &[b"foo", b"A"]);
    // The phrase that ends first, and of those the longest.
    seclang("pm", b"bcd abc", &[(b"abcd", Some(b"abc"))], &[]);
    seclang(
        "pmf",
        b"# no\n\n one\r\ntwo |41|\n",
        &[(b"an ONE", Some(b" ONE")), (b"two |41|", Some(b"two |41|"))],
        &[b"one", b"# no", b""],
    );
}

#[test]
fn addresses_match_networks() {
    seclang(
        "ipMatch",
        b"127.0.0.1, ::1,10.9.8.7/8",
        &[(b"127.0.0.1", None), (b"::1", None), (b"10.255.0.1", None), (b"::ffff:10.0.0.1", None)],
        &[b"127.0.0.2", b"::2", b"11.0.0.0", b"10.0.0.1/8", b"", b"localhost"],
    );
    seclang(
        "ipMatchF",
        b"# office\n192.0.2.0/24 # and more\n\n192.0.2.128/25\n2001:db8::/32\n",
        &[(b"192.0.2.200", None), (b"2001:db8::9", None)],
        &[b"192.0.3.0", b"# office"],
    );
    seclang("ipMatch", b"0.0.0.0/0", &[(b"255.255.255.255", None)], &[b"::1"]);
}

#[test]
fn numbers_are_verified() {
    seclang(
        "verifyCC",
        br"\b\d{16}\b",
        &[(b"card 4929326438756024.", Some(b"4929326438756024"))],
        &[b"4929326438756025", b"49293264387560", b""],
    );
    // Digits in a row, each of which begins a candidate: bounded.
    let long = vec![b'1'; 200_000];
    assert!(!Operator::seclang("verifySSN", br"\d+", None).unwrap().is_match(&long));
}

#[test]
fn all_groups_of_all_matches() {
    let global = Operator::seclang("rxGlobal", br"(a)|(b)", None).unwrap();
    let mut captures = Captures::default();
    assert!(global.captures(b"xaxbx", &mut captures));
    let groups: Vec<(usize, &[u8])> = captures.iter(b"xaxbx").collect();
    assert_eq!(groups, [(0, b"b".as_slice()), (1, b"a"), (2, b"b")]);
    assert!(!global.captures(b"x", &mut captures) && captures.get(0, b"x").is_none());
}

#[test]
fn parameters_may_come_with_the_request() {
    for (name, parameter, value, expect) in [
        ("within", "GET POST", "GET", true),
        ("lt", "2", "1", true),
        ("lt", "", "1", false),
        ("rx", "^a+$", "aa", true),
        ("rx", "^(a$", "a", false),
        ("endsWith", ".example.com", "x.example.com", true),
        ("containsWord", "ab", "ab", true),
        ("noMatch", "", "", false),
    ] {
        let dynamic = Dynamic::seclang(name).unwrap();
        for _ in 0..2 {
            let mut captures = Captures::default();
            assert_eq!(dynamic.is_match(parameter.as_bytes(), value.as_bytes()), expect, "@{name} {parameter}");
            assert_eq!(dynamic.captures(parameter.as_bytes(), value.as_bytes(), &mut captures), expect);
        }
    }
    let long = format!("a{{{}}}", "1".repeat(5_000));
    assert!(!Dynamic::seclang("rx").unwrap().is_match(long.as_bytes(), b"a"));
}

#[test]
fn operators_that_do_not_compile_say_why() {
    let error =
        |name: &str, parameter: &str| Operator::seclang(name, parameter.as_bytes(), None).expect_err(name).to_string();
    for (name, parameter, expect) in [
        ("rxx", "", "there is no operator @rxx"),
        ("containz", "", "there is no operator @containz; @contains is the nearest name"),
        (
            "geoLookup",
            "",
            "@geoLookup is not supported: there is no location database; remove the rule and those that read GEO",
        ),
        ("rx", "(", "the pattern does not compile: a group is not closed"),
        ("rx", "(?:a{1000}){1000}", "the pattern does not compile: compiled it is larger than 4194304 bytes"),
        ("ipMatch", "10.0.0.0/33", "@ipMatch: \"10.0.0.0/33\" is no address and no network"),
        ("ipMatch", " ", "@ipMatch: no address is given"),
        (
            "validateByteRange",
            "1-300",
            "@validateByteRange: \"1-300\" is no byte and no range of bytes; write 0 to 255, or 32-126",
        ),
        ("pm", "  ", "@pm: a list of phrases has 1 to 20000 entries, not 0"),
        ("pmFromFile", "x.data", "@pmFromFile: its file was not read"),
    ] {
        assert_eq!(error(name, parameter), expect);
    }
    assert_eq!(Dynamic::seclang("pm").expect_err("pm"), OperatorError::Macro { name: "pm".to_owned() });
}
