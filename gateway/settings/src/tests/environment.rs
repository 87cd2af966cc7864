//! Environment variables over a document.

use super::{Names, Sample, brief};
use crate::{Document, Duration, Report, Size, Source, overlay, read};

fn over(text: &str, variables: &[(&str, &str)]) -> (Option<Sample>, Vec<String>) {
    let report = Report::new();
    let mut document = Document::parse(Source::new("f.toml", text), &report).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    overlay::<Sample>(&mut document, variables, &report);
    let value = read::<Sample>(&document, &report);
    (value, brief(&report.into_sorted()))
}

#[test]
fn a_variable_takes_the_type_that_its_key_wants() {
    let (value, found) = over(
        "version = 1",
        &[
            ("RAMPART__PORT", "80"),
            ("RAMPART__LABEL", "80"),
            ("RAMPART__WAIT", "5s"),
            ("RAMPART__ROOM", "65536"),
            ("RAMPART__ON", "true"),
            ("RAMPART__NAMES", "[\"a\", 'b']"),
            ("RAMPART__TABLE__NEW__NAME", "1979-05-27"),
            ("RAMPART_OTHER", "x"),
            ("PATH", "/bin"),
        ],
    );
    assert_eq!(found, [""; 0]);
    let value = value.unwrap();
    assert_eq!((value.port, value.label.as_deref(), value.on), (Some(80), Some("80"), Some(true)));
    assert_eq!((value.wait, value.room), (Some(Duration::secs(5)), Some(Size::kib(64))));
    assert_eq!(value.names, Some(Names::Many(vec!["a".to_owned(), "b".to_owned()])));
    assert_eq!(value.table["new"].name, "1979-05-27");
}

#[test]
fn a_variable_finds_the_key_that_is_there() {
    let text = "version = 1\nport = 1\n[table.My-Table]\nname = \"old\"\nsize = 1";
    let (value, found) = over(text, &[("RAMPART__Table__MY_TABLE__NAME", "new"), ("RAMPART__PORT", "2")]);
    assert_eq!(found, [""; 0]);
    let value = value.unwrap();
    assert_eq!(value.port, Some(2));
    assert_eq!(value.table["My-Table"].name, "new");
    assert_eq!(value.table["My-Table"].size, Some(Size::new(1)), "what is not named stays");
}

#[test]
fn mistakes_name_the_variable_and_never_its_value() {
    let check = |name: &str, value: &str, expect: &str| {
        let (read, found) = over("version = 1\nport = 1", &[(name, value)]);
        assert!(read.is_none() || found.is_empty() || found[0].starts_with("0:0"), "{name}");
        assert_eq!(found, [expect], "{name}");
    };
    check("RAMPART__PROT", "1", "1:10 prot: unknown key \"prot\" (did you mean \"port\"?)");
    check(
        "RAMPART__PORT__DEEP",
        "1",
        "0:0 : RAMPART__PORT__DEEP: \"DEEP\" is a key inside an integer, not inside a table",
    );
    check("RAMPART____PORT", "1", "0:0 : RAMPART____PORT: a key between the double underscores is empty");
    let (_, found) = over("version = 1", &[("RAMPART__TABLE__X__NAM", "a")]);
    let expect =
        ["1:17 table.x: missing key \"name\"", "1:20 table.x.nam: unknown key \"nam\" (did you mean \"name\"?)"];
    assert_eq!(found, expect);
    let (_, found) = over("version = 1", &[("RAMPART__SECRET", "hunter2")]);
    assert_eq!(found, ["1:1 secret: the value does not have the form ^secret:// (for example \"secret://x\")"]);
}

#[test]
fn two_variables_for_one_key_are_a_mistake() {
    let (_, found) = over("version = 1", &[("RAMPART__PORT", "1"), ("RAMPART__port", "2")]);
    assert_eq!(found, ["0:0 : RAMPART__port and RAMPART__PORT name the same key (unset one of them)"]);
}
