use rampart_settings::{Place, Report};
use serde_json::{Value, json};

use super::*;
use crate::raw_rules::RawRoute;

mod laws;

/// The constraints of a route with this `query` and `query_unknown`.
#[track_caller]
pub(super) fn rules(query: &Value, unknown: &str) -> QueryRules {
    let raw = json!({"name": "r", "match": {"path": "/"}, "query": query, "query_unknown": unknown});
    let raw: RawRoute = serde_json::from_value(raw).unwrap();
    let report = Report::new();
    let rules = compile(&raw, &Place::nowhere("test", &report));
    assert_eq!(report.errors(), 0, "{:?}", report.into_sorted());
    rules
}

/// `=` unchanged, `>QUERY` rewritten, `!MESSAGE` refused.
fn shown(checked: &Checked) -> String {
    match checked {
        Checked::Unchanged => "=".to_owned(),
        Checked::Rewritten(query) => format!(">{}", String::from_utf8_lossy(query)),
        Checked::Refused(violation) => format!("!{violation}"),
    }
}

#[track_caller]
fn check(rules: &QueryRules, query: &str, expect: &str) {
    assert_eq!(shown(&rules.check(Some(query.as_bytes()))), expect, "{query}");
}

#[track_caller]
fn passes(rules: &QueryRules, queries: &[&str]) {
    for query in queries {
        check(rules, query, "=");
    }
}

#[track_caller]
fn refuses(rules: &QueryRules, queries: &[&str], expect: &str) {
    for query in queries {
        check(rules, query, &format!("!Query parameter {expect}"));
    }
}

#[test]
fn without_constraints_everything_passes() {
    let rules = rules(&json!({}), "allow");
    assert!(rules.is_empty());
    passes(&rules, &["", "a=1&a=2", "%zz=%00;x#y", "&&"]);
    assert_eq!(rules.check(None), Checked::Unchanged);
}

#[test]
fn integers() {
    let rules = rules(&json!({"limit": {"integer": {"min": 1, "max": 1000}}}), "allow");
    passes(&rules, &["", "limit=1", "limit=1000", "limit=%31%30", "a=b&limit=7&c", "&&limit=5&"]);
    refuses(
        &rules,
        &[
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+5",
            "limit=%2B5",
            "limit=05",
            "limit=00",
            "limit=-0",
            "limit=",
            "limit",
            "limit= 5",
            "limit=5+",
            "limit=5%0a",
            "limit=5%20",
            "limit=5.0",
            "limit=5e2",
            "limit=0x10",
            "limit=1_000",
            "limit=1,000",
            "limit=5=5",
            "limit=99999999999999999999999999999999999999",
            "limit=-99999999999999999999999999999999999999",
            "limit=%EF%BC%95",
            "limit=%D9%A5",
            "limit=five",
            "limit=NaN",
            "limit=--5",
            "limit=-",
            // 2 to the 32 and to the 64, and five.
            "limit=4294967301",
            "limit=18446744073709551621",
        ],
        "\"limit\" must be an integer from 1 to 1000",
    );
}

#[test]
fn bounds_of_integers() {
    let open = rules(&json!({"n": {"integer": {}}}), "allow");
    passes(&open, &["n=0", "n=9223372036854775807"]);
    refuses(&open, &["n=-1", "n=9223372036854775808", "n=00"], "\"n\" must be an integer of at least 0");
    let wide = rules(&json!({"n": {"integer": {"min": i64::MIN}}}), "allow");
    passes(&wide, &["n=-9223372036854775808", "n=9223372036854775807", "n=-1"]);
    refuses(&wide, &["n=-9223372036854775809"], "\"n\" must be an integer of at least -9223372036854775808");
    let zeros = rules(&json!({"n": {"integer": {"max": 9, "leading_zeros": true}}}), "allow");
    passes(&zeros, &["n=0", "n=00", "n=0000000000000000000000000000009"]);
    refuses(&zeros, &["n=010", "n=-00", "n=-01"], "\"n\" must be an integer from 0 to 9");
}

#[test]
fn clamped_numbers_change_nothing_else() {
    let page = json!({"integer": {"min": 1, "max": 100}, "on_violation": "clamp"});
    let many = json!({"integer": {"min": -5, "max": 5}, "on_violation": "clamp", "repeat": true});
    let rules = rules(&json!({"limit": page, "n": many}), "allow");
    check(&rules, "limit=1000", ">limit=100");
    check(&rules, "limit=0", ">limit=1");
    check(&rules, "limit=-99999999999999999999999", ">limit=1");
    check(&rules, "limit=99999999999999999999999", ">limit=100");
    check(&rules, "&&a=%3c&%6Cimit=500&&b=+&", ">&&a=%3c&%6Cimit=100&&b=+&");
    check(&rules, "n=9&limit=7&n=-9&n=0", ">n=5&limit=7&n=-5&n=0");
    refuses(
        &rules,
        &["limit=many", "limit=", "limit=+500", "limit=0500"],
        "\"limit\" must be an integer from 1 to 100",
    );
    refuses(&rules, &["limit=500&limit=500"], "\"limit\" may be given only once");
}

#[test]
fn enumerations_and_forms() {
    let rules = rules(
        &json!({
            "sort": {"one_of": ["name", "date", "a b", "50%41"]},
            "id": {"uuid": true},
            "active": {"boolean": true, "empty": true},
            "only": {"one_of": ["x"]},
        }),
        "allow",
    );
    passes(
        &rules,
        &[
            "sort=name",
            "sort=d%61te",
            "sort=a+b",
            "sort=a%20b",
            "sort=50%2541",
            "active=true",
            "active=",
            "active",
            "only=x",
        ],
    );
    passes(&rules, &["id=123e4567-e89b-12d3-a456-426614174000", "id=123E4567-E89B-12D3-A456-426614174000"]);
    refuses(
        &rules,
        &["sort=Name", "sort=", "sort=name%20", "sort=name,date"],
        "\"sort\" must be one of \"name\", \"date\", \"a b\", \"50%41\"",
    );
    refuses(
        &rules,
        &[
            "id=",
            "id=123e4567e89b12d3a456426614174000",
            "id={123e4567-e89b-12d3-a456-42661417400}",
            "id=123e4567-e89b-12d3-a456-42661417400g",
        ],
        "\"id\" must be a UUID",
    );
    refuses(&rules, &["active=1", "active=TRUE", "active=on"], "\"active\" must be \"true\" or \"false\"");
    refuses(&rules, &["only=y"], "\"only\" must be \"x\"");
}

#[test]
fn text() {
    let rules = rules(
        &json!({
            "q": {"max_length": 5},
            "word": {"pattern": "[a-z]+|[0-9]+", "max_length": 4},
            "anchored": {"pattern": "^[a-z]+$"},
            "next": {"min_length": 1, "encoded": true},
            "any": {},
        }),
        "allow",
    );
    passes(
        &rules,
        &["q=", "q=12345", "q=%C3%A4%C3%B6%C3%BC%C3%9F%E2%82%AC", "q=100%25", "q=a+b", "word=abc", "word=123"],
    );
    passes(&rules, &["anchored=abc", "next=https%3A%2F%2Fx%3Fa%3D%2520b", "any=", "any=%0A", "any=a=b"]);
    refuses(&rules, &["q=123456"], "\"q\" must be text of at most 5 characters");
    refuses(
        &rules,
        &["word=", "word=ab1", "word=abcde", "word=ABC", "word=abc%0a"],
        "\"word\" must be text of at most 4 characters of the form that this place takes",
    );
    refuses(
        &rules,
        &["anchored=abc%0A", "anchored=1", "anchored=abc1"],
        "\"anchored\" must be text of the form that this place takes",
    );
    refuses(&rules, &["next="], "\"next\" must be text of at least 1 characters");
}

#[test]
fn what_reads_in_two_ways_is_refused() {
    let rules = rules(&json!({"limit": {"integer": {"max": 9}}, "q": {"max_length": 50}}), "allow");
    let twice = "can be decoded in more than one way";
    refuses(
        &rules,
        &["q=%", "q=%4", "q=%zz", "q=%u0041", "q=%ff", "q=%c0%af", "q=a%00", "q=%2541"],
        &format!("\"q\" {twice}"),
    );
    refuses(&rules, &["q=%25u0041"], &format!("\"q\" {twice}"));
    refuses(&rules, &["limit=5%", "limit=5%00"], &format!("\"limit\" {twice}"));
    refuses(&rules, &["li%mit=99"], &format!("\"li%mit\" {twice}"));
    refuses(&rules, &["%256Cimit=99"], &format!("\"%6Cimit\" {twice}"));
    refuses(&rules, &["limit%00=99"], &format!("\"limit\\x00\" {twice}"));
    refuses(&rules, &["%ff=99"], &format!("\"\\xff\" {twice}"));
    check(&rules, "limit=5#&limit=99", "!The query holds a \"#\"");
    let separator = "holds a \";\", at which some readers separate parameters";
    refuses(&rules, &["limit=5;limit=99", "limit=5;", "limit=5;x"], &format!("\"limit\" {separator}"));
    refuses(&rules, &["q=a;limit=99", "q=a;b"], &format!("\"q\" {separator}"));
    refuses(&rules, &["x=a;limit=99", "x=a;b;%6cimit=9", "x=;LIMIT=9"], &format!("\"x\" {separator}"));
    refuses(&rules, &["x;limit=99"], &format!("\"x;limit\" {separator}"));
    refuses(&rules, &["limit;x=99"], &format!("\"limit;x\" {separator}"));
    refuses(&rules, &[";limit=99"], &format!("\";limit\" {separator}"));
    passes(&rules, &["x=a;b", "x=a;b=1", "q=a%3Blimit%3D99", "x=%3Blimit=99"]);
}

#[test]
fn every_spelling_of_a_name_is_the_same_name() {
    let rules = rules(
        &json!({"limit": {"integer": {"max": 9}}, "sort_by": {"one_of": ["a"]}, "a b": {"boolean": true}}),
        "allow",
    );
    refuses(
        &rules,
        &["limit=10", "%6cimit=10", "%6Cimit=10", "%6c%69%6d%69%74=10"],
        "\"limit\" must be an integer from 0 to 9",
    );
    refuses(&rules, &["a+b=1", "a%20b=1"], "\"a b\" must be \"true\" or \"false\"");
    refuses(
        &rules,
        &["limit=1&limit=2", "limit=1&%6cimit=2", "%6Cimit=1&x&limit=1"],
        "\"limit\" may be given only once",
    );
    for (query, name) in [
        ("Limit=99", "Limit"),
        ("LIMIT=99", "LIMIT"),
        ("limit[]=99", "limit[]"),
        ("limit[0]=99", "limit[0]"),
        ("limit[$gt]=99", "limit[$gt]"),
        ("limit%5B%5D=99", "limit[]"),
        ("+limit=99", " limit"),
        ("limit%20=99", "limit "),
        ("%09limit=99", "\\tlimit"),
    ] {
        refuses(&rules, &[query], &format!("\"{name}\" could be taken for \"limit\""));
    }
    for name in ["sort.by", "sort[by", "sort by", "SORT_BY"] {
        let query = format!("{}=z", name.replace(' ', "+"));
        refuses(&rules, &[&query], &format!("\"{name}\" could be taken for \"sort_by\""));
    }
    passes(&rules, &["limits=99", "limi=99", "xlimit[]=99", "sort-by=z", "limit=9&offset=99"]);
}

#[test]
fn brackets_in_a_declared_name_are_its_own() {
    let rules = rules(&json!({"filter[age]": {"integer": {}}, "ids[]": {"integer": {}, "repeat": true}}), "allow");
    passes(&rules, &["filter[age]=5", "filter%5Bage%5D=5", "filter[name]=x", "ids[]=1&ids[]=2"]);
    refuses(&rules, &["filter[age]=x"], "\"filter[age]\" must be an integer of at least 0");
    refuses(&rules, &["FILTER[age]=x"], "\"FILTER[age]\" could be taken for \"filter[age]\"");
    refuses(&rules, &["ids[]=x"], "\"ids[]\" must be an integer of at least 0");
}

#[test]
fn what_is_required() {
    let rules =
        rules(&json!({"a": {"required": true}, "b": {"integer": {}, "required": true, "empty": true}}), "allow");
    passes(&rules, &["a=1&b=2", "b=2&a", "a&b", "%61=&%62="]);
    refuses(&rules, &["", "b=1", "c&b=1", "A1=1&b=1"], "\"a\" is required");
    refuses(&rules, &["a=1", "a=b"], "\"b\" is required");
    assert_eq!(shown(&rules.check(None)), "!Query parameter \"a\" is required");
}

#[test]
fn strangers() {
    let strict = rules(&json!({"a": {}}), "reject");
    passes(&strict, &["", "a=1", "&", "a"]);
    refuses(&strict, &["a=1&b=2", "b", "%62=1"], "\"b\" is not taken here");
    refuses(&strict, &["A=1"], "\"A\" is not taken here");
    refuses(&strict, &["=1", "="], "\"\" is not taken here");
    refuses(&strict, &["a=1;b=2"], "\"a\" holds a \";\", at which some readers separate parameters");
    let nothing = rules(&json!({}), "reject");
    passes(&nothing, &["", "&"]);
    assert_eq!(nothing.check(None), Checked::Unchanged);
    refuses(&nothing, &["a"], "\"a\" is not taken here");
}

#[test]
fn strangers_are_dropped_and_nothing_else() {
    let number = json!({"integer": {"max": 9}, "on_violation": "clamp"});
    let rules = rules(&json!({"a": {}, "n": number}), "drop");
    check(&rules, "x=1", ">");
    check(&rules, "x=1&y", ">");
    check(&rules, "a=1&x=2", ">a=1");
    check(&rules, "x=2&a=1", ">a=1");
    check(&rules, "x&a=%31&y&z", ">a=%31");
    check(&rules, "a&x&n=5", ">a&n=5");
    check(&rules, "A=1&a[]=1&%zz&%00;n=99&n=99", ">n=9");
    check(&rules, "&x&&a", ">&&a");
    check(&rules, "x&", ">");
    passes(&rules, &["", "&", "a=1&n=9", "a"]);
}

#[test]
fn names_are_shown_escaped_and_cut() {
    let rules = rules(&json!({}), "reject");
    refuses(&rules, &["%22%0d%0a%3Cb%3E=1"], "\"\\\"\\r\\n<b>\" is not taken here");
    let long = "n".repeat(1000);
    refuses(&rules, &[&long], &format!("\"{}...\" is not taken here", "n".repeat(64)));
    refuses(&rules, &[&"n".repeat(64)], &format!("\"{}\" is not taken here", "n".repeat(64)));
}
