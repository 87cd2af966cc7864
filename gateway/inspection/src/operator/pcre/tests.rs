//! What PCRE's syntax becomes, and what it matches.

use super::translate;
use crate::operator::{Captures, Rx, backtracking_gave_up};

fn check(pattern: &str, linear: &str, exact: Option<&str>) {
    let translated = translate(pattern.as_bytes()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    assert_eq!(translated.linear, linear, "linear of {pattern}");
    assert_eq!(translated.exact.as_deref(), exact, "exact of {pattern}");
}

#[test]
fn what_is_regular_is_written_canonically() {
    for (pattern, linear) in [
        (r"a\/b\-c\'", r"a/b\-c'"),
        (r"\<script\>", "<script>"),
        (r"\x{3b}\x3b\x3", r";;\x03"),
        (r"\xbc\n\t\0\012\cA", r"\xBC\x0A\x09\x00\x0A\x01"),
        ("x{y{1,2}{,3}", r"x\{y{1,2}\{,3\}"),
        ("a]b}", r"a\]b\}"),
        ("[[(]", r"[\x5B\x28]"),
        ("[a&&b~-]", r"[\x61\x26\x26\x62\x7E\x2D]"),
        (r"[]a]|[^]\]]", r"[\x5D\x61]|[^\x5D\x5D]"),
        (r"[a-c\d-z]", r"[\x61-\x63\d\x2D\x7A]"),
        (r"[\w-]", r"[\w\x2D]"),
        (r"[[:alpha:]_[:^digit:]]", r"[[:alpha:]\x5F[:^digit:]]"),
        (r"[[:a]", r"[\x5B\x3A\x61]"),
        (r"[\b\1]", r"[\x08\x01]"),
        (r"\v\h", r"[\x0A-\x0D\x85][\x09\x20\xA0]"),
        (r"\Qa.b\E.", r"a\.b."),
        ("(?x) a b # c\n [ d]", r"ab[\x20\x64]"),
        ("(?i:(?x) a )b c", "(?i:a)b c"),
        ("(?-i)a(?#comment)b(?<n>c)", "(?-i)ab(?P<n>c)"),
        ("(a|b)*?c+?", "(a|b)*?c+?"),
        ("\u{e9}[\u{e9}]", r"\xC3\xA9[\xC3\xA9]"),
    ] {
        check(pattern, linear, None);
    }
}

#[test]
fn what_is_not_regular_is_relaxed() {
    for (pattern, linear, exact) in [
        ("a(?!b)c", "a(?:)c", "a(?!b)c"),
        ("(?<=(a))b", "(?:)b", "(?<=(a))b"),
        ("(?>a|b)c", "(?:a|b)c", "(?>a|b)c"),
        ("xa*+b", "xa*b", "x(?>a*)b"),
        ("(?:ab)++c", "(?:ab)+c", "(?>(?:ab)+)c"),
        ("a{1,2}+c", "a{1,2}c", "(?>a{1,2})c"),
        (r"(a)\1", "(a)(?:(?s:.)*)", r"(a)(?:\1)"),
        (r"(a)\g{-1}\g1", "(a)(?:(?s:.)*)(?:(?s:.)*)", r"(a)(?:\1)(?:\1)"),
        (r"(?<n>a)\k<n>", "(?P<n>a)(?:(?s:.)*)", r"(?P<n>a)(?:\k<n>)"),
        (r"a\Z", "a(?:)", r"a(?=\x0A?\z)"),
    ] {
        check(pattern, linear, Some(exact));
    }
}

#[test]
fn what_is_no_pattern_says_why() {
    for (pattern, expect) in [
        ("(a", "a group is not closed"),
        ("a)", "a group is closed that was not opened"),
        ("[a", "a class is not closed"),
        ("[z-a]", "a range in a class is the wrong way round"),
        ("[[:no:]]", "[:no... is no class"),
        (r"a\", "it ends with a backslash"),
        (r"\x{100}", r"\x{100} is no byte: patterns match bytes, write its UTF-8 bytes"),
        (r"\p{L}", r"\p is not supported"),
        ("(?R)", "(?R is not supported"),
        ("(?(1)a|b)", "(?(1 is not supported"),
        ("(?|a|b)", "(?|a|b is not supported"),
        ("(*UTF8)a", "verbs such as (*UTF8) are not supported"),
    ] {
        assert_eq!(translate(pattern.as_bytes()).expect_err(pattern), expect, "{pattern}");
    }
    assert_eq!(translate("a".repeat(300 << 10).as_bytes()).expect_err("long"), "it is longer than 262144 bytes");
    assert_eq!(translate(&[b'('; 200]).expect_err("deep"), "groups are nested too deep");
}

/// `groups` of the first match; none: no match.
fn matches(pattern: &str, value: &[u8], groups: Option<&[Option<&[u8]>]>) {
    let rx = Rx::compile(pattern.as_bytes()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let mut captures = Captures::default();
    let matched = rx.captures(value, &mut captures);
    assert_eq!(matched, groups.is_some(), "{pattern} on {}", value.escape_ascii());
    assert_eq!(rx.is_match(value), matched);
    for (group, expect) in groups.unwrap_or_default().iter().enumerate() {
        assert_eq!(captures.get(group, value), *expect, "group {group} of {pattern} on {}", value.escape_ascii());
    }
}

#[test]
fn look_around_and_back_references_match_bytes() {
    matches(r"<\?(?!xml)", b"<?xml ?> <?php", Some(&[Some(b"<?")]));
    matches(r"<\?(?!xml)", b"<?xml ?>", None);
    matches(r"(?<!\xbc)a", b"\xbca", None);
    matches(r"(?<!\xbc)a", b"\xc2\xbda", Some(&[Some(b"a")]));
    matches(r"(?i)(\w)\1", b"xA\xe9aA", Some(&[Some(b"aA"), Some(b"a")]));
    matches(r"(?i)(\xe9)\1", b"\xe9\xc9", None);
    matches("a++a", b"aaaa", None);
    matches(r"^(?:a++|b)(c)?$", b"aa", Some(&[Some(b"aa"), None]));
    // A look-behind sees what stands before the place where the relaxation matches.
    matches("(?<=x)a|b", b"ya xa", Some(&[Some(b"a")]));
    // The first match of the relaxation is none of the pattern's.
    matches(r"(?:(a)|(b))(?=c)", b"ab bc", Some(&[Some(b"b"), None, Some(b"b")]));
}

#[test]
fn back_tracking_gives_up() {
    let mut value = vec![b'a'; 60];
    value.push(b'!');
    let rx = Rx::compile(br"(?:a|aa)+(?!a|!)").unwrap();
    assert!(rx.is_backtracking());
    // Other tests give up too, so that only the least is known.
    let before = backtracking_gave_up();
    assert!(!rx.is_match(&value));
    assert!(!rx.captures(&value, &mut Captures::default()));
    assert!(backtracking_gave_up() >= before + 2);
}

#[test]
fn a_group_that_took_no_part_is_not_set() {
    matches("(a)|(b)", b"b", Some(&[Some(b"b"), None, Some(b"b"), None]));
    matches("(a)(b?)(c)", b"ac", Some(&[Some(b"ac"), Some(b"a"), Some(b""), Some(b"c")]));
    matches("(1)(2)(3)(4)(5)(6)(7)(8)(9)(a)(b)", b"123456789ab", Some(&[Some(b"123456789ab")]));
}
