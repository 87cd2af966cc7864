//! Expectations are what libmodsecurity 3.0.9 (with yajl) says of the same body, unless a comment says otherwise.

use std::fmt::Write as _;

use super::super::testing::{Seen, seen, seen_with, settings};
use crate::seclang::ast::BodyProcessor;
use crate::seclang::program::Settings;

fn read(body: &str) -> Seen {
    read_as("application/json", body.as_bytes())
}

fn read_as(content_type: &str, body: &[u8]) -> Seen {
    let head = format!("POST / HTTP/1.1\r\nContent-Type: {content_type}\r\n\r\n");
    seen(&[head.as_bytes(), body].concat(), Some(BodyProcessor::Json))
}

fn check(body: &str, expect: &[&str], error: &str) {
    let seen = read(body);
    assert_eq!(
        (seen.values("ARGS").as_slice(), seen.scalar("REQBODY_ERROR").as_str()),
        (&owned(expect)[..], error),
        "{body}"
    );
    assert_eq!(seen.values("ARGS_POST"), [""; 0], "{body}");
    let names = expect.iter().filter_map(|pair| pair.split('=').next());
    assert_eq!(seen.values("ARGS_NAMES"), names.map(|name| format!("{name}={name}")).collect::<Vec<_>>(), "{body}");
}

fn owned(expect: &[&str]) -> Vec<String> {
    expect.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn names() {
    check("{}", &[], "0");
    check("[]", &[], "0");
    check(r#"{"a":1}"#, &["json.a=1"], "0");
    check(r#"{"a":{"b":1,"c":{"d":"x"}},"e":2}"#, &["json.a.b=1", "json.a.c.d=x", "json.e=2"], "0");
    check("[1,[2,[3]]]", &["json.array_0=1", "json.array_1.array_0=2", "json.array_1.array_1.array_0=3"], "0");
    check(r#"[{"a":[{"b":"c"}]}]"#, &["json.array_0.a.array_0.b=c"], "0");
    check(r#"{"a":[1,{"b":2},[],{},3]}"#, &["json.a.array_0=1", "json.a.array_1.b=2", "json.a.array_4=3"], "0");
    check(r#"{"":{"":{"x":1}},"d.e":2}"#, &["json.empty-key.empty-key.x=1", "json.d.e=2"], "0");
    check(r#"{"a":1,"a":2}"#, &["json.a=1", "json.a=2"], "0");
    check("  [ 1 ,\n{ \"a\" : 2 } ]\n", &["json.array_0=1", "json.array_1.a=2"], "0");
}

#[test]
fn scalars() {
    check(
        "[true,false,null,2.50,-1e5]",
        &["json.array_0=true", "json.array_1=false", "json.array_2=", "json.array_3=2.50", "json.array_4=-1e5"],
        "0",
    );
    check(
        r#"["x\u00e9\n\/","\ud83d\ude00"]"#,
        &["json.array_0=x\\xc3\\xa9\\n/", "json.array_1=\\xf0\\x9f\\x98\\x80"],
        "0",
    );
    check(r#"["\u0000"]"#, &["json.array_0=\\x00"], "0");
    // libmodsecurity reads outside its memory here.
    check(r#""x""#, &["json=x"], "0");
}

#[test]
fn errors() {
    check(r#"{"a":1} x"#, &["json.a=1"], "1");
    check(r#"{"a":1"#, &["json.a=1"], "1");
    check(r#"{"a":1,}"#, &["json.a=1"], "1");
    check(r#"/*c*/{"a":1}"#, &[], "1");
    check("x", &[], "1");
    // What comes after the error is no argument of libmodsecurity.
    check("{\"a\":\"x\ty\"}", &["json.a=x\\ty"], "1");
    assert_eq!(read_as("application/json", b"{\"a\":\"\xff\"}").scalar("REQBODY_ERROR"), "1");
    assert_eq!(read("").scalar("REQBODY_ERROR"), "0");
    assert_eq!(read("[").scalar("REQBODY_ERROR_MSG"), "JSON parsing error");
    assert_eq!(read("[]").scalar("REQBODY_ERROR_MSG"), "");
}

#[test]
fn whatever_the_content_type_says_the_document_is_the_same() {
    let body = br#"{"a":[{"b":"\u0041"},2],"c":{"d":null}}"#;
    let expect = read_as("application/json", body).values("ARGS");
    assert_eq!(expect, ["json.a.array_0.b=A", "json.a.array_1=2", "json.c.d="]);
    for content_type in
        ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "text/xml"]
    {
        let seen = read_as(content_type, body);
        assert_eq!((seen.values("ARGS"), seen.scalar("REQBODY_ERROR")), (expect.clone(), "0".into()), "{content_type}");
    }
}

#[test]
fn depth_and_number_of_arguments_are_limited_by_settings() {
    let request = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n[[[1]],2,3]";
    let seen = |settings: Settings| seen_with(request, Some(BodyProcessor::Json), &settings, None);
    assert_eq!(seen(Settings { json_depth: 3, ..settings() }).scalar("REQBODY_ERROR"), "0");
    assert_eq!(seen(Settings { json_depth: 2, ..settings() }).scalar("REQBODY_ERROR"), "1");
    let two = seen(Settings { arguments: 2, ..settings() });
    assert_eq!(two.values("ARGS"), ["json.array_0.array_0.array_0=1", "json.array_1=2"]);
}

#[test]
fn names_do_not_grow_with_the_square_of_the_body() {
    let body = format!("{{\"{}\":[{}]}}", "k".repeat(20_000), vec!["1"; 10_000].join(","));
    let seen = read(&body);
    let names = seen.values("ARGS_NAMES");
    assert_eq!(names.len(), 10_000);
    assert!(names.iter().map(String::len).sum::<usize>() < 64 * body.len());
    assert_eq!(seen.scalar("REQBODY_ERROR"), "1");
    let usual = format!("[{}]", vec!["1"; 10_000].join(","));
    assert_eq!(read(&usual).scalar("REQBODY_ERROR"), "0");
}

/// The names of a document, the slow way.
fn oracle(value: &serde_json::Value, name: &str, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                oracle(item, &format!("{name}.array_{at}"), out);
            }
        }
        serde_json::Value::Object(members) => {
            for (key, member) in members {
                let key = if key.is_empty() { "empty-key" } else { key };
                oracle(member, &format!("{name}.{key}"), out);
            }
        }
        serde_json::Value::Null => out.push(format!("{name}=")),
        serde_json::Value::String(text) => out.push(format!("{name}={text}")),
        scalar => {
            let mut text = format!("{name}=");
            write!(text, "{scalar}").unwrap();
            out.push(text);
        }
    }
}

fn documents() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-z ]{0,6}".prop_map(Into::into),
    ];
    scalar.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-d.]{0,2}", inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn names_agree_with_the_oracle(document in documents()) {
        let mut expect = Vec::new();
        oracle(&document, "json", &mut expect);
        let seen = read(&document.to_string());
        proptest::prop_assert_eq!(seen.values("ARGS"), expect);
        proptest::prop_assert_eq!(seen.scalar("REQBODY_ERROR"), "0");
    }
}
