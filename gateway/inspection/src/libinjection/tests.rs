//! The published cases of libinjection (`$RAMPART_SHARED/libinjection-tests`), and what they leave open.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::sqli::{Context, Dialect, Folded, Kind, Token, Tokeniser};
use super::xss::{Html5, Start};
use super::{detect_sqli, detect_xss};

/// The folder of the cases; none where the shared data is absent and nobody asked for it.
fn shared(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let root = given.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = root.join("libinjection-tests").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", folder.display());
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// A part of a case, between two marks, without the white space at its end.
fn section<'a>(case: &'a [u8], mark: &str, next: Option<&str>) -> &'a [u8] {
    let after = |mark: &str| memchr::memmem::find(case, mark.as_bytes()).unwrap_or_else(|| panic!("no {mark}"));
    let end = next.map_or(case.len(), after);
    case[after(mark) + mark.len()..end].trim_ascii_end()
}

fn show(token: &Token<'_>, out: &mut Vec<u8>) {
    out.extend([token.kind.letter(), b' ']);
    if token.kind == Kind::Variable {
        out.extend(std::iter::repeat_n(b'@', usize::from(token.signs)));
    }
    let quotes = matches!(token.kind, Kind::String | Kind::Variable);
    out.extend(Some(token.open).filter(|&quote| quotes && quote != 0));
    out.extend(token.text);
    out.extend(Some(token.close).filter(|&quote| quotes && quote != 0));
    out.push(b'\n');
}

fn actual(kind: &str, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let tokeniser = || Tokeniser::new(input, Context::Bare, Dialect::Ansi);
    match kind {
        "tokens" => tokeniser().for_each(|token| show(&token, &mut out)),
        "folding" => Folded::new(tokeniser()).tokens().iter().for_each(|token| show(token, &mut out)),
        "sqli" => out.extend(detect_sqli(input).into_iter().flat_map(|found| found.as_bytes().to_vec())),
        "html5" => {
            for token in Html5::new(input, Start::Text) {
                use super::xss::HtmlKind as Html;
                let name = match token.kind {
                    Html::Text => "DATA_TEXT",
                    Html::TagName => "TAG_NAME_OPEN",
                    Html::TagEnd => "TAG_NAME_CLOSE",
                    Html::SelfClosing => "TAG_NAME_SELFCLOSE",
                    Html::ClosingTag => "TAG_CLOSE",
                    Html::AttributeName => "ATTR_NAME",
                    Html::AttributeValue => "ATTR_VALUE",
                    Html::Comment => "TAG_COMMENT",
                    Html::Doctype => "DOCTYPE",
                };
                out.extend(format!("{name},{},", token.text.len()).as_bytes());
                out.extend(token.text);
                out.push(b'\n');
            }
        }
        other => panic!("a case of no kind: {other}"),
    }
    out.trim_ascii_end().to_vec()
}

/// Line by line; joined words, which have a space in their text, are shown here as the table has them: in upper case.
fn same(got: &[u8], expected: &[u8]) -> bool {
    let line = |(got, expected): (&[u8], &[u8])| {
        let joined = got.get(2..).is_some_and(|text| text.contains(&b' ') && text.is_ascii());
        got == expected || (joined && got[0] == expected[0] && got.eq_ignore_ascii_case(expected))
    };
    let lines = |text: &[u8]| text.split(|&byte| byte == b'\n').count();
    lines(got) == lines(expected)
        && got.split(|&byte| byte == b'\n').zip(expected.split(|&byte| byte == b'\n')).all(line)
}

#[test]
fn published_cases() {
    let Some(folder) = shared("cases") else { return };
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let mut failures = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let kind = name.split('-').nth(1).unwrap().to_owned();
        let case = std::fs::read(&path).unwrap();
        let input = section(&case, "--INPUT--\n", Some("--EXPECTED--\n"));
        let expected = section(&case, "--EXPECTED--\n", None);
        let got = actual(&kind, input);
        if !same(&got, expected) {
            let lossy = String::from_utf8_lossy;
            writeln!(failures, "{name}:\n{}\nnot\n{}", lossy(&got), lossy(expected)).unwrap();
        }
        *counts.entry(kind).or_default() += 1;
    }
    println!("libinjection cases: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 480);
    assert!(failures.is_empty(), "{failures}");
}

/// Every line of the published attacks, percent-decoded as their lists mean it, is judged, and nearly all are
/// found.
#[test]
fn published_lists() {
    let Some(folder) = shared("data") else { return };
    let (mut found, mut lines) = ([0_usize; 2], [0_usize; 2]);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let kind = usize::from(name.starts_with("xss"));
        if name.starts_with("false") {
            continue;
        }
        for line in std::fs::read(&path).unwrap().split(|&byte| byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let value = percent_decoded(line);
            lines[kind] += 1;
            found[kind] += usize::from(if kind == 1 { detect_xss(&value) } else { detect_sqli(&value).is_some() });
        }
    }
    println!("libinjection lists: found {found:?} of {lines:?} (SQL, HTML)");
    assert!(found[0] * 100 >= lines[0] * 99, "{found:?} of {lines:?}");
    assert!(found[1] * 100 >= lines[1] * 99, "{found:?} of {lines:?}");
}

fn percent_decoded(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    out
}

#[test]
fn sqli_by_context() {
    let check = |input: &[u8], expect: &str| {
        let got = detect_sqli(input).map(|found| found.to_string()).unwrap_or_default();
        assert_eq!(got, expect, "{}", String::from_utf8_lossy(input));
    };
    check(b"", "");
    check(b"hello world", "");
    check(b"1 OR 1=1", "1&1");
    check(b"1' OR '1'='1", "s&sos");
    check(b"\" OR 1=1 --", "s&1c");
    check(b"-1 UNION ALL SELECT a, b FROM users", "1UEnk");
    check(b"1 /*! OR 1=1 */", "X");
    check(b"1 /* /* */ */", "X");
    check(b"1; DROP TABLE users", "1;Tnn");
    // What people write.
    check(b"sexy and 17", "");
    check(b"it's 5 o'clock", "");
    check(b"select a speaker from the union", "");
    check(b"12--", "1c");
    check(b"  12--", "");
    check(b"12 -- a dozen", "1c");
    check(b"twelve -- a dozen", "");
}

#[test]
fn xss_by_context() {
    let check = |input: &[u8], expect: bool| {
        assert_eq!(detect_xss(input), expect, "{}", String::from_utf8_lossy(input));
    };
    check(b"", false);
    check(b"1 < 2 and 3 > 2", false);
    check(b"<b>bold</b>", false);
    check(b"<script>alert(1)</script>", true);
    check(b"<scr\0ipt>", true);
    check(b"<img src=x onerror=alert(1)>", true);
    check(b"x onerror=alert(1)", true);
    check(b"' onerror='alert(1)", true);
    check(b"\" onerror=\"alert(1)", true);
    check(b"` onerror=`alert(1)", true);
    check(b"<a href=\"java&#115;cript:alert(1)\">", true);
    check(b"<a href=\"&#x6a;ava\nscript:alert(1)\">", true);
    check(b"<a href=\"https://example.com/\">", false);
    check(b"<!DOCTYPE html>", true);
    check(b"<!--[if IE]>", true);
    check(b"<!-- a -->", false);
    check(b"<?import ns=x>", true);
    check(b"<svg/onload=alert(1)>", true);
    check(b"a=b&c=d", false);
}

/// Cost grows with the length and nothing recurses: inputs that a quadratic reader would take minutes for.
#[test]
fn long_values_of_one_thing() {
    let pieces: [&[u8]; 26] = [
        b"not.",
        b"select.",
        b"1+",
        b"1,(",
        b"\\'",
        b"''",
        b"/*",
        b"*/",
        b"--",
        b"#\n",
        b"$a",
        b"$$",
        b"$a$",
        b"q'(",
        b"[",
        b"`",
        b"@",
        b"<a ",
        b"/",
        b"<!--",
        b"-\0",
        b"=",
        b"&#",
        b"<%",
        b"a=\"",
        b"<![CDATA[",
    ];
    let started = std::time::Instant::now();
    for piece in pieces {
        let input = piece.repeat(300_000 / piece.len());
        detect_sqli(&input);
        detect_xss(&input);
    }
    assert!(started.elapsed() < std::time::Duration::from_mins(1), "{:?}", started.elapsed());
}

proptest::proptest! {
    /// Any bytes are judged, and tokens are as long as the value at most.
    #[test]
    fn any_bytes(input in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        detect_xss(&input);
        if let Some(found) = detect_sqli(&input) {
            assert!((1..=5).contains(&found.as_bytes().len()));
        }
        let read: usize = Html5::new(&input, Start::Text).map(|token| token.text.len()).sum();
        assert!(read <= input.len());
        assert!(Tokeniser::new(&input, Context::Bare, Dialect::Ansi).count() <= input.len());
    }
}
