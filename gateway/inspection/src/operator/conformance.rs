//! The published cases of ModSecurity 3 (`$RAMPART_SHARED/seclang-tests/operators`), and what holds for every operator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::seclang::reads_file;
use super::{Captures, Dynamic, Operator, OperatorError};

fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let folder = given.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let cases = folder.join("seclang-tests/operators");
    if cases.is_dir() {
        return Some(cases);
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", cases.display());
    println!("skipped: {} is not there", cases.display());
    None
}

/// The files write bytes as `\xHH` and `\u00HH`, both as text.
fn bytes_of(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value.as_str().unwrap_or_default().as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = [b"\\x".as_slice(), b"\\u00"].into_iter().find_map(|mark| rest.strip_prefix(mark));
        let escaped = digits.and_then(|digits| Some((crate::transform::hex_pair(digits)?, digits)));
        out.push(escaped.map_or(*byte, |(escaped, _)| escaped));
        rest = escaped.map_or(after, |(_, digits)| &digits[2..]);
    }
    out
}

/// What the file that a case names holds: it is not among the published ones, so the phrases that the cases tell apart.
const PHRASES: &[u8] = b"# phrases of the cases\nabc\ndef\n\nghi\r\nxxx yyy zzz\n";

fn run(name: &str, parameter: &[u8], input: &[u8]) -> Result<(bool, Vec<String>), OperatorError> {
    let data = reads_file(name)?.then_some(PHRASES);
    let operator = Operator::seclang(name, parameter, data)?;
    let mut captures = Captures::default();
    let matched = operator.captures(input, &mut captures);
    assert_eq!(operator.is_match(input), matched, "@{name} {}", parameter.escape_ascii());
    if let Ok(dynamic) = Dynamic::seclang(name) {
        assert_eq!(dynamic.is_match(parameter, input), matched, "@{name} {}", parameter.escape_ascii());
    }
    let groups = captures.iter(input).map(|(_, group)| String::from_utf8_lossy(group).into_owned()).collect();
    Ok((matched, groups))
}

/// Cases of which Rampart refuses the parameter, where ModSecurity says "no match" whatever the value.
const REFUSED: [(&str, &str); 1] = [("ipMatch", "10.0.0.0/100")];

#[test]
fn published_cases() {
    let Some(folder) = shared() else { return };
    let (mut passed, mut absent, mut failures) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let (parameter, input) = (bytes_of(&case["param"]), bytes_of(&case["input"]));
            let expect = case["ret"] == 1;
            let refused = REFUSED.iter().any(|(n, p)| *n == name && p.as_bytes() == parameter);
            match run(name, &parameter, &input) {
                Ok((matched, groups)) => {
                    let wanted = case["re_groups"].as_array();
                    let same = wanted.is_none_or(|wanted| {
                        wanted.iter().map(Value::as_str).eq(groups.iter().map(|g| Some(g.as_str())))
                    });
                    if matched == expect && same && !refused {
                        passed += 1;
                    } else {
                        failures.push(format!("{case}: got {matched} {groups:?}"));
                    }
                }
                Err(OperatorError::Unknown { .. } | OperatorError::Unsupported { .. }) => {
                    *absent.entry(name.to_owned()).or_default() += 1;
                }
                Err(_) if refused && !expect => passed += 1,
                Err(error) => failures.push(format!("{case}: {error}")),
            }
        }
    }
    println!("{passed} cases passed; skipped, because the operator is not ours: {absent:?}");
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(passed > 3_900, "only {passed} cases ran");
    let known = ["validateNid", "validateSchema"];
    assert!(absent.keys().all(|name| known.contains(&name.as_str())), "unknown operators: {absent:?}");
}

/// An operator of every kind that announces literals, over a small alphabet.
fn operators() -> impl Strategy<Value = (&'static str, String)> {
    let text = "[aAbB%' ]{0,4}";
    let pattern = prop::collection::vec(
        prop::sample::select(vec![
            "ab",
            "b",
            "[ab]",
            "(?:ab|ba)",
            "(?i)aB",
            "(?!b)",
            "(?=a)",
            "(?<=a)",
            "a++",
            "(?>a*)",
            "(a)\\1",
            ".",
            "\\b",
            "(?i:B)",
            "%",
            "'",
            "[^a]",
            "(?:ab){2,3}",
            "\\x41",
            "$",
            "(?:a|b.*)",
        ]),
        1..6,
    );
    prop_oneof![
        (
            prop::sample::select(vec![
                "streq",
                "contains",
                "containsWord",
                "beginsWith",
                "endsWith",
                "within",
                "strmatch"
            ]),
            text
        ),
        (Just("pm"), "[ab]{1,3} [aAbB%]{1,4}"),
        (Just("pmFromFile"), Just("file".to_owned())),
        (Just("rx"), pattern.prop_map(|parts| parts.concat())),
        (Just("verifyCC"), Just("[0-9]{1,4}".to_owned())),
        (prop::sample::select(vec!["validateUrlEncoding", "validateUtf8Encoding", "detectXSS"]), Just(String::new())),
        (Just("validateByteRange"), Just("65-98".to_owned())),
        (prop::sample::select(vec!["eq", "lt", "ge"]), "-?[0-9]{1,2}"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Necessary: a value that matches holds a literal of each clause. And the three ways to ask agree.
    #[test]
    fn a_match_satisfies_every_clause((name, parameter) in operators(), value in "[abABdef0-9%' <>\n\u{e9}]{0,12}") {
        let data = reads_file(name).unwrap().then_some(PHRASES);
        // Some parts together are no pattern: a quantifier on nothing, a look-behind of no length.
        let Ok(operator) = Operator::seclang(name, parameter.as_bytes(), data) else { return Ok(()) };
        let value = value.as_bytes();
        let matched = operator.is_match(value);
        prop_assert_eq!(operator.find(value).is_some(), matched);
        let mut captures = Captures::default();
        prop_assert_eq!(operator.captures(value, &mut captures), matched);
        if matched {
            let clauses = operator.clauses();
            prop_assert!(clauses.admit(value), "@{} {} matches {} without {:?}", name, parameter, value.escape_ascii(), clauses);
        }
    }
}
