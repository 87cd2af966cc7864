//! `rampart apikey`: what it prints is what a configuration takes.

use std::fs;

use serde_json::Value;

use crate::commands::{CONFIG, RULES, expect, place};
use crate::running::shell;

#[test]
fn a_new_key_is_taken_by_check() {
    let directory = place(CONFIG, RULES);
    let arguments = ["apikey", "new", "--name", "ci", "--scope", "agents:read", "--scope", "agents:write"];
    let (output, errors) = expect(directory.path(), &arguments, 0);
    let (key, table) = output.split_once('\n').unwrap();
    assert!(key.starts_with("rk_") && key.len() == 63, "{output}");
    assert!(table.contains("\n[[api_key]]\nname = \"ci\"\ndigest = \"sha256:"), "{output}");
    assert!(table.contains("scopes = [\"agents:read\", \"agents:write\"]"), "{output}");
    assert!(!table.contains(&key[20..]) && !errors.contains(&key[20..]), "the key is printed twice: {output}{errors}");

    fs::write(directory.path().join("rules/keys.toml"), format!("version = 1\n{table}")).unwrap();
    expect(directory.path(), &["check"], 0);
    // The key itself where its digest belongs is refused, and not repeated.
    let leaked = format!("version = 1\n[[api_key]]\nname = \"ci\"\ndigest = \"{key}\"\n");
    fs::write(directory.path().join("rules/keys.toml"), leaked).unwrap();
    let (output, errors) = expect(directory.path(), &["check"], 1);
    assert!(errors.contains("rules/keys.toml:4:") && !format!("{output}{errors}").contains(&key[20..]), "{errors}");
}

#[test]
fn two_keys_are_never_the_same_and_json_has_both_parts() {
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        ["apikey", "new", "--name", "ci", "--tenant", "acme", "--expires", "2999-01-01T00:00:00Z", "--json"];
    let new = || -> Value { serde_json::from_str(&expect(directory.path(), &arguments, 0).0).unwrap() };
    let (one, other) = (new(), new());
    assert_ne!(one["key"], other["key"]);
    assert_ne!(one["digest"], other["digest"]);
    let table = one["table"].as_str().unwrap();
    for text in ["tenant = \"acme\"", "expires = \"2999-01-01T00:00:00Z\"", one["digest"].as_str().unwrap()] {
        assert!(table.contains(text), "without {text}:\n{table}");
    }
}

#[test]
fn the_digest_of_a_key_is_the_one_that_it_was_made_with() {
    let directory = tempfile::tempdir().unwrap();
    let (output, _) = expect(directory.path(), &["apikey", "new", "--name", "ci", "--json"], 0);
    let made: Value = serde_json::from_str(&output).unwrap();
    let key = made["key"].as_str().unwrap();
    let digest =
        |input: &str| shell(&format!("printf '%s' '{input}' | {} apikey digest", env!("CARGO_BIN_EXE_rampart")));
    assert_eq!(digest(key).trim(), made["digest"].as_str().unwrap());
    assert_eq!(digest(&format!("{key}\r\n")).trim(), made["digest"].as_str().unwrap());
    for wrong in ["", "rk_", &key[..62], &key.to_lowercase(), &key.repeat(2)] {
        assert!(digest(wrong).contains("This is not a key"), "{wrong}");
    }
}

#[test]
fn what_check_would_refuse_makes_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let new = |rest: &[&str]| {
        let arguments: Vec<&str> = ["apikey", "new", "--name"].into_iter().chain(rest.iter().copied()).collect();
        let (output, errors) = expect(directory.path(), &arguments, 2);
        assert!(output.is_empty(), "{output}");
        errors
    };
    assert!(
        new(&["ci", "--expires", "tomorrow"]).contains("expires: \"tomorrow\" is not a date (write \"2027-01-01\"")
    );
    assert!(new(&["ci", "--scope", "a b"]).contains("\"a b\" is several scopes"));
    assert!(new(&[""]).contains("no key was made"));
}
