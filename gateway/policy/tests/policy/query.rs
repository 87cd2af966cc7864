//! What is said about constraints on query parameters that are wrong, or that contradict themselves or their route.

use crate::common::{CONFIG, PROFILE, brief, report};

/// Checks what is said about a route with these keys; `r.toml:5` is their first line.
#[track_caller]
fn check(keys: &str, expect: &[&str]) {
    check_matching("", keys, expect);
}

#[track_caller]
fn check_matching(conditions: &str, keys: &str, expect: &[&str]) {
    let text = format!(
        "version = 1\n[[route]]\nname = \"r\"\nmatch = {{ path = \"/a\"{conditions} }}\n{keys}\nupstream = \"agents\"\n{PROFILE}"
    );
    assert_eq!(brief(&report(CONFIG, &[("r.toml", &text)])), expect, "{keys}");
}

#[test]
fn good_ones_are_silent() {
    check(
        "query = { limit = { integer = { min = 1, max = 1000 }, on_violation = \"clamp\" }, sort = { one_of = [\"name\"] }, \
         q = { max_length = 100, pattern = \"[a-z]+\" }, id = { uuid = true, required = true }, on = { boolean = true, empty = true }, \
         \"ids[]\" = { integer = {}, repeat = true }, next = { encoded = true }, any = {} }\nquery_unknown = \"reject\"",
        &[],
    );
    check("query_unknown = \"drop\"", &[]);
}

#[test]
fn shapes() {
    check(
        "query = { a = { interger = {} } }",
        &["r.toml:5:17 route[0].query.a.interger: unknown key \"interger\" (did you mean \"integer\"?)"],
    );
    check(
        "query_unknown = \"refuse\"",
        &["r.toml:5:17 route[0].query_unknown: unknown value \"refuse\" (one of \"allow\", \"reject\", \"drop\")"],
    );
    check(
        "query = { \"a%\" = {} }",
        &[
            "r.toml:5:11 route[0].query.\"a%\": \"a%\" is not the name of a query parameter (1 to 128 bytes as they are once decoded, \
           without \"%\" and control characters)",
        ],
    );
}

#[test]
fn kinds() {
    check(
        "query = { a = { integer = {}, uuid = true } }",
        &["r.toml:5:38 route[0].query.a.uuid: a value is either `integer` or `uuid`, not both"],
    );
    check(
        "query = { a = { one_of = [\"x\"], max_length = 5 } }",
        &["r.toml:5:46 route[0].query.a.max_length: `max_length` is for text: `one_of` says what the value is"],
    );
    check(
        "query = { a = { boolean = false } }",
        &["r.toml:5:27 route[0].query.a.boolean: `false` asks for nothing (write `true`, or leave it out)"],
    );
    check("query = { a = { one_of = [] } }", &["r.toml:5:26 route[0].query.a.one_of: no value is one of none"]);
    check(
        "query = { a = { one_of = [\"x\", \"x\"] } }",
        &["r.toml:5:32 route[0].query.a.one_of[1]: \"x\" is listed twice (once is enough)"],
    );
    check(
        "query = { a = { pattern = \"(\" } }",
        &["r.toml:5:27 route[0].query.a.pattern: not a regular expression: unclosed group"],
    );
    check(
        "query = { a = { on_violation = \"clamp\", max_length = 5 } }",
        &[
            "r.toml:5:32 route[0].query.a.on_violation: only a number can be clamped (leave it out: the request is refused)",
        ],
    );
}

#[test]
fn contradictions() {
    check(
        "query = { a = { integer = { min = 5, max = 4 } } }",
        &["r.toml:5:27 route[0].query.a.integer: no number is from 5 to 4 (`min` is more than `max`)"],
    );
    check(
        "query = { a = { integer = { max = -4 } } }",
        &[
            "r.toml:5:27 route[0].query.a.integer: no number is from 0 to -4 (without `min` the least is 0: write a `min`)",
        ],
    );
    check(
        "query = { a = { min_length = 5, max_length = 4 } }",
        &["r.toml:5:30 route[0].query.a.min_length: no text is that long: `min_length` is more than `max_length`"],
    );
    check(
        "query = { a = { empty = true } }",
        &[
            "r.toml:5:25 route[0].query.a.empty: text may be empty as it is (write `min_length = 1` for text that may not be)",
        ],
    );
    check(
        "query = { a = { required = true, pattern = \"[a-z]*\" } }",
        &[
            "r.toml:5:44 route[0].query.a.pattern: the pattern matches an empty value, so `required` asks only for the name \
           (write `min_length = 1`, or a pattern such as \"[a-z]+\")",
        ],
    );
}

#[test]
fn a_route_that_refuses_what_it_matches() {
    let help = "(change the route's `match`, or what the parameter has to be)";
    check_matching(
        ", query = { v = \"x\" }",
        "query = { v = { integer = {} } }",
        &[&format!("r.toml:5:15 route[0].query.v: what the route matches of \"v\" is refused {help}")],
    );
    check_matching(
        ", query = { v = { one_of = [\"x\", \"y\"] } }",
        "query = { v = { one_of = [\"z\"] } }",
        &[&format!("r.toml:5:15 route[0].query.v: what the route matches of \"v\" is refused {help}")],
    );
    check_matching(
        ", query = { v = { present = false } }",
        "query = { v = { required = true } }",
        &[&format!("r.toml:5:15 route[0].query.v: the route matches only without \"v\", which is required {help}")],
    );
    check_matching(
        ", query = { v = \"x\" }",
        "query_unknown = \"reject\"",
        &[&format!(
            "r.toml:4:38 route[0].match.query.v: the route matches only with \"v\", which it does not take {help}"
        )],
    );
    check_matching(
        ", query = { v = \"5\", w = \"x\" }",
        "query = { v = { integer = { max = 4 }, on_violation = \"clamp\" } }",
        &[],
    );
    check_matching(", query = { v = { one_of = [\"x\", \"5\"] } }", "query = { v = { integer = {} } }", &[]);
}
