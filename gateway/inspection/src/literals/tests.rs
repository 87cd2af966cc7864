//! Clauses: which ones patterns give, and that they are necessary.

use proptest::prelude::*;

use super::*;
use crate::operator::Rx;

fn hir(pattern: &str) -> Hir {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .build()
        .parse(pattern)
        .unwrap()
}

/// A clause as its literals, and the signs of its classes after a `|`.
fn clauses(pattern: &str) -> Vec<String> {
    let signs = |set: ByteSet| {
        let held = (b' '..0x7F).filter(|byte| set.meets(ByteSet::of_byte(*byte)));
        held.map(|byte| if byte.is_ascii_digit() { '#' } else { char::from(byte) }).collect::<BTreeSet<_>>()
    };
    let text = |literals: &[Vec<u8>], set: ByteSet| {
        let literals: Vec<_> = literals.iter().map(|literal| String::from_utf8_lossy(literal)).collect();
        let bar = if set.is_empty() { "" } else { "|" };
        format!("{}{bar}{}", literals.join(" "), signs(set).into_iter().collect::<String>())
    };
    let Clauses { literals, bytes } = Clauses::of_regex(&hir(pattern));
    let literals = literals.iter().map(|clause| text(&clause.literals, clause.bytes));
    literals.chain(bytes.iter().map(|set| text(&[], *set))).collect()
}

#[test]
fn what_patterns_require() {
    for (pattern, expect) in [
        (r"(?i)\bunion\b.{1,100}?\bselect\b", vec!["select", "union"]),
        ("(?:a|b)cd", vec!["acd bcd"]),
        ("ab?cd", vec!["abcd acd"]),
        ("foo|foobar|barfoo", vec!["foo"]),
        ("(?:foo.*x|bar.*y)", vec!["bar foo"]),
        ("(?:foo.*x|.*y)", vec![]),
        ("(?:abc)+d", vec!["abc"]),
        ("(?:abc)*def", vec!["def"]),
        (r"\d+", vec!["|#"]),
        (r"\.{3,}x", vec!["..."]),
        (r"[;|]\s*ls", vec!["|;|"]),
        (r"[;|]\s*select", vec!["select", "|;|"]),
        (r"'\s*or[a-z]", vec!["|'"]),
        (r"'\s*or[ +]x", vec!["or x or+x", "|'"]),
        (r#"c["']*a["']*t"#, vec![r#"cat|"'"#]),
        (r#"c["']*a["']*t\(?s"#, vec![r#"cats|"'("#]),
        (r"(?i)(?:j|&#74;)[\t&]*ava", vec!["ava", "java|&"]),
        (r"(?:j|&#0*74;)(?:a|&#x0*65;)(?:v|&#9;)a", vec!["java|&"]),
        (r"(?:/|\\|%2f)(?:\.|%2e)+x", vec!["|%.", "|%/\\"]),
        (r"[^b]", vec![]),
        (r"[/\\].+[^ -~]", vec!["|", "|/\\"]),
        (r"(?:\$\{|<[a-z]+>)x", vec!["${|>", "${x|<"]),
        (r"(?:php://|[<>])x", vec!["<x >x php://x", "php://|<>"]),
    ] {
        assert_eq!(clauses(pattern), expect, "{pattern}");
    }
}

#[test]
fn phrases_that_are_everywhere_announce_nothing() {
    let any_of = |phrases: &[&str]| Clauses::any_of(phrases.iter().map(|phrase| phrase.as_bytes().to_vec()).collect());
    assert!(any_of(&["select", "or"]).is_empty());
    assert!(any_of(&[]).is_empty());
    assert!(any_of(&["<?"]).admit(b"a <? b"));
    assert!(!any_of(&["SELECT", "%"]).admit(b"selec"));
    assert!(any_of(&["SELECT", "%"]).admit(b"50%"));
    assert!(any_of(&["SELECT", "%"]).admit(b"sELECt"));
}

fn pattern() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "ab",
        "c",
        "[abc]",
        "(?:ab|ba)",
        "(?:a|bc.*d)",
        "x?",
        "(?:ab)*",
        "(?:ca)+",
        ".",
        "\\b",
        "(?i)aB",
        "[^a]",
        "(?:a{2,3})",
        "'",
        "(?:abc|abd|b)c",
        "[(']*",
        "\\(?",
        "(?:'+\\(|\\()*",
        "(?:a'|\\(b)?",
        "[^a-d]",
        "(?:[ ']|ab)",
        "(?:(?:'')?\\(x*)?",
        "(?:a|)(?:'|bc)",
    ]);
    prop::collection::vec(atom, 1..7).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Necessary: whatever a pattern matches satisfies every clause.
    #[test]
    fn a_match_satisfies_every_clause(pattern in pattern(), value in "[abcdx' (AB]{0,14}") {
        let regex = regex::bytes::RegexBuilder::new(&pattern).unicode(false).dot_matches_new_line(true).build().unwrap();
        if regex.is_match(value.as_bytes()) {
            let clauses = Clauses::of_regex(&hir(&pattern));
            prop_assert!(clauses.admit(value.as_bytes()), "{} matches {} without {:?}", pattern, value, clauses);
        }
    }
}

/// A string that a pattern is likely to match; looks (`^`, `\b`) are left to chance.
fn example(hir: &Hir, random: &mut impl FnMut(usize) -> usize, out: &mut Vec<u8>) {
    use regex_syntax::hir::{Class, HirKind};
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => {
            let ranges: Vec<(u32, u32)> = match class {
                Class::Bytes(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
                Class::Unicode(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
            };
            if !ranges.is_empty() {
                let (start, end) = ranges[random(ranges.len())];
                out.push(u8::try_from(start + u32::try_from(random((end - start + 1) as usize)).unwrap()).unwrap());
            }
        }
        HirKind::Capture(capture) => example(&capture.sub, random, out),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(2));
            let times = repetition.min as usize + random((most - repetition.min + 1) as usize);
            (0..times).for_each(|_| example(&repetition.sub, random, out));
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| example(part, random, out)),
        HirKind::Alternation(parts) => example(&parts[random(parts.len())], random, out),
    }
}

/// The patterns of the Core Rule Set, where they are to be had.
fn core_rule_set() -> Option<Vec<Vec<u8>>> {
    let given = std::env::var_os("RAMPART_SHARED").map(std::path::PathBuf::from);
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = given.clone().unwrap_or(shared).join("crs/rules");
    if !folder.is_dir() {
        assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", folder.display());
        println!("skipped: {} is missing", folder.display());
        return None;
    }
    let mut patterns = Vec::new();
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "conf") {
            let text = std::fs::read(&file).unwrap();
            for line in
                text.split(|byte| *byte == b'\n').filter(|line| line.trim_ascii_start().starts_with(b"SecRule "))
            {
                patterns.extend(operator_of(line, b"\"@rx ").or_else(|| operator_of(line, b"\"!@rx ")));
            }
        }
    }
    Some(patterns)
}

/// The argument of the operator that begins so: up to the next quote that is not escaped.
fn operator_of(line: &[u8], begin: &[u8]) -> Option<Vec<u8>> {
    let rest = &line[memchr::memmem::find(line, begin)? + begin.len()..];
    let end = (0..rest.len())
        .find(|at| rest[*at] == b'"' && rest[..*at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0);
    let text = String::from_utf8_lossy(&rest[..end?]).replace("\\\"", "\"");
    (!text.contains("%{")).then(|| text.into_bytes())
}

/// Whatever a pattern of the Core Rule Set matches satisfies its clauses: on strings made from the patterns themselves.
#[test]
fn matches_of_the_core_rule_set_satisfy_their_clauses() {
    let Some(patterns) = core_rule_set() else { return };
    assert!(patterns.len() > 300, "{} patterns", patterns.len());
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below
    };
    let mut unproved = Vec::new();
    let braced = regex::Regex::new(r"\\x\{([0-9a-fA-F]{2})\}").unwrap();
    for pattern in &patterns {
        let rx = Rx::compile(pattern).unwrap();
        let (clauses, mut matches) = (rx.clauses(), 0);
        let text = String::from_utf8_lossy(pattern);
        let tree = hir(&braced.replace_all(&text, r"\x$1"));
        for round in 0..60 {
            let mut value = Vec::new();
            if round % 2 == 1 {
                value.extend_from_slice([&b"x "[..], b"= ", b"/", b"-", b"\n"][random(5)]);
            }
            example(&tree, &mut random, &mut value);
            value.extend_from_slice([&b""[..], b" ", b"=1", b"z", b"\n"][random(5)]);
            if rx.is_match(&value) {
                matches += 1;
                assert!(clauses.admit(&value), "{text} matches {} without {clauses:?}", value.escape_ascii());
            }
        }
        if matches == 0 {
            unproved.push(text.into_owned());
        }
    }
    assert!(unproved.len() < 5, "nothing was made that they match: {unproved:#?}");
}
