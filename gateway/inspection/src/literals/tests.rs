//! Clauses: which ones patterns give, and that they are necessary.

use proptest::prelude::*;

use super::*;

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
