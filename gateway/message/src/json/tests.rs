//! The table of documents, serde_json as the oracle, and what hostile documents cost.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Form, Outcome, parse};
use crate::collector::{Collector, Problems};
use crate::render::locate_node;
use crate::{Aspect, Detail, Limits, Name, ProblemCode, Step, Value};

struct Read {
    outcome: Outcome,
    values: Vec<(String, Aspect, Vec<u8>)>,
    codes: Vec<ProblemCode>,
    limits: Vec<(&'static str, u64)>,
}

fn read(bytes: &[u8], form: Form) -> Read {
    let (mut values, mut nodes, mut problems) = (Vec::new(), Vec::new(), Problems::new());
    let limits = Limits::DEFAULT;
    let mut out = Collector { values: &mut values, nodes: &mut nodes, problems: &mut problems, limits: &limits };
    let root = out.root(Step::Root).unwrap();
    let outcome = parse(bytes, form, root, &mut out);
    let place = |value: &Value<'_>| match value.name {
        Name::Node(node) => locate_node(&nodes, node),
        _ => panic!("a JSON value without a place"),
    };
    Read {
        outcome,
        values: values.iter().map(|value| (place(value), value.aspect, value.bytes.to_vec())).collect(),
        codes: problems.iter().map(|p| p.code).filter(|code| *code != ProblemCode::LimitExceeded).collect(),
        limits: problems
            .iter()
            .filter_map(|p| match p.detail {
                Detail::Limit { limit, actual, .. } => Some((limit, actual)),
                _ => None,
            })
            .collect(),
    }
}

fn check(input: &str, expect: &[(&str, &str)]) {
    let got = read(input.as_bytes(), Form::Document);
    let values: Vec<_> = got.values.iter().map(|(p, _, v)| (p.as_str(), std::str::from_utf8(v).unwrap())).collect();
    assert_eq!((values.as_slice(), got.outcome), (expect, Outcome::Whole), "{input}");
    assert_eq!((got.codes, got.limits), (vec![], vec![]), "{input}");
}

#[test]
fn documents() {
    check("1", &[("root", "1")]);
    check(" \"a\" ", &[("root", "a")]);
    check("{}", &[]);
    check("[]", &[]);
    check("[[],{}]", &[]);
    check(r#"{"a":1}"#, &[("root.a", "1")]);
    check(
        r#"{ "a" : [ true , false , null ] }"#,
        &[("root.a[0]", "true"), ("root.a[1]", "false"), ("root.a[2]", "null")],
    );
    check(r#"{"steps":[{"text":"x"},{"text":"y"}]}"#, &[("root.steps[0].text", "x"), ("root.steps[1].text", "y")]);
    check(r#"{"a":{"b":{"c":"d"}},"e":"f"}"#, &[("root.a.b.c", "d"), ("root.e", "f")]);
    check(r#"{"":"empty"}"#, &[("root.", "empty")]);
    check(r#"["\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"]"#, &[("root[0]", "\"\\/\u{8}\u{c}\n\r\tAé😀")]);
    check(r#"{"\u0061":1}"#, &[("root.a", "1")]);
    check(
        "[-0.5e+10,1E400,12345678901234567890]",
        &[("root[0]", "-0.5e+10"), ("root[1]", "1E400"), ("root[2]", "12345678901234567890")],
    );
    check(
        "[\"1234567\",\"12345678\",\"123456789é\"]",
        &[("root[0]", "1234567"), ("root[1]", "12345678"), ("root[2]", "123456789é")],
    );
}

#[test]
fn aspects() {
    let got = read(br#"["a",1,true,null]"#, Form::Document);
    let aspects: Vec<_> = got.values.iter().map(|(_, aspect, _)| *aspect).collect();
    assert_eq!(aspects, [Aspect::Text, Aspect::Number, Aspect::Boolean, Aspect::Null]);
}

fn check_odd(input: &str, codes: &[ProblemCode], outcome: Outcome, values: &[&str]) {
    let got = read(input.as_bytes(), Form::Document);
    let seen: Vec<_> = got.values.iter().map(|(_, _, value)| String::from_utf8_lossy(value).into_owned()).collect();
    assert_eq!(
        (got.codes.as_slice(), got.outcome, seen),
        (codes, outcome, values.iter().map(|v| (*v).to_owned()).collect()),
        "{input}"
    );
}

#[test]
fn oddities() {
    use Outcome::{Broken, Whole};
    use ProblemCode::{DuplicateKey, LoneSurrogate, MalformedJson, TrailingJson};
    check_odd(r#"{"a":"safe","a":"' OR 1"}"#, &[DuplicateKey], Whole, &["safe", "' OR 1"]);
    check_odd(r#"{"a":1,"\u0061":2}"#, &[DuplicateKey], Whole, &["1", "2"]);
    check_odd(r#"{"a":{"a":1},"b":{"a":2}}"#, &[], Whole, &["1", "2"]);
    check_odd(r#"{"a":{"b":1,"b":2},"c":3}"#, &[DuplicateKey], Whole, &["1", "2", "3"]);
    check_odd(r#"["\ud800"]"#, &[LoneSurrogate], Whole, &["\u{fffd}"]);
    check_odd(r#"["\ud800\u0041"]"#, &[LoneSurrogate], Whole, &["\u{fffd}A"]);
    check_odd(r#"["\udc00"]"#, &[LoneSurrogate], Whole, &["\u{fffd}"]);
    check_odd("{} {}", &[TrailingJson], Broken, &[]);
    check_odd("1 x", &[TrailingJson], Broken, &["1"]);
    check_odd("[\"a\nb\"]", &[MalformedJson], Broken, &["a\nb"]);
    check_odd(r#"["\x41"]"#, &[MalformedJson], Broken, &["x41"]);
    check_odd(r#"["\u00"]"#, &[MalformedJson], Broken, &["u00"]);
    for broken in [
        "",
        " ",
        "{",
        "[",
        "[1,",
        "[1",
        "nul",
        "tru",
        "-",
        "01",
        "1.",
        "1e",
        "+1",
        "NaN",
        "'a'",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "[1,]",
        "{\"a\":1,}",
        "// c\n1",
        "[1 2]",
        "]",
        "[}",
        ".5",
    ] {
        let got = read(broken.as_bytes(), Form::Document);
        assert_eq!(got.outcome, Outcome::Broken, "{broken}");
    }
    check_odd(r#"{"a":"first","b":"open"#, &[MalformedJson, MalformedJson], Broken, &["first", "open"]);
    check_odd(r#"{"a":"first",b:1}"#, &[MalformedJson], Broken, &["first"]);
}

#[test]
fn sequences_of_documents() {
    let places = |text: &str| {
        let got = read(text.as_bytes(), Form::Sequence);
        assert_eq!(got.outcome, Outcome::Whole, "{text}");
        got.values.into_iter().map(|(place, _, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(places("{\"a\":1}\n{\"a\":2}\n"), ["root[0].a", "root[1].a"]);
    assert_eq!(places("\x1e{\"a\":1}\n\x1e[2]\n"), ["root[0].a", "root[1][0]"]);
    assert_eq!(places(""), [""; 0]);
    assert_eq!(read(b"{}\n{", Form::Sequence).outcome, Outcome::Broken);
}

#[test]
fn content_limits() {
    let limits = |text: &str| read(text.as_bytes(), Form::Document).limits;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(limits(&nested(10)), []);
    assert_eq!(limits(&nested(11)), [("json_depth", 11)]);
    assert_eq!(limits(&format!("[\"{}\"]", "a".repeat(10_000))), []);
    assert_eq!(limits(&format!("[\"{}\"]", "a".repeat(10_001))), [("string_length", 10_001)]);
    let array = |len: usize| format!("[{}]", vec!["1"; len].join(","));
    assert_eq!(limits(&array(1_000)), []);
    assert_eq!(limits(&array(1_001)), [("array_length", 1_001)]);
    let object = |len: usize| format!("{{{}}}", (0..len).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(","));
    assert_eq!(limits(&object(1_000)), []);
    assert_eq!(limits(&object(1_001)), [("object_keys", 1_001)]);
    assert_eq!(limits(&"1".repeat(65)), [("number_length", 65)]);
    assert_eq!(limits(&format!("{{\"{}\":1}}", "k".repeat(257))), [("argument_name_length", 257)]);
}

#[test]
fn reading_stops_where_the_process_would_suffer() {
    let deep = read("[".repeat(1 << 20).as_bytes(), Form::Document);
    assert_eq!(deep.outcome, Outcome::Stopped);
    assert_eq!(deep.limits, [("json_depth", 513)]);
    let wide = read(format!("[{}]", vec!["[]"; 200_000].join(",")).as_bytes(), Form::Document);
    assert_eq!(wide.outcome, Outcome::Stopped);
    assert!(wide.limits.iter().any(|(limit, _)| *limit == "arguments"));
}

#[test]
fn many_equal_and_many_similar_keys_stay_linear() {
    let long = "k".repeat(200);
    let same = format!("{{{}}}", vec!["\"a\":1"; 15_000].join(","));
    let similar = (0..15_000).map(|n| format!("\"{long}{n}\":1")).collect::<Vec<_>>();
    let similar = format!("{{{}}}", similar.join(","));
    let started = std::time::Instant::now();
    assert!(read(same.as_bytes(), Form::Document).codes.contains(&ProblemCode::DuplicateKey));
    assert!(!read(similar.as_bytes(), Form::Document).codes.contains(&ProblemCode::DuplicateKey));
    // Pairs would be 10^8 comparisons of 200 bytes: minutes in this build.
    assert!(started.elapsed().as_secs() < 10);
}

/// Scalars by place, from serde_json.
fn oracle(value: &serde_json::Value, place: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(key, value)| oracle(value, &format!("{place}.{key}"), into));
        }
        serde_json::Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| oracle(value, &format!("{place}[{at}]"), into));
        }
        serde_json::Value::String(text) => drop(into.insert(place.to_owned(), text.clone().into_bytes())),
        other => drop(into.insert(place.to_owned(), other.to_string().into_bytes())),
    }
}

fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[a-z\\\\\"\\n\\x00-\\x1f]{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-z0-9é\\\\]{1,8}", inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json(value in document(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let mut expect = BTreeMap::new();
        oracle(&value, "root", &mut expect);
        let got = read(&text, Form::Document);
        prop_assert_eq!(got.outcome, Outcome::Whole);
        let values: BTreeMap<_, _> = got.values.into_iter().map(|(place, _, value)| (place, value)).collect();
        prop_assert_eq!(values, expect);
    }

    #[test]
    fn takes_what_serde_json_takes(text in r#"[\[\]{}:,"\\ untrfalse0-9.eE+\-é]{0,24}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let ours = read(text.as_bytes(), Form::Document);
        // serde_json refuses lone surrogates; here they are a problem, not an end.
        if !ours.codes.contains(&ProblemCode::LoneSurrogate) {
            prop_assert_eq!(ours.outcome == Outcome::Whole, theirs, "{}", text);
        }
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        let got = read(&bytes, Form::Document);
        prop_assert!(got.values.iter().map(|(_, _, value)| value.len()).sum::<usize>() <= 3 * bytes.len());
    }
}
