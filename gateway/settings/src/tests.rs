//! Whole readings: a text and what is said about it.

mod environment;
mod structure;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Diagnostic, Document, Duration, Report, Size, Source, read};

/// Something of every kind that configuration holds.
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    #[schemars(range(min = 1, max = 1))]
    version: u32,
    #[serde(default)]
    wait: Option<Duration>,
    #[serde(default)]
    room: Option<Size>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    count: Option<u32>,
    #[serde(default)]
    ratio: Option<f64>,
    #[serde(default)]
    on: Option<bool>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    names: Option<Names>,
    #[serde(default)]
    span: Option<Span>,
    #[serde(default)]
    operator: Option<Operator>,
    #[serde(default)]
    #[schemars(length(min = 1, max = 2))]
    few: Option<Vec<u8>>,
    #[serde(default)]
    #[schemars(length(min = 1, max = 8))]
    label: Option<String>,
    #[serde(default)]
    secret: Option<Hidden>,
    #[serde(default)]
    route: Vec<Route>,
    #[serde(default)]
    table: BTreeMap<String, Route>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Route {
    name: String,
    #[serde(default)]
    size: Option<Size>,
}

/// A word of a list, or something of a form.
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged)]
enum Span {
    Mode(Mode),
    Length(Duration),
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Documented, so that the schema is a list of constants.
    Block,
    /// Another.
    Detect,
    Off,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
    Table(Route),
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Operator {
    Regex(String),
    Phrases(Vec<String>),
}

#[derive(Debug, PartialEq)]
struct Hidden(String);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Hidden {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hidden".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^secret://", "writeOnly": true, "examples": ["secret://x"] })
    }
}

/// One line for each finding: place, key, message and help.
fn brief(found: &[Diagnostic]) -> Vec<String> {
    let line = |d: &Diagnostic| {
        let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{} {}: {}{help}", d.line, d.column, d.path, d.message)
    };
    found.iter().map(line).collect()
}

fn findings(text: &str) -> (Option<Sample>, Vec<Diagnostic>) {
    let report = Report::new();
    let document = Document::parse(Source::new("f.toml", text), &report);
    let value = document.and_then(|document| read::<Sample>(&document, &report));
    (value, report.into_sorted())
}

#[test]
fn a_good_document_is_read() {
    let text = "version = 1\nwait = \"1m30s\"\nroom = 65536\nnames = [\"a\"]\noperator = { regex = \"x\" }\n\
                [[route]]\nname = \"r\"\nsize = \"8MiB\"\n[table.\"a b\"]\nname = \"t\"";
    let (value, found) = findings(text);
    assert_eq!(found, []);
    let value = value.unwrap();
    assert_eq!(value.wait, Some(Duration::secs(90)));
    assert_eq!(value.room, Some(Size::kib(64)));
    assert_eq!(value.names, Some(Names::Many(vec!["a".to_owned()])));
    assert_eq!(value.operator, Some(Operator::Regex("x".to_owned())));
    assert_eq!(value.route[0].size, Some(Size::mib(8)));
    assert_eq!(value.table["a b"].name, "t");
}

#[test]
fn a_finding_is_drawn_with_its_line() {
    let (_, found) = findings("version = 1\n\twait = \"10\"  # soon\n");
    let expect = "error: \"10\" is not a duration: the unit is missing\n \
                  --> f.toml:2:9 (wait)\n  |\n2 | \twait = \"10\"  # soon\n  | \t       ^^^^\n  \
                  = help: for example \"250ms\", \"30s\", \"5m\", \"24h\", \"7d\"";
    assert_eq!(found[0].to_string(), expect);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("version = 1\nfew = [{}\"x\"]", "1, ".repeat(200));
    let (_, found) = findings(&text);
    let drawn = found.iter().find(|d| d.path == "few[200]").unwrap().to_string();
    let lines: Vec<&str> = drawn.lines().collect();
    let (shown, marks) = (lines[3], lines[4]);
    assert!(shown.chars().count() < 130, "{shown}");
    let at = marks.find('^').unwrap();
    assert_eq!(&shown[at..at + 3], "\"x\"", "{drawn}");
}

#[test]
fn bytes_that_are_no_text_are_pointed_at() {
    let report = Report::new();
    assert!(Source::from_bytes("f.toml", b"version = 1\nlabel = \"\xffx\"", &report).is_none());
    let found = report.into_sorted();
    assert_eq!(
        brief(&found),
        ["2:10 : the file is not UTF-8 text: byte 0xff does not belong here (save the file as UTF-8)"]
    );
}

#[test]
fn a_byte_order_mark_and_crlf_do_not_move_columns() {
    let report = Report::new();
    let source = Source::from_bytes("f.toml", b"\xef\xbb\xbfversion = 2\r\nport = 1\r\n", &report).unwrap();
    let document = Document::parse(source, &report).unwrap();
    assert!(read::<Sample>(&document, &report).is_none());
    let found = report.into_sorted();
    assert_eq!(brief(&found), ["1:11 version: 2 is out of range (only 1 is known)"]);
    assert_eq!(found[0].snippet, "version = 2");
}

#[test]
fn every_syntax_error_is_reported() {
    let (value, found) = findings("version = 1\nport = \nlabel = 'x\n[route\n");
    assert!(value.is_none());
    let lines: Vec<usize> = found.iter().map(|d| d.line).collect();
    assert_eq!(lines, [2, 3, 4], "{:?}", brief(&found));
    assert!(found.iter().all(|d| d.message.starts_with("not valid TOML: ")), "{:?}", brief(&found));
}

#[test]
fn names_are_suggested_only_when_they_are_near() {
    let check = |given: &str, expect: Option<&str>| {
        let known = ["upstream", "methods", "strip_prefix", "tls", "id"];
        assert_eq!(crate::nearest(given, known.into_iter()), expect, "{given}");
    };
    check("upstraem", Some("upstream"));
    check("Upstream", Some("upstream"));
    check("strip-prefix", Some("strip_prefix"));
    check("method", Some("methods"));
    check("tlss", Some("tls"));
    check("ssl", None);
    check("di", Some("id"));
    check("quotas", None);
    check("", None);
    check(&"x".repeat(10_000), None);
}

#[test]
fn references_to_broken_definitions_are_not_reported() {
    let report = Report::new();
    let place = crate::Place::nowhere("here", &report);
    report.excuse("half");
    place.unknown_name("profile", "half", ["full"].into_iter());
    assert!(report.is_ok());
    place.unknown_name("profile", "fulll", ["full"].into_iter());
    place.unknown_name("profile", "hlaf", ["full"].into_iter());
    place.unknown_name("profile", "other", ["full", "empty"].into_iter());
    // Something is defined, though broken: it would be wrong to say that nothing is.
    place.unknown_name("profile", "other", std::iter::empty());
    let help: Vec<_> = report.into_sorted().into_iter().map(|d| d.help.unwrap_or_default()).collect();
    assert_eq!(help, ["did you mean \"full\"?", "did you mean \"half\"?", "defined: \"full\", \"empty\"", ""]);
    let report = Report::new();
    crate::Place::nowhere("here", &report).unknown_name("profile", "other", std::iter::empty());
    assert_eq!(report.into_sorted()[0].help.as_deref(), Some("no profile is defined"));
}
